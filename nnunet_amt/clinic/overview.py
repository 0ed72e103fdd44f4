"""One picture of a segmented case: three planes through its largest lesion, or through its middle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.clinic.lesions import Lesion
from nnunet_amt.pictures.case_crop import CaseCrop
from nnunet_amt.pictures.overlay import case_panel

_MARGIN_MM = 40.0
_WHOLE_BODY_MM = 2000.0


def overview_png(
    image: NDArray, mask: NDArray[np.bool_], lesions: Sequence[Lesion], *, spacing: Sequence[float], size: int = 420
) -> bytes:
    """Draw a case; CT in HU and mask are (z, y, x) with LPS axes, the spacing (x, y, z) in mm."""
    z, y, x = (float(step) for step in tuple(spacing)[::-1])
    if lesions:
        return case_panel(lesion_crop(image, mask, lesions[0], spacing=spacing), size=size)
    nothing = np.zeros_like(mask)  # specks are no lesions
    return case_panel(CaseCrop("", image, nothing, nothing, (z, y, x)), size=size, minimum_mm=_WHOLE_BODY_MM)


def lesion_crop(image: NDArray, mask: NDArray[np.bool_], lesion: Lesion, *, spacing: Sequence[float]) -> CaseCrop:
    """Cut the surroundings of a lesion out of a case, in which it alone is marked."""
    step = np.asarray(tuple(spacing)[::-1])  # (z, y, x)
    margin = np.ceil(_MARGIN_MM / step).astype(int)
    lower = np.maximum(0, np.asarray(lesion.box.lower) - margin)
    upper = np.minimum(mask.shape, np.asarray(lesion.box.upper) + margin)
    box = tuple(slice(int(low), int(high)) for low, high in zip(lower, upper, strict=True))
    alone = lesion.mask(mask.shape)[box]
    z, y, x = (float(value) for value in step)
    return CaseCrop("", image[box], np.zeros_like(alone), alone, (z, y, x))
