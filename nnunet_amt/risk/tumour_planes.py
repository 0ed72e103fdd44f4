"""Read the two axial planes in which a tumour is looked at: that of its largest area, and the one 1 mm beside it.

The second lies nearer to the head and is interpolated between slices. Of several components of the mask the largest is
the tumour. Images of other axes than LPS are turned first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_amt.errors import GeometryMismatchError
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.geometry import GEOMETRY_TOLERANCE, Geometry, geometry_difference, lps_geometry
from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.pictures.case_crop import read_case_crop
from nnunet_amt.risk.cases import largest_component

ADJACENT_MM = 1.0
# Why a case has no ROI; what else is wrong with a case is an error.
NO_TUMOUR, ONE_SLICE = "no tumour in the mask", "no tumour 1 mm above and below the largest slice"


@dataclass(frozen=True, eq=False)
class TumourPlanes:
    """Two axial planes of a CT with the tumour in them, as far around it as was asked for.

    Rows run to posterior and columns to the patient's left.

    Attributes
    ----------
    largest, adjacent : numpy.ndarray of float32, (y, x)
        HU of the slice with the largest area of the tumour, and of the plane beside it.
    mask_largest, mask_adjacent : numpy.ndarray of bool, (y, x)
        The tumour in them.
    rows, columns
        Where in them the bounding box of the tumour in all slices lies.
    spacing
        (y, x) in mm.
    """

    largest: np.ndarray
    adjacent: np.ndarray
    mask_largest: np.ndarray
    mask_adjacent: np.ndarray
    rows: slice
    columns: slice
    spacing: tuple[float, float]


@dataclass(frozen=True)
class RoiNote:
    """How the ROI of a case was cut: a row of ``rois.csv``.

    Attributes
    ----------
    reason
        Why there is none, `NO_TUMOUR` or `ONE_SLICE`; empty where there is one. Then all below is None but the tilt.
    slice
        Number of the largest slice from the feet, from 0 on.
    adjacent_mm
        1, or -1 where the plane 1 mm nearer to the head is above the tumour.
    rows, columns
        Pixels of the tumour's bounding box in all slices.
    slice_mm
        Distance of slices.
    components, left_out_voxels
        Of the mask, and voxels of all but the largest, which is the tumour.
    tilt_degrees
        Of the slices against the axial plane.
    """

    case_id: str
    reason: str
    tilt_degrees: float
    slice: int | None = None
    adjacent_mm: int | None = None
    rows: int | None = None
    columns: int | None = None
    slice_mm: float | None = None
    components: int | None = None
    left_out_voxels: int | None = None


def read_planes(
    image: Path, mask: Path, *, case_id: str, foreground: int = 1, margin_mm: float = ADJACENT_MM
) -> tuple[TumourPlanes | None, RoiNote]:
    """Read the planes of one case, see the head of this module; None, and why, where there are none.

    Parameters
    ----------
    image, mask
        CT and mask, on one grid.
    foreground
        The value of tumour in a mask that holds others than 0 and 1.
    margin_mm
        How far around the tumour the planes reach at least, but for the edge of the CT; 1 mm or more.

    Raises
    ------
    GeometryMismatchError
        If image and mask do not lie on one grid.
    ImageReadError, LabelValueError
        If a file is damaged, or the mask holds other values than 0 and 1, or 0 and `foreground`.
    """
    geometry = _common_geometry(image, mask, case_id)
    tilt = _tilt_degrees(geometry)
    # wide enough in z for the slices between which a plane 1 mm beside the tumour lies
    crop = read_case_crop(image, mask, None, case_id=case_id, margin_mm=margin_mm, foreground=foreground)
    assert crop.image is not None  # it was asked for
    if not crop.reference.any():
        return None, RoiNote(case_id, NO_TUMOUR, tilt)
    z_mm, y_mm, x_mm = crop.spacing
    box, components = largest_component(Foreground.of(crop.reference.astype(np.uint8), (x_mm, y_mm, z_mm)))
    tumour = np.zeros(crop.reference.shape, bool)  # (z, y, x)
    tumour[box.slices] = box.mask
    _, rows, columns = box.slices
    largest = int(tumour.sum(axis=(1, 2)).argmax())  # of several the one nearest to the feet
    beside = {sign: largest + sign * ADJACENT_MM / z_mm for sign in (1, -1)}
    signs = [sign for sign, plane in beside.items() if _is_inside(tumour, plane)]
    if not signs:
        return None, RoiNote(case_id, ONE_SLICE, tilt)
    planes = TumourPlanes(
        largest=crop.image[largest].astype(np.float32),
        adjacent=_plane(crop.image, beside[signs[0]]),
        mask_largest=tumour[largest],
        mask_adjacent=_plane(tumour, beside[signs[0]]) >= 0.5,
        rows=rows,
        columns=columns,
        spacing=(y_mm, x_mm),
    )
    return planes, RoiNote(
        case_id=case_id,
        reason="",
        tilt_degrees=tilt,
        slice=crop.lower[0] + largest,
        adjacent_mm=signs[0],
        rows=rows.stop - rows.start,
        columns=columns.stop - columns.start,
        slice_mm=z_mm,
        components=components,
        left_out_voxels=int(crop.reference.sum()) - int(box.mask.sum()),
    )


def windowed(hu: np.ndarray, window_hu: tuple[float, float]) -> np.ndarray:
    """Bring HU of a window, its level and width, to 0..1; what lies outside becomes 0 or 1. The result is float32."""
    level, width = window_hu
    result: np.ndarray = np.clip((hu - (level - width / 2)) / width, 0.0, 1.0).astype(np.float32)
    return result


def _common_geometry(image: Path, mask: Path, case_id: str) -> Geometry:
    geometry = read_geometry(mask)
    difference = geometry_difference(read_geometry(image), geometry)
    if difference is not None:
        raise GeometryMismatchError(
            f"case {case_id}: {image} against {mask}: {difference} (x, y, z; tolerance {GEOMETRY_TOLERANCE:g}); a ROI "
            "needs CT and mask on one grid"
        )
    return geometry


def _tilt_degrees(geometry: Geometry) -> float:
    """Give the angle between the slices' axis nearest to the head and the patient's own."""
    along = abs(float(lps_geometry(geometry).axes[2, 2]))
    return round(float(np.degrees(np.arccos(min(1.0, along)))), 2) + 0.0


def _is_inside(tumour: np.ndarray, plane: float) -> bool:
    """Whether a plane, as a number of a slice with fractions, lies in the image and holds tumour."""
    return 0 <= round(plane, 3) <= len(tumour) - 1 and bool((_plane(tumour, plane) >= 0.5).any())


def _plane(voxels: np.ndarray, plane: float) -> np.ndarray:
    """Interpolate between the slices of an array (z, y, x) linearly; `plane` is a number of a slice with fractions."""
    position = round(plane, 3)  # spacings such as 0.9999999 mm are meant for 1 mm
    below = int(np.floor(position))
    share = np.float32(position - below)
    if share == 0:
        return voxels[below].astype(np.float32)
    result: np.ndarray = voxels[below] * (1 - share) + voxels[below + 1] * share
    return result
