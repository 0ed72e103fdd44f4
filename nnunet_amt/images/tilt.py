"""Straighten CT series that were scanned with a tilted gantry.

Each slice is moved within its own plane, so that all of them lie one above the other along their normal. Nothing is
interpolated across slices, and the slices stay where they are in the patient: contours drawn on them still fit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.hounsfield import FLOOR_HU

# For each slice how far its first pixel lies from that of the first slice, along rows (x) and columns (y), in pixels.
Shifts = tuple[tuple[float, float], ...]


def slice_shifts(positions: Sequence[Sequence[float]], geometry: Geometry) -> Shifts:
    """Compute by how much each slice is shifted in its plane.

    Parameters
    ----------
    positions
        Centre of the first pixel of each slice, (x, y, z) in mm.
    geometry
        The grid that the slices would form if none was shifted.
    """
    axes = np.reshape(geometry.direction, (3, 3))[:, :2]  # columns: unit vectors along x and y
    in_plane = (np.array(positions) - positions[0]) @ axes / geometry.spacing[:2]
    return tuple((float(x), float(y)) for x, y in in_plane)


def straight_geometry(geometry: Geometry, shifts: Shifts) -> Geometry:
    """Widen a grid in x and y so that all shifted slices fit in, by whole pixels."""
    low, high = _margins(shifts)
    axes = np.reshape(geometry.direction, (3, 3))[:, :2]
    origin = np.array(geometry.origin) + axes @ (low * geometry.spacing[:2])
    x, y, z = geometry.size
    size = (x + int(high[0] - low[0]), y + int(high[1] - low[1]), z)
    return Geometry(size, geometry.spacing, tuple(origin.tolist()), geometry.direction)


def straightened(image: sitk.Image, shifts: Shifts, geometry: Geometry) -> sitk.Image:
    """Move the slices of an image by linear interpolation.

    Parameters
    ----------
    image
        In HU; its slices in the order of `shifts`.
    shifts
        As `slice_shifts` gives them.
    geometry
        As `straight_geometry` gives it.

    Returns
    -------
    SimpleITK.Image
        float32; what no slice covers has the floor, `FLOOR_HU`.
    """
    slices = sitk.GetArrayViewFromImage(image)  # (z, y, x)
    low, _ = _margins(shifts)
    straight: NDArray[np.float32] = np.full(geometry.size[::-1], FLOOR_HU, np.float32)  # (z, y, x)
    rows, columns = slices.shape[1:]
    for z, (x_shift, y_shift) in enumerate(shifts):
        wide = np.full(straight.shape[1:], FLOOR_HU, np.float32)
        wide[:rows, :columns] = np.maximum(slices[z], FLOOR_HU)
        # (y, x), from the corner of the widened grid
        shift = (y_shift - low[1], x_shift - low[0])
        ndimage.shift(wide, shift, straight[z], order=1, mode="grid-constant", cval=FLOOR_HU)
    result = sitk.GetImageFromArray(straight)
    result.SetSpacing(geometry.spacing)
    result.SetOrigin(geometry.origin)
    result.SetDirection(geometry.direction)
    return result


def _margins(shifts: Shifts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Whole pixels (x, y) by which the grid grows to either side."""
    rounded = np.round(shifts, 3)  # rounding errors need no pixel
    return np.floor(rounded.min(axis=0)), np.ceil(rounded.max(axis=0))
