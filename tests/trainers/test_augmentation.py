"""Augmentation draws from the paper's ranges, turns about z only, and never loses the centre."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from nnunet_amt.trainers.augmentation import (
    axial_rotation,
    axial_sampling_scale,
    crop_size_before_augmentation,
    training_transforms,
)

NOTHING = torch.zeros(1)


def test_rotation_is_uniform_within_ten_degrees_about_z_only() -> None:
    np.random.seed(0)
    degrees = np.degrees([axial_rotation(NOTHING, dim=0) for _ in range(2000)])
    assert stats.kstest(degrees, stats.uniform(-10, 20).cdf).pvalue > 0.01
    assert {axial_rotation(NOTHING, dim=axis) for axis in (1, 2)} == {0.0}


def test_objects_scale_by_08_to_12_along_y_and_x_independently() -> None:
    """The sampling grid grows by the inverse of the scale of what is seen."""
    np.random.seed(0)
    grid = np.array([[axial_sampling_scale(NOTHING, dim=axis) for axis in (1, 2)] for _ in range(2000)])
    scales = np.reciprocal(grid)
    for axis in (0, 1):
        assert stats.kstest(scales[:, axis], stats.uniform(0.8, 0.4).cdf).pvalue > 0.01
    assert abs(np.corrcoef(scales.T)[0, 1]) < 0.07
    assert axial_sampling_scale(NOTHING, dim=0) == 1.0


def test_crop_size_by_hand() -> None:
    """A square of 100 turned by 10 degrees and enlarged by 1 / 0.8 needs (cos 10 + sin 10) / 0.8 x 100 = 144.8."""
    assert crop_size_before_augmentation((8, 100, 100)) == [8, 145, 145]


def test_patch_shows_only_what_was_cropped() -> None:
    """With a crop of ones, a patch that reached past the crop would show zeros."""
    patch_size = (8, 40, 24)
    transforms = training_transforms(patch_size)
    crop = torch.ones(1, *crop_size_before_augmentation(patch_size))
    for seed in range(30):
        np.random.seed(seed)
        result = transforms(image=crop.clone(), segmentation=torch.ones_like(crop, dtype=torch.int16))
        assert result["image"].shape == (1, *patch_size)
        assert result["image"].min() == pytest.approx(1.0, abs=1e-5)


def test_slices_stay_apart_and_nothing_is_mirrored() -> None:
    """A bright plane at z = 2 stays in its slice; a bright left half stays left."""
    patch_size = (8, 32, 32)
    crop = torch.zeros(1, *crop_size_before_augmentation(patch_size))
    crop[:, 2] = 1.0
    half = torch.zeros_like(crop)
    half[..., : crop.shape[-1] // 2] = 1.0
    for seed in range(20):
        np.random.seed(seed)
        label = torch.zeros_like(crop, dtype=torch.int16)
        transforms = training_transforms(patch_size)
        plane = transforms(image=crop.clone(), segmentation=label)["image"]
        assert plane[:, 2].min() > 0.99
        assert plane[:, [0, 1, 3, 4, 5, 6, 7]].max() < 0.01
        sides = transforms(image=half.clone(), segmentation=label)["image"]
        assert sides[..., :8].mean() > 0.9 > 0.1 > sides[..., -8:].mean()


def test_scale_and_angle_of_a_transformed_bar_agree_with_what_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar along x of 20 voxels, scaled by 1.2 along x, is 24 voxels long; turned by 10 degrees it tilts by 10."""
    import nnunet_amt.trainers.augmentation as augmentation

    patch_size = (8, 64, 64)
    crop = torch.zeros(1, *crop_size_before_augmentation(patch_size))
    middle_y, middle_x = crop.shape[2] // 2, crop.shape[3] // 2
    crop[:, :, middle_y - 2 : middle_y + 2, middle_x - 10 : middle_x + 10] = 1.0
    label = torch.zeros_like(crop, dtype=torch.int16)

    monkeypatch.setattr(augmentation, "axial_rotation", lambda image, dim: 0.0)
    monkeypatch.setattr(augmentation, "axial_sampling_scale", lambda image, dim: 1 / 1.2 if dim == 2 else 1.0)
    bar = training_transforms(patch_size)(image=crop.clone(), segmentation=label)["image"][0, 4]
    assert float(bar.sum()) / 4 == pytest.approx(24, rel=0.02)

    monkeypatch.setattr(augmentation, "axial_rotation", lambda image, dim: math.radians(10) if dim == 0 else 0.0)
    monkeypatch.setattr(augmentation, "axial_sampling_scale", lambda image, dim: 1.0)
    bar = training_transforms(patch_size)(image=crop.clone(), segmentation=label)["image"][0, 4]
    y, x = torch.nonzero(bar > 0.5, as_tuple=True)
    slope = np.polyfit(x.numpy(), y.numpy(), 1)[0]
    assert abs(math.degrees(math.atan(slope))) == pytest.approx(10, abs=1.5)


def test_labels_outside_the_image_become_background() -> None:
    """nnU-Net pads labels with -1."""
    label = torch.full((1, *crop_size_before_augmentation((8, 16, 16))), -1, dtype=torch.int16)
    result = training_transforms((8, 16, 16))(image=torch.zeros(label.shape), segmentation=label)
    assert set(result["segmentation"].unique().tolist()) == {0}
