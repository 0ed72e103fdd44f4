"""Cut the region of interest (ROI) of one tumour: two rectangles of its CT, as the networks see them.

The rectangle is the bounding box of the tumour in all slices, without a margin, in the axial slice of the largest
tumour area and in the plane 1 mm nearer to the head, which is interpolated between slices. HU are windowed to 0..1.
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

WINDOW_LEVEL_HU, WINDOW_WIDTH_HU = 40.0, 400.0
ADJACENT_MM = 1.0
# Why a case has no ROI; what else is wrong with a case is an error.
NO_TUMOUR, ONE_SLICE = "no tumour in the mask", "no tumour 1 mm above and below the largest slice"


@dataclass(frozen=True, eq=False)
class Roi:
    """Two rectangles around the tumour of a case, cut from axial planes.

    Rows run to posterior and columns to the patient's left, as pictures of CTs are shown.

    Attributes
    ----------
    case_id
        Name of the case in the dataset.
    largest : numpy.ndarray of float32, (y, x)
        The slice with the largest area of the tumour, windowed (level 40 HU, width 400 HU) to 0..1.
    adjacent : numpy.ndarray of float32, (y, x)
        The plane beside it, 1 mm nearer to the head, or to the feet where that is above the tumour.
    mask_largest, mask_adjacent : numpy.ndarray of bool, (y, x)
        The tumour in them.
    spacing
        (y, x) in mm.
    """

    case_id: str
    largest: np.ndarray
    adjacent: np.ndarray
    mask_largest: np.ndarray
    mask_adjacent: np.ndarray
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
        Pixels of the rectangle.
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


def cut_roi(image: Path, mask: Path, *, case_id: str, foreground: int = 1) -> tuple[Roi | None, RoiNote]:
    """Cut the ROI of one case, see the head of this module; None, and why, where there is none.

    Of several components of the mask the largest is the tumour. Images of other axes than LPS are turned first.

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
    crop = read_case_crop(image, mask, None, case_id=case_id, margin_mm=ADJACENT_MM, foreground=foreground)
    assert crop.image is not None  # it was asked for
    if not crop.reference.any():
        return None, RoiNote(case_id, NO_TUMOUR, tilt)
    z_mm, y_mm, x_mm = crop.spacing
    box, components = largest_component(Foreground.of(crop.reference.astype(np.uint8), (x_mm, y_mm, z_mm)))
    tumour = np.zeros(crop.reference.shape, bool)  # (z, y, x)
    tumour[box.slices] = box.mask
    _, rows, columns = box.slices
    voxels, tumour = crop.image[:, rows, columns].astype(np.float32), tumour[:, rows, columns]
    largest = int(tumour.sum(axis=(1, 2)).argmax())  # of several the one nearest to the feet
    planes = {sign: largest + sign * ADJACENT_MM / z_mm for sign in (1, -1)}
    signs = [sign for sign, plane in planes.items() if _is_inside(tumour, plane)]
    if not signs:
        return None, RoiNote(case_id, ONE_SLICE, tilt)
    roi = Roi(
        case_id=case_id,
        largest=_windowed(voxels[largest]),
        adjacent=_windowed(_plane(voxels, planes[signs[0]])),
        mask_largest=tumour[largest],
        mask_adjacent=_plane(tumour, planes[signs[0]]) >= 0.5,
        spacing=(y_mm, x_mm),
    )
    height, width = roi.largest.shape
    return roi, RoiNote(
        case_id=case_id,
        reason="",
        tilt_degrees=tilt,
        slice=crop.lower[0] + largest,
        adjacent_mm=signs[0],
        rows=height,
        columns=width,
        slice_mm=z_mm,
        components=components,
        left_out_voxels=int(crop.reference.sum()) - int(box.mask.sum()),
    )


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


def _windowed(hu: np.ndarray) -> np.ndarray:
    """Bring HU of the window to 0..1; what lies outside becomes 0 or 1."""
    lowest = WINDOW_LEVEL_HU - WINDOW_WIDTH_HU / 2
    result: np.ndarray = np.clip((hu - lowest) / WINDOW_WIDTH_HU, 0.0, 1.0).astype(np.float32)
    return result
