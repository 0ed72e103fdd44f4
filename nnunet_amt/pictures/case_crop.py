"""The part of a case that pictures show: CT, reference and prediction around the tumour, on LPS axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_amt.errors import GeometryMismatchError, ImageReadError
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.geometry import GEOMETRY_TOLERANCE, Geometry, geometry_difference, lps_axes
from nnunet_amt.images.image_integrity import file_damage
from nnunet_amt.images.mask_file import read_foreground, read_geometry
from nnunet_amt.images.nifti_header import LabelHeader, ordinary_header
from nnunet_amt.images.nifti_slabs import BrokenFileError, read_slabs

# Around the middle of a case that has no tumour in either mask.
_EMPTY_SIDE_MM = 120.0
_INT16 = np.iinfo(np.int16)

Box = tuple[slice, slice, slice]  # z, y, x


@dataclass(frozen=True, eq=False)
class CaseCrop:
    """A box of a case; x runs to the patient's left, y to posterior, z to the head.

    Attributes
    ----------
    case_id
        Name of the case.
    image : numpy.ndarray of int16, (z, y, x)
        HU; None where there is no CT.
    reference, prediction : numpy.ndarray of bool, (z, y, x)
        Both masks.
    spacing
        Voxel edge lengths (z, y, x) in mm.
    lower
        Index (z, y, x) of the box's first voxel in the whole case, along LPS axes too.
    whole
        Voxels (z, y, x) of the whole case.
    """

    case_id: str
    image: np.ndarray | None
    reference: np.ndarray
    prediction: np.ndarray
    spacing: tuple[float, float, float]
    lower: tuple[int, int, int] = (0, 0, 0)
    whole: tuple[int, int, int] = (0, 0, 0)

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Edge lengths of the box (z, y, x) in mm."""
        z, y, x = (size * step for size, step in zip(self.reference.shape, self.spacing, strict=True))
        return z, y, x


def read_case_crop(
    image: Path | None,
    reference: Path,
    prediction: Path | None,
    *,
    case_id: str,
    margin_mm: float = 20.0,
    minimum_mm: float = 0.0,
    foreground: int = 1,
) -> CaseCrop:
    """Read the box around the union of reference and prediction, wider by a margin on every side.

    Masks are read as by the evaluation. Of an ordinary CT only the slices up to the last one needed are unpacked, so
    that damage beyond them is not seen. A case without tumour in either mask gives its middle.

    Parameters
    ----------
    image
        The CT; None where there is none.
    reference, prediction
        The label maps; no prediction stands for an empty one.
    case_id
        Name of the case.
    margin_mm
        Around the union, cut off at the edge of the case.
    minimum_mm
        Least edge length of the box, where the case is large enough.
    foreground
        The value of tumour, see `EvaluationSettings`.

    Raises
    ------
    GeometryMismatchError
        If CT, reference and prediction do not lie on one grid.
    ImageReadError, LabelValueError
        If a file is damaged, or a mask holds other values than 0 and that of tumour.
    """
    geometry = _common_geometry(case_id, reference, prediction, image)
    masks = [read_foreground(reference, case_id, foreground)]
    masks.append(
        Foreground((), masks[0].spacing) if prediction is None else read_foreground(prediction, case_id, foreground)
    )
    box = _box(masks, geometry, margin_mm, minimum_mm)
    arrays = [_cut_mask(mask, box) for mask in masks]
    if image is not None:
        arrays.append(_cut_image(image, box, case_id))
    order, flips = lps_array_axes(geometry)
    turned = [np.ascontiguousarray(np.flip(array.transpose(order), tuple(flips))) for array in arrays]
    size, spacing = geometry.size[::-1], geometry.spacing[::-1]  # (z, y, x), as the axes are in the file
    lower = (size[old] - box[old].stop if new in flips else box[old].start for new, old in enumerate(order))
    return CaseCrop(
        case_id=case_id,
        image=turned[2] if image is not None else None,
        reference=turned[0],
        prediction=turned[1],
        spacing=(spacing[order[0]], spacing[order[1]], spacing[order[2]]),
        lower=(next(lower), next(lower), next(lower)),
        whole=(size[order[0]], size[order[1]], size[order[2]]),
    )


def _common_geometry(case_id: str, reference: Path, *others: Path | None) -> Geometry:
    geometry = read_geometry(reference)
    for other in others:
        difference = None if other is None else geometry_difference(read_geometry(other), geometry)
        if difference is not None:
            raise GeometryMismatchError(
                f"case {case_id}: {other} against {reference}: {difference} (x, y, z; tolerance "
                f"{GEOMETRY_TOLERANCE:g}); pictures need CT, reference and prediction on one grid"
            )
    return geometry


def _box(masks: Sequence[Foreground], geometry: Geometry, margin_mm: float, minimum_mm: float) -> Box:
    size, spacing = np.array(geometry.size[::-1]), np.array(geometry.spacing[::-1])  # (z, y, x)
    pieces = [piece for mask in masks for piece in mask.pieces]
    if pieces:
        margin = np.ceil(margin_mm / spacing).astype(int)
        low = np.maximum(np.min([piece.lower for piece in pieces], axis=0) - margin, 0)
        high = np.minimum(np.max([piece.upper for piece in pieces], axis=0) + margin, size)
    else:
        low = high = size // 2
        minimum_mm = max(minimum_mm, _EMPTY_SIDE_MM)
    length = np.maximum(high - low, np.minimum(np.ceil(minimum_mm / spacing).astype(int), size))
    low = np.clip(low - (length - (high - low)) // 2, 0, size - length)  # at an edge it grows to the other side
    z, y, x = (slice(first, first + count) for first, count in zip(low.tolist(), length.tolist(), strict=True))
    return z, y, x


def _cut_mask(mask: Foreground, box: Box) -> np.ndarray:
    cut = np.zeros([axis.stop - axis.start for axis in box], dtype=bool)
    for piece in mask.pieces:
        # a box holds all of both masks
        z, y, x = (
            slice(low - axis.start, high - axis.start)
            for low, high, axis in zip(piece.lower, piece.upper, box, strict=True)
        )
        cut[z, y, x] |= piece.mask
    return cut


def _cut_image(path: Path, box: Box, case_id: str) -> np.ndarray:
    try:
        header = ordinary_header(path)
        if header is None and (damage := file_damage(path)):
            raise ImageReadError(f"{path}: case {case_id}: {damage}")
        voxels = _cut_by_simpleitk(path, box) if header is None else _cut_slabs(path, header, box)
    except (BrokenFileError, RuntimeError, OSError) as error:
        raise ImageReadError(f"{path}: case {case_id}: cannot be read; copy or export the file again") from error
    if voxels.dtype.kind == "f":
        voxels = np.rint(voxels)
    return np.clip(voxels, _INT16.min, _INT16.max).astype(np.int16)


def _cut_slabs(path: Path, header: LabelHeader, box: Box) -> np.ndarray:
    z, y, x = box
    parts, first = [], 0
    for slab in read_slabs(path, header):
        if first + len(slab) > z.start:
            parts.append(slab[max(0, z.start - first) : z.stop - first, y, x].copy())
        first += len(slab)
        if first >= z.stop:
            break
    return np.concatenate(parts)


def _cut_by_simpleitk(path: Path, box: Box) -> np.ndarray:
    import SimpleITK as sitk  # a third of a second that ordinary files do without

    image = sitk.ReadImage(str(path))  # a view into its voxels does not keep it alive
    voxels: np.ndarray = sitk.GetArrayViewFromImage(image)[box].copy()  # (z, y, x)
    return voxels


def lps_array_axes(geometry: Geometry) -> tuple[list[int], list[int]]:
    """Give the old axis (z, y, x) of each new one, and the new axes that run the other way; nothing is resampled."""
    order, flips = lps_axes(geometry)  # (x, y, z)
    return [2 - axis for axis in reversed(order)], [2 - int(axis) for axis in np.flatnonzero(flips)[::-1]]
