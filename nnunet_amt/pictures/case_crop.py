"""The part of a case that pictures show, on LPS axes, cut in three planes as a radiologist holds a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from nnunet_amt.errors import GeometryMismatchError, ImageReadError
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.geometry import GEOMETRY_TOLERANCE, Geometry, array_to_lps, geometry_difference, lps_array_axes
from nnunet_amt.images.image_file import read_image
from nnunet_amt.images.mask_file import read_foreground, read_geometry
from nnunet_amt.images.nifti_slabs import BrokenFileError, LabelHeader, ordinary_header, read_slabs

# Around the middle of a case that has no tumour in either mask.
_EMPTY_SIDE_MM = 120.0
_INT16 = np.iinfo(np.int16)

Box = tuple[slice, slice, slice]  # z, y, x
Plane = Literal["axial", "coronal", "sagittal"]
Voxel = tuple[int, int, int]  # z, y, x

PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
# What lies at the left, right, upper and lower edge of a picture.
EDGES: dict[Plane, tuple[str, str, str, str]] = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "H", "F"),
    "sagittal": ("A", "P", "H", "F"),
}
_CUT_AXIS: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}


@dataclass(frozen=True, eq=False)
class CaseCrop:
    """A box of a case; x runs to the patient's left, y to posterior, z to the head."""

    case_id: str
    image: np.ndarray | None  # (z, y, x): HU; None where there is no CT
    # reference, prediction: (z, y, x): both masks
    reference: np.ndarray
    prediction: np.ndarray
    spacing: tuple[float, float, float]  # voxel edge lengths (z, y, x) in mm
    # index (z, y, x) of the box's first voxel in the whole case, along LPS axes too
    lower: tuple[int, int, int] = (0, 0, 0)
    whole: tuple[int, int, int] = (0, 0, 0)  # voxels (z, y, x) of the whole case

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
    image, reference, prediction
        CT and label maps; no prediction stands for an empty one.
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
    masks = [read_foreground(reference, case_id=case_id, foreground=foreground)]
    masks.append(
        Foreground((), masks[0].spacing)
        if prediction is None
        else read_foreground(prediction, case_id=case_id, foreground=foreground)
    )
    box = _box(masks, geometry, margin_mm, minimum_mm)
    arrays = [_cut_mask(mask, box) for mask in masks]
    if image is not None:
        arrays.append(_cut_image(image, box, case_id))
    order, flips = lps_array_axes(geometry)
    turned = [np.ascontiguousarray(array_to_lps(array, geometry)) for array in arrays]
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
    pieces = [piece for mask in masks for piece in mask.boxes]
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
    for piece in mask.boxes:
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
        if header is None:
            import SimpleITK as sitk  # a third of a second that ordinary files do without

            whole = read_image(path, name=f"{path}: case {case_id}")  # a view into its voxels does not keep it alive
            voxels: np.ndarray = sitk.GetArrayViewFromImage(whole)[box].copy()  # (z, y, x)
        else:
            voxels = _cut_slabs(path, header, box)
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


@dataclass(frozen=True, eq=False)
class PlaneView:
    """One slice of a crop, turned as it is shown.

    The patient's right is at the left of an axial and a coronal picture, the front at the left of a sagittal one; the
    front is up in an axial picture, the head in the other two.
    """

    plane: Plane
    image: np.ndarray | None  # (rows, columns): HU; None without a CT
    # reference, prediction: (rows, columns): both masks
    reference: np.ndarray
    prediction: np.ndarray
    pixel: tuple[float, float]  # height and width of a pixel in mm

    @property
    def extent_mm(self) -> tuple[float, float]:
        """Height and width in mm."""
        rows, columns = self.reference.shape
        return rows * self.pixel[0], columns * self.pixel[1]


def shown_voxel(crop: CaseCrop, *, of: np.ndarray | None = None) -> Voxel:
    """Choose the voxel (z, y, x) through which the three planes are laid.

    It lies in the axial slice that holds most of a mask: of the mask's voxels in that slice it is the one nearest to
    their middle. Without any mask it is the crop's middle.

    Parameters
    ----------
    of : numpy.ndarray of bool, (z, y, x)
        The mask to look for, such as ``crop.prediction & ~crop.reference`` for what is falsely positive; by default the
        reference, or the prediction where there is no reference.
    """
    mask = of
    if mask is None or not mask.any():
        mask = crop.reference if crop.reference.any() else crop.prediction
    if not mask.any():
        z, y, x = (size // 2 for size in mask.shape)
        return z, y, x
    z = int(np.argmax(mask.sum(axis=(1, 2))))
    inside = np.argwhere(mask[z])  # (y, x)
    distance = np.linalg.norm((inside - inside.mean(axis=0)) * crop.spacing[1:], axis=1)
    y, x = inside[np.argmin(distance)].tolist()
    return z, y, x


def focused(crop: CaseCrop, *, at: Voxel, margin_mm: float = 15.0, minimum_mm: float = 80.0) -> tuple[CaseCrop, Voxel]:
    """Cut a crop down to what the three planes through a voxel show of both masks.

    A false positive far from the tumour makes a crop so large that the tumour is a speck in it.

    Parameters
    ----------
    at
        The voxel (z, y, x); it is returned as one of the smaller crop.
    margin_mm
        Around the masks in these planes.
    minimum_mm
        Least edge length, where the crop is large enough.
    """
    masks = crop.reference | crop.prediction
    seen = [np.argwhere(masks.take(at[axis], axis=axis)) for axis in range(3)]  # each lacks that axis
    ranges = []
    for axis, (size, step) in enumerate(zip(masks.shape, crop.spacing, strict=True)):
        places = [points[:, axis - (axis > cut)] for cut, points in enumerate(seen) if cut != axis]
        inside = np.concatenate([*places, [at[axis]]])
        margin = int(np.ceil(margin_mm / step))
        low, high = max(0, int(inside.min()) - margin), min(size, int(inside.max()) + 1 + margin)
        length = max(high - low, min(size, int(np.ceil(minimum_mm / step))))
        low = min(max(0, low - (length - (high - low)) // 2), size - length)
        ranges.append(slice(low, low + length))
    z, y, x = ranges
    smaller = replace(
        crop,
        image=None if crop.image is None else crop.image[z, y, x],
        reference=crop.reference[z, y, x],
        prediction=crop.prediction[z, y, x],
        lower=(crop.lower[0] + z.start, crop.lower[1] + y.start, crop.lower[2] + x.start),
    )
    return smaller, (at[0] - z.start, at[1] - y.start, at[2] - x.start)


def plane_view(crop: CaseCrop, plane: Plane, *, at: Voxel | None = None) -> PlaneView:
    """Cut a crop in the plane through a voxel (z, y, x) of it; by default through that of `shown_voxel`."""
    axis = _CUT_AXIS[plane]
    index = (at or shown_voxel(crop))[axis]
    pixel = tuple(step for other, step in enumerate(crop.spacing) if other != axis)

    def cut(voxels: np.ndarray) -> np.ndarray:
        slice_ = voxels.take(index, axis=axis)
        return slice_ if plane == "axial" else slice_[::-1]  # z runs to the head, the rows of a picture run down

    image = None if crop.image is None else cut(crop.image)
    return PlaneView(plane, image, cut(crop.reference), cut(crop.prediction), (pixel[0], pixel[1]))
