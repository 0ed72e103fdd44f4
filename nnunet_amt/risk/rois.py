"""The region of interest of a case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Roi:
    """Two rectangles around the tumour of a case, cut from axial slices.

    Attributes
    ----------
    case_id
        Name of the case in the dataset.
    largest : numpy.ndarray of float32, (y, x)
        The slice with the largest area of the tumour, windowed (level 40 HU, width 400 HU) to 0..1.
    adjacent : numpy.ndarray of float32, (y, x)
        The slice beside it, +1 mm towards the head.
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
