"""Crops as text: within their budget, and what comes back out of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnunet_amt.pictures import CaseCrop
from nnunet_amt.report.viewer.crop_data import LEAST_BUDGET, CropData, encode_crop, encode_strip, quantised
from tests.report.viewer.crops import noisy_crop, unpacked


def characters(data: CropData) -> int:
    """Room that CT and masks take in the page."""
    return len(data.image) + len(data.labels)


def test_what_fits_comes_back_as_it_was_rounded() -> None:
    crop = noisy_crop()
    assert crop.image is not None
    data = encode_crop(crop, budget=200_000)
    image, (slope, intercept) = unpacked(data.image)
    np.testing.assert_array_equal(image, quantised(crop.image))
    # 1600 HU in 255 steps: no value within the range is off by more than half a step, 3.2 HU
    assert np.abs(image * slope + intercept - np.clip(crop.image, -1000, 600)).max() <= 1600 / 255 / 2 + 1e-3
    labels, _ = unpacked(data.labels)
    np.testing.assert_array_equal(labels, crop.reference * 1 + crop.prediction * 2)
    assert data.image_spacing == data.labels_spacing == pytest.approx(crop.spacing)


@pytest.mark.parametrize("budget", [LEAST_BUDGET, 5_000, 20_000, 60_000])
@pytest.mark.parametrize("shape", [(12, 40, 44), (3, 90, 80), (60, 30, 31), (9, 25, 35)])
def test_the_budget_is_never_exceeded_and_mostly_used(shape: tuple[int, int, int], budget: int) -> None:
    crop = noisy_crop(shape)
    data = encode_crop(crop, budget=budget)
    assert characters(data) <= budget
    voxels, _ = unpacked(data.image)
    # the box is the same, whatever its voxels
    for spacing, of in ((data.image_spacing, voxels), (data.labels_spacing, unpacked(data.labels)[0])):
        assert np.multiply(spacing, of.shape).tolist() == pytest.approx(list(crop.extent_mm))
        assert all(new >= old * 0.999 for new, old in zip(spacing, crop.spacing, strict=True))
    if voxels.shape != shape:
        assert characters(data) > budget / 2


def test_masks_keep_their_voxels_where_the_ct_cannot() -> None:
    data = encode_crop(noisy_crop((30, 60, 60)), budget=30_000)
    assert unpacked(data.labels)[0].shape == (30, 60, 60)
    assert unpacked(data.image)[0].size < 30 * 60 * 60


def test_noise_that_no_packing_shrinks_fits_too() -> None:
    shape = (20, 50, 50)
    rng = np.random.default_rng(1)
    image = rng.integers(-1000, 600, shape).astype(np.int16)
    masks = rng.integers(0, 2, (2, *shape)).astype(bool)
    crop = CaseCrop("worst", image, masks[0], masks[1], (1.0, 1.0, 1.0))
    for budget in (LEAST_BUDGET, 10_000):
        assert characters(encode_crop(crop, budget=budget)) <= budget


def test_a_larger_voxel_is_the_mean_of_what_it_covers() -> None:
    noise = np.random.default_rng(0).integers(-300, 300, (1, 64, 64)).astype(np.int16)
    noise[:, :, 32:] += 200
    nothing = np.zeros(noise.shape, bool)
    halves = CaseCrop("halves", noise, nothing, nothing, (1.0,) * 3)
    coarse, _ = unpacked(encode_crop(halves, budget=LEAST_BUDGET).image)
    assert coarse.size < 64 * 64
    assert coarse.mean() == pytest.approx(quantised(noise).mean(), abs=1.0)
    # 200 HU are 32 steps between the halves, and stay so at their outer columns
    assert coarse[0, :, -1].mean() - coarse[0, :, 0].mean() == pytest.approx(32, abs=8)


def test_a_case_without_a_ct_is_black_and_keeps_its_masks() -> None:
    crop = replace(noisy_crop(), image=None)
    data = encode_crop(crop, budget=LEAST_BUDGET)
    image, _ = unpacked(data.image)
    assert not image.any()
    assert unpacked(data.labels)[0].sum() == crop.reference.sum() + 2 * crop.prediction.sum()
    assert np.multiply(data.image_spacing, image.shape).tolist() == pytest.approx(list(crop.extent_mm))


def test_the_same_crop_gives_the_same_text() -> None:
    assert encode_crop(noisy_crop(), budget=9_000) == encode_crop(noisy_crop(), budget=9_000)


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="the least is 2000"):
        encode_crop(noisy_crop(), budget=LEAST_BUDGET - 1)


def test_a_picture_is_drawn_as_large_as_it_fits() -> None:
    crop = noisy_crop()
    large, small = encode_strip(crop, budget=100_000), encode_strip(crop, budget=9_000)
    assert large is not None
    assert small is not None
    assert large.width > small.width
    assert len(small.source) <= 9_000
    assert encode_strip(crop, budget=500) is None
