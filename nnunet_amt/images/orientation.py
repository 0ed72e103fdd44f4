"""Bring images to LPS axes: x to the patient's left, y to posterior, z to the head; no voxel is changed.

The recipe does not mirror, so a cohort must not mix images that run left to right with others that run right to
left; and an axial slice must be a slice along the array's first axis.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from nnunet_amt.images.geometry import Geometry, lps_axes


def lps_geometry(geometry: Geometry) -> Geometry:
    """Give the grid that `to_lps` gives an image of the grid `geometry`, without the image.

    Parameters
    ----------
    geometry
        A three-dimensional grid.

    Returns
    -------
    Geometry
        The same voxels with axes permuted and flipped; oblique grids stay oblique.
    """
    order, flips = lps_axes(geometry)
    size = np.array(geometry.size)[order]
    spacing = np.array(geometry.spacing)[order]
    axes = np.reshape(geometry.direction, (3, 3))[:, order]  # columns: unit vectors along x, y, z
    origin = np.array(geometry.origin) + axes @ (flips * spacing * (size - 1))
    axes = axes * np.where(flips, -1.0, 1.0) + 0.0  # no -0 in messages
    return Geometry(tuple(size.tolist()), tuple(spacing.tolist()), tuple(origin.tolist()), tuple(axes.ravel().tolist()))


def to_lps(image: sitk.Image) -> sitk.Image:
    """Permute and flip the axes of a three-dimensional image to LPS, as far as that goes without resampling."""
    order, flips = lps_axes(Geometry.of(image))
    if order != [0, 1, 2]:
        image = sitk.PermuteAxes(image, order)
    if flips.any():
        image = sitk.Flip(image, flips.tolist())
    return image
