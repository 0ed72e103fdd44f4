"""What is resampled where the user has asked for it: masks of another grid, and series of a tilted gantry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError
from nnunet_amt.images.geometry import Geometry, described
from nnunet_amt.images.image_file import FLOOR_HU

if TYPE_CHECKING:
    import SimpleITK as sitk

# For each slice how far its first pixel lies from that of the first slice, along rows (x) and columns (y), in pixels.
Shifts = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ReadingOptions:
    """What may be resampled; what is not allowed here is refused.

    Attributes
    ----------
    resample_masks
        Bring label files and DICOM SEGs of another grid to their CT's, by the nearest neighbour.
    resample_tilt
        Straighten CT series of a tilted gantry: each slice is shifted in its own plane, by linear interpolation.
    """

    resample_masks: bool = False
    resample_tilt: bool = False


def resampled_mask(mask: sitk.Image, geometry: Geometry, *, name: str, outside: int = 0) -> sitk.Image:
    """Give each voxel of a grid the label of the mask's voxel in which its centre lies.

    Voxels that the mask does not cover get the label `outside`.

    Raises
    ------
    GeometryMismatchError
        If tumour (1) lies outside the CT: it is another CT, or a part of it.
    """
    import SimpleITK as sitk

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


def _tumour_outside(mask: sitk.Image, geometry: Geometry) -> tuple[int, int]:
    """Count the tumour voxels whose centres lie in no voxel of the grid, and all of them."""
    import SimpleITK as sitk

    places = np.argwhere(sitk.GetArrayViewFromImage(mask) == 1)[:, ::-1]  # (x, y, z)
    from_mask = Geometry.of(mask).axes * mask.GetSpacing()
    index = geometry.continuous_index(places @ from_mask.T + mask.GetOrigin())
    inside = ((index >= -0.5 - 1e-3) & (index <= np.array(geometry.size) - 0.5 + 1e-3)).all(axis=1)
    return int(np.count_nonzero(~inside)), len(places)


def slice_shifts(positions: Sequence[Sequence[float]], geometry: Geometry) -> Shifts:
    """Compute by how much each slice of a tilted series is shifted in its plane.

    `positions` are the centres of their first pixels, (x, y, z) in mm; `geometry` is the grid that they would form if
    none was shifted.
    """
    in_plane = (np.array(positions) - positions[0]) @ geometry.axes[:, :2] / geometry.spacing[:2]
    return tuple((float(x), float(y)) for x, y in in_plane)


def straight_geometry(geometry: Geometry, shifts: Shifts) -> Geometry:
    """Widen a grid in x and y so that all shifted slices fit in, by whole pixels."""
    low, high = _margins(shifts)
    origin = np.array(geometry.origin) + geometry.axes[:, :2] @ (low * geometry.spacing[:2])
    x, y, z = geometry.size
    size = (x + int(high[0] - low[0]), y + int(high[1] - low[1]), z)
    return Geometry(size, geometry.spacing, tuple(origin.tolist()), geometry.direction)


def straightened(image: sitk.Image, shifts: Shifts, geometry: Geometry) -> sitk.Image:
    """Move the slices of a tilted series within their own planes until each lies above the first.

    Nothing is interpolated across slices, and they stay where they are in the patient: contours drawn on them still
    fit. The image is in HU, its slices in the order of `shifts`; `geometry` is as `straight_geometry` gives it, and
    what no slice covers has the floor, `FLOOR_HU`.
    """
    import SimpleITK as sitk
    from scipy import ndimage

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
    geometry.set_on(result)
    return result


def _margins(shifts: Shifts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Whole pixels (x, y) by which the grid grows to either side."""
    rounded = np.round(shifts, 3)  # rounding errors need no pixel
    return np.floor(rounded.min(axis=0)), np.ceil(rounded.max(axis=0))
