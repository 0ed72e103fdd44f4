"""Cut one lesion out of its CT as the networks see it: image, mask and denoised image of two axial planes.

The planes are those of `nnunet_amt.risk.tumour_planes`. The square has the middle of the lesion's bounding box in all
slices, and its longer edge in mm with a margin of a tenth, at least 5 mm, on either side. HU are windowed to 0..1, and
the square is denoised in the CT's own pixels before it is brought to the networks'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_amt.errors import BadInputError
from nnunet_amt.images.mask_file import read_foreground
from nnunet_amt.risk.cases import largest_component
from nnunet_amt.risk.fusion.denoising import denoised
from nnunet_amt.risk.tumour_planes import ADJACENT_MM, RoiNote, TumourPlanes, read_planes, windowed

LESION_WINDOW_HU = (50.0, 350.0)  # level, width
PIXELS = 128
CHANNELS = ("image", "mask", "denoised")
_MARGIN, _LEAST_MARGIN_MM = 0.1, 5.0
Square = tuple[float, float, float, float]  # top, bottom, left, right


@dataclass(frozen=True, eq=False)
class LesionCrop:
    """Two squares around a lesion, cut from axial planes and brought to one number of pixels.

    Rows run to posterior and columns to the patient's left, as pictures of CTs are shown.

    Attributes
    ----------
    case_id
        Name of the case in the dataset.
    largest : numpy.ndarray of float32, (3, pixels, pixels)
        Image (level 50 HU, width 350 HU, to 0..1), mask (0 or 1) and denoised image of the slice with the largest area
        of the lesion.
    adjacent : numpy.ndarray of float32, (3, pixels, pixels)
        The same of the plane beside it, 1 mm nearer to the head, or to the feet where that is above the lesion.
    """

    case_id: str
    largest: np.ndarray
    adjacent: np.ndarray


def cut_lesion(
    image: Path, mask: Path, *, case_id: str, pixels: int = PIXELS, denoise: bool = True, foreground: int = 1
) -> tuple[LesionCrop | None, str]:
    """Cut the crop of one lesion, see the head of this module; None, and why, where there is none.

    Parameters
    ----------
    image, mask
        CT and mask, on one grid. Of several components of the mask the largest is the lesion.
    pixels
        Side of the squares.
    denoise
        False for a third channel that is the image as it is.
    foreground
        The value of tumour in a mask that holds others than 0 and 1.

    Raises
    ------
    BadInputError
        If there can be no such side, or the CT shows nothing in the window; what `read_planes` raises if files are
        damaged or do not fit.
    """
    crop, note = cut_with_note(image, mask, case_id=case_id, pixels=pixels, denoise=denoise, foreground=foreground)
    return crop, note.reason


def cut_with_note(
    image: Path, mask: Path, *, case_id: str, pixels: int, denoise: bool, foreground: int
) -> tuple[LesionCrop | None, RoiNote]:
    """Do what `cut_lesion` does, and tell all that there is to tell of the planes."""
    if pixels < 1:
        raise BadInputError(f"pixels is {pixels}; the side of a crop must be 1 or more")
    margin = max(ADJACENT_MM, _farthest_mm(mask, case_id, foreground))
    planes, note = read_planes(image, mask, case_id=case_id, foreground=foreground, margin_mm=margin)
    if planes is None:
        return None, note
    square = _square(planes)
    largest, adjacent = (
        _channels(hu, tumour, square, case_id=case_id, pixels=pixels, denoise=denoise)
        for hu, tumour in ((planes.largest, planes.mask_largest), (planes.adjacent, planes.mask_adjacent))
    )
    return LesionCrop(case_id, largest, adjacent), note


def _side_mm(longest_mm: float) -> float:
    return longest_mm + 2 * max(_MARGIN * longest_mm, _LEAST_MARGIN_MM)


def _farthest_mm(mask: Path, case_id: str, foreground: int) -> float:
    """Tell how far a square can reach beyond the lesion's box: half its side, whichever edge of the box is longest."""
    lesion = read_foreground(mask, case_id=case_id, foreground=foreground)
    if not lesion.boxes:
        return 0.0
    voxels = largest_component(lesion)[0].mask.shape
    return _side_mm(max(count * step for count, step in zip(voxels, lesion.spacing[::-1], strict=True))) / 2


def _square(planes: TumourPlanes) -> Square:
    """Lay the square around the lesion's box; its edges are in pixels of the planes, from the edge of the first."""
    box, spacing = (planes.rows, planes.columns), planes.spacing
    side = _side_mm(max((axis.stop - axis.start) * step for axis, step in zip(box, spacing, strict=True)))
    (top, bottom), (left, right) = (
        ((axis.start + axis.stop - side / step) / 2, (axis.start + axis.stop + side / step) / 2)
        for axis, step in zip(box, spacing, strict=True)
    )
    return top, bottom, left, right


def _channels(
    hu: np.ndarray, tumour: np.ndarray, square: Square, *, case_id: str, pixels: int, denoise: bool
) -> np.ndarray:
    """Give image, mask and denoised image, (3, pixels, pixels), of the square in a plane of HU and one of tumour."""
    top, bottom, left, right = square
    rows = slice(max(0, math.floor(top)), math.ceil(bottom))
    columns = slice(max(0, math.floor(left)), math.ceil(right))
    image = windowed(hu[rows, columns], LESION_WINDOW_HU)
    if image.min() == image.max():
        raise BadInputError(
            f"case {case_id}: its CT has the one intensity {image.min():g} around the lesion after the window; look at "
            "its CT and mask"
        )
    without_noise = np.clip(denoised(image), 0, 1) if denoise else image
    inside = (top - rows.start, bottom - rows.start, left - columns.start, right - columns.start)
    channels = [_resized(values, inside, pixels) for values in (image, tumour[rows, columns], without_noise)]
    channels[1] = (channels[1] >= 0.5).astype(np.float32)
    return np.stack(channels)


def _resized(values: np.ndarray, square: Square, pixels: int) -> np.ndarray:
    """Bring a square of an array (y, x) to (pixels, pixels), linearly and without aliasing; outside the array is 0."""
    from PIL import Image

    top, bottom, left, right = square
    height, width = values.shape
    beyond = math.ceil(max(0, -top, bottom - height, -left, right - width))
    padded = Image.fromarray(np.pad(values.astype(np.float32), beyond))
    box = (left + beyond, top + beyond, right + beyond, bottom + beyond)
    return np.asarray(padded.resize((pixels, pixels), Image.Resampling.BILINEAR, box=box))
