"""A mask on the grid of its CT: what there must be in it, and how one of another grid is brought there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError, LabelValueError
from nnunet_amt.images.geometry import Geometry, described

if TYPE_CHECKING:
    import SimpleITK as sitk

_SHOWN_VOLUMES = 5
CT_FOR_MASK = "is a CT, not a mask; give the file with the outlines: an RTSTRUCT, a DICOM SEG or a label file"
_MOST_OF_CT, _MOST_LITRES = 2 / 3, 10  # that can be tumour
_MOST_SKIPPED = 4  # slices in a row: a drawing on every fifth
_AIR_HU = -200  # a CT has air round the patient and in the lungs; no label is so low


class EmptyMaskError(LabelValueError):
    """A mask has no tumour."""


class WholeMaskError(LabelValueError):
    """A mask is larger than any tumour."""


@dataclass(frozen=True, eq=False)
class MaskOnGrid:
    """A mask on the grid of its CT, and what was made up on the way there."""

    labels: NDArray[np.uint8]  # (z, y, x): 0, 1, and 2, to be ignored, where a reader says that it has it
    interpolated_slices: int = 0  # on which nobody has drawn
    # Lesions (voxels that touch, also at edges or corners) of a mask of another grid: in it, and on the CT's
    lesions: tuple[int, int] | None = None


def resampled_mask(mask: sitk.Image, geometry: Geometry, *, name: str, outside: int = 0) -> MaskOnGrid:
    """Give each voxel of a grid the label of the mask's voxel in which its centre lies.

    Voxels that the mask does not cover get the label `outside`. Raises GeometryMismatchError if tumour (1) lies outside
    the CT: it is another CT, or a part of it; or if of several lesions one lies between the voxels' centres.
    """
    import SimpleITK as sitk

    places = np.argwhere(sitk.GetArrayViewFromImage(mask) == 1)[:, ::-1]  # tumour, (x, y, z)
    from_mask = Geometry.of(mask).axes * mask.GetSpacing()
    index = geometry.continuous_index(places @ from_mask.T + mask.GetOrigin())
    inside = ((index >= -0.5 - 1e-3) & (index <= np.array(geometry.size) - 0.5 + 1e-3)).all(axis=1)
    if lost := int(np.count_nonzero(~inside)):
        raise GeometryMismatchError(
            f"{name}: {lost} of {len(places)} tumour voxels lie outside the CT, which has {described(geometry)}, "
            f"the mask {described(Geometry.of(mask))}; give the CT that it was drawn on"
        )
    lesions, count = _lesions(sitk.GetArrayViewFromImage(mask) == 1)
    numbered = sitk.GetImageFromArray(lesions)
    numbered.CopyInformation(mask)
    resample = sitk.ResampleImageFilter()
    resample.SetSize([int(length) for length in geometry.size])
    resample.SetOutputSpacing(geometry.spacing)
    resample.SetOutputOrigin(geometry.origin)
    resample.SetOutputDirection(geometry.direction)
    resample.SetInterpolator(sitk.sitkNearestNeighbor)
    _require_all_lesions(lesions, sitk.GetArrayViewFromImage(resample.Execute(numbered)), count, from_mask, name)
    resample.SetDefaultPixelValue(outside)
    labels = sitk.GetArrayFromImage(resample.Execute(mask))
    return MaskOnGrid(labels, lesions=(count, _lesions(labels == 1)[1]))


def _lesions(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Give numbers to what hangs together, over edges and corners too, and count it."""
    from scipy import ndimage

    numbered, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    return numbered.astype(np.int32, copy=False), int(count)


def _require_all_lesions(before: NDArray, after: NDArray, count: int, axes: NDArray[np.float64], name: str) -> None:
    """Refuse a mask of which lesions, numbered in both arrays, have no voxel left; all being lost, it is empty.

    `axes` are the steps from voxel to voxel of the mask as drawn, in mm.
    """
    lost = np.setdiff1d(np.arange(1, count + 1), after)
    if not 0 < len(lost) < count:
        return
    volumes = np.sort(np.bincount(before.ravel())[lost] * abs(np.linalg.det(axes)))[::-1]
    listed = ", ".join(f"{volume:.3g}" for volume in volumes[:_SHOWN_VOLUMES])
    more = f" and {len(lost) - _SHOWN_VOLUMES} smaller" if len(lost) > _SHOWN_VOLUMES else ""
    raise GeometryMismatchError(
        f"{name}: of {count} lesions {len(lost)} would be lost ({listed}{more} mm3), as no voxel of the CT has its "
        "centre in them; export the mask on the CT's grid, or take out of it what is no tumour"
    )


def skipped_slices(mask: NDArray[np.bool_]) -> int:
    """Count the slices of a mask, (z, y, x), that somebody seems not to have drawn on.

    They are without tumour, up to `_MOST_SKIPPED` in a row, between two slices with tumour at the same place.
    """
    drawn = np.flatnonzero(mask.any(axis=(1, 2)))
    gaps = [(low, high) for low, high in pairwise(drawn.tolist()) if 1 < high - low <= _MOST_SKIPPED + 1]
    return sum(high - low - 1 for low, high in gaps if (mask[low] & mask[high]).any())


def looks_like_ct(values: NDArray) -> bool:
    """Whether voxels that are said to be labels are those of a CT: some are as low as air."""
    return bool(values.size and (values <= _AIR_HU).any())


def require_tumour(mask: NDArray, *, name: str, voxel_mm3: float) -> None:
    """Raise LabelValueError for a mask on the CT's grid that is empty, or larger than any tumour."""
    require_any(mask, name=name)
    if rule := implausible_size(mask, voxel_mm3=voxel_mm3):
        raise WholeMaskError(
            f"{name}: {rule}; is it inverted, or the outline of the body? Draw the tumour, or give the case an "
            "exclusion_reason"
        )


def implausible_size(mask: NDArray, *, voxel_mm3: float) -> str:
    """Say what shows that a mask is no tumour by its size, but the background, the body or noise; empty for nothing.

    A ball in the box round it is half of the box; the largest tumours of the mediastinum have some litres.
    """
    voxels = int(np.count_nonzero(mask))
    share, litres = voxels / max(mask.size, 1), voxels * voxel_mm3 / 1e6
    if share > _MOST_OF_CT:
        return f"covers {share:.0%} of the CT, at most two thirds are plausible"
    if litres > _MOST_LITRES:
        return f"has {litres:.0f} litres, at most {_MOST_LITRES} are plausible"
    return ""


def require_any(mask: NDArray, *, name: str) -> None:
    """Raise EmptyMaskError for a mask without tumour."""
    if not mask.any():
        raise EmptyMaskError(
            f"{name}: is empty, no voxel is tumour; draw it or give the case an exclusion_reason, or no_tumour = yes "
            "if the CT shows none"
        )
