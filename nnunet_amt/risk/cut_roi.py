"""Cut the region of interest (ROI) of one tumour: two rectangles of its CT, as the networks see them.

The rectangle is the bounding box of the tumour in all slices, without a margin, in the axial slice of the largest
tumour area and in the plane 1 mm nearer to the head, which is interpolated between slices. HU are windowed to 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_amt.risk.tumour_planes import RoiNote, read_planes, windowed

WINDOW_LEVEL_HU, WINDOW_WIDTH_HU = 40.0, 400.0


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


def cut_roi(image: Path, mask: Path, *, case_id: str, foreground: int = 1) -> tuple[Roi | None, RoiNote]:
    """Cut the ROI of one case, see the head of this module; None, and why, where there is none.

    Raises what `nnunet_amt.risk.tumour_planes.read_planes` does.
    """
    planes, note = read_planes(image, mask, case_id=case_id, foreground=foreground)
    if planes is None:
        return None, note
    box, window = (planes.rows, planes.columns), (WINDOW_LEVEL_HU, WINDOW_WIDTH_HU)
    return Roi(
        case_id=case_id,
        largest=windowed(planes.largest[box], window),
        adjacent=windowed(planes.adjacent[box], window),
        mask_largest=planes.mask_largest[box],
        mask_adjacent=planes.mask_adjacent[box],
        spacing=planes.spacing,
    ), note
