"""Augmentation draws from the paper's ranges, turns about z only, and never loses the centre."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from nnunet_amt.trainers.recipe import crop_size_before_augmentation, training_transforms


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """Matrices (2000, z y x, z y x) of the sampling grid, as the transforms of a training draw them."""
    np.random.seed(0)
    spatial = training_transforms((8, 8, 8)).transforms[0]
    image = torch.zeros(1, *crop_size_before_augmentation((8, 8, 8)))
    return np.array([spatial.get_parameters(image=image)["affine"] for _ in range(2000)])


def test_rotation_is_uniform_within_ten_degrees_about_z_only(drawn: np.ndarray) -> None:
    """A rotation about z leaves z where it is, and takes nothing of y and x into z."""
    assert np.array_equal(drawn[:, 0], np.tile([1.0, 0.0, 0.0], (2000, 1)))
    assert np.array_equal(drawn[:, :, 0], np.tile([1.0, 0.0, 0.0], (2000, 1)))
    # the grid is scaled first, then turned: each column is turned by the angle
    of_y, of_x = (
        np.degrees(np.arctan2(*pair)) for pair in ((drawn[:, 2, 1], drawn[:, 1, 1]), (-drawn[:, 1, 2], drawn[:, 2, 2]))
    )
    assert np.allclose(of_y, of_x)
    assert stats.kstest(of_y, stats.uniform(-10, 20).cdf).pvalue > 0.01


def test_objects_scale_by_08_to_12_along_y_and_x_independently(drawn: np.ndarray) -> None:
    """The sampling grid grows by the inverse of the scale of what is seen."""
    scales = 1.0 / np.linalg.norm(drawn[:, :, 1:], axis=1)
    for axis in (0, 1):
        assert stats.kstest(scales[:, axis], stats.uniform(0.8, 0.4).cdf).pvalue > 0.01
    angles = np.arctan2(drawn[:, 2, 1], drawn[:, 1, 1])
    correlations = np.corrcoef(np.column_stack((scales, angles)).T)
    assert np.abs(correlations[np.triu_indices(3, 1)]).max() < 0.07


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
    import nnunet_amt.trainers.recipe as augmentation

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
