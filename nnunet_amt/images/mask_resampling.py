"""Bring a mask to the grid of its CT by the nearest neighbour; only where the user has asked for it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from nnunet_amt.errors import GeometryMismatchError
from nnunet_amt.images.geometry import Geometry


def resampled_mask(mask: sitk.Image, geometry: Geometry, name: str, outside: int = 0) -> sitk.Image:
    """Give each voxel of a grid the label of the mask's voxel in which its centre lies.

    Parameters
    ----------
    mask
        Labels; 1 is tumour.
    geometry
        The CT's grid.
    name
        Of the mask, for messages.
    outside
        Label of voxels that the mask does not cover.

    Raises
    ------
    GeometryMismatchError
        If tumour lies outside the CT: it is another CT, or a part of it.
    """
    lost, total = _tumour_outside(mask, geometry)
    if lost:
        raise GeometryMismatchError(
            f"{name}: {lost} of {total} tumour voxels lie outside the CT, which has {described(geometry)}, the mask "
            f"{described(Geometry.of(mask))}; give the CT that it was drawn on"
        )
    resample = sitk.ResampleImageFilter()
    resample.SetSize([int(length) for length in geometry.size])
    resample.SetOutputSpacing(geometry.spacing)
    resample.SetOutputOrigin(geometry.origin)
    resample.SetOutputDirection(geometry.direction)
    resample.SetInterpolator(sitk.sitkNearestNeighbor)
    resample.SetDefaultPixelValue(outside)
    return resample.Execute(mask)


def described(geometry: Geometry) -> str:
    """Say what a grid is: ``512 x 512 x 60 voxels of 0.7 x 0.7 x 5 mm from (-179, -179, 40)``."""
    size = " x ".join(str(length) for length in geometry.size)
    spacing = " x ".join(f"{edge:.6g}" for edge in geometry.spacing)
    origin = ", ".join(f"{place + 0.0:.6g}" for place in geometry.origin)
    return f"{size} voxels of {spacing} mm from ({origin})"


def _tumour_outside(mask: sitk.Image, geometry: Geometry) -> tuple[int, int]:
    """Count the tumour voxels whose centres lie in no voxel of the grid, and all of them."""
    places = np.argwhere(sitk.GetArrayViewFromImage(mask) == 1)[:, ::-1]  # (x, y, z)
    from_mask = np.reshape(mask.GetDirection(), (3, 3)) * mask.GetSpacing()
    to_grid = np.reshape(geometry.direction, (3, 3)) * geometry.spacing
    points = places @ from_mask.T + mask.GetOrigin()
    index = np.linalg.solve(to_grid, (points - geometry.origin).T).T
    inside = ((index >= -0.5 - 1e-3) & (index <= np.array(geometry.size) - 0.5 + 1e-3)).all(axis=1)
    return int(np.count_nonzero(~inside)), len(places)
