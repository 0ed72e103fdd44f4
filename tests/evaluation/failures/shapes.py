"""Masks whose shape can be done on paper."""

from __future__ import annotations

import numpy as np

from nnunet_amt.images.foreground import Foreground, Spacing

CT_SPACING = (0.7, 0.8, 5.0)  # mm, (x, y, z)


def ellipsoid(radii_mm: tuple[float, float, float], spacing: Spacing) -> np.ndarray:
    """An ellipsoid (z, y, x) of the given radii along z, y, x, centred on a voxel, with a margin."""
    steps = np.array(spacing[::-1])
    half = np.ceil(np.array(radii_mm) / steps).astype(int) + 2
    indices = np.indices(2 * half + 1).reshape(3, -1).T - half
    inside = (((indices * steps) / radii_mm) ** 2).sum(axis=1) <= 1
    return inside.reshape(2 * half + 1).astype(np.uint8)


def box(size: tuple[int, int, int], margin: int = 2) -> np.ndarray:
    """A box of voxels along z, y, x."""
    return np.pad(np.ones(size, np.uint8), margin)


def foreground(mask: np.ndarray, spacing: Spacing) -> Foreground:
    return Foreground.of(mask, spacing)
