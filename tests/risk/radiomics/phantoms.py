"""Tiny tumours for tests of radiomics."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.risk.radiomics.feature_settings import FeatureSettings

FEW = FeatureSettings(image_types=("Original",))
Spacing = tuple[float, float, float]


def image_of(array: NDArray, spacing: Spacing) -> sitk.Image:
    """Give an array (z, y, x) as an image of a spacing (x, y, z) in mm, off the origin."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((-31.7, 12.9, 104.3))
    return image


def noisy_ct(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.int16]:
    """HU about 0 with grain of 60 HU, (z, y, x)."""
    return np.random.default_rng(seed).normal(0, 60, shape).round().astype(np.int16)


def ball(shape: tuple[int, int, int], centre: tuple[int, int, int], radii: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Give an ellipsoid in voxels, all in (z, y, x)."""
    grid = np.indices(shape)
    distance = sum(((grid[axis] - centre[axis]) / radii[axis]) ** 2 for axis in range(3))
    return np.asarray(distance <= 1, np.uint8)


def tumour(seed: int = 0, spacing: Spacing = (1.5, 1.5, 2.5)) -> tuple[sitk.Image, sitk.Image]:
    """CT of 16 x 30 x 30 voxels and the mask of a tumour of 2 ml, 60 HU denser than what surrounds it."""
    ct = noisy_ct((16, 30, 30), seed)
    mask = ball(ct.shape, (8, 15, 14), (3, 5, 6))
    ct[mask == 1] += 60
    return image_of(ct, spacing), image_of(mask, spacing)
