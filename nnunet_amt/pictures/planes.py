"""A crop cut in the three planes, as a radiologist holds a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nnunet_amt.pictures.case_crop import CaseCrop

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
class PlaneView:
    """One slice of a crop, turned as it is shown.

    The patient's right is at the left of an axial and a coronal picture, the front at the left of a sagittal one; the
    front is up in an axial picture, the head in the other two.

    Attributes
    ----------
    image : numpy.ndarray of int16, (rows, columns)
        HU; None without a CT.
    reference, prediction : numpy.ndarray of bool, (rows, columns)
        Both masks.
    pixel
        Height and width of a pixel in mm.
    """

    plane: Plane
    image: np.ndarray | None
    reference: np.ndarray
    prediction: np.ndarray
    pixel: tuple[float, float]

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
