"""A crop cut in the three planes, as a radiologist holds a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnunet_amt.overlays.case_crop import CaseCrop

__all__ = ["EDGES", "PLANES", "Plane", "PlaneView", "Voxel", "plane_view", "shown_voxel"]

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
    plane
        Which one.
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


def shown_voxel(crop: CaseCrop) -> Voxel:
    """Choose the voxel (z, y, x) through which the three planes are laid.

    It lies in the axial slice that holds most of the reference, or of the prediction where there is no reference: of
    the voxels of that mask in that slice the one nearest to their middle. Without any mask it is the crop's middle.
    """
    mask = crop.reference if crop.reference.any() else crop.prediction
    if not mask.any():
        z, y, x = (size // 2 for size in mask.shape)
        return z, y, x
    z = int(np.argmax(mask.sum(axis=(1, 2))))
    inside = np.argwhere(mask[z])  # (y, x)
    distance = np.linalg.norm((inside - inside.mean(axis=0)) * crop.spacing[1:], axis=1)
    y, x = inside[np.argmin(distance)].tolist()
    return z, y, x


def plane_view(crop: CaseCrop, plane: Plane, at: Voxel | None = None) -> PlaneView:
    """Cut a crop in one plane.

    Parameters
    ----------
    crop
        The crop.
    plane
        Which plane.
    at
        A voxel (z, y, x) of the crop that it goes through; that of `shown_voxel` by default.
    """
    axis = _CUT_AXIS[plane]
    index = (at or shown_voxel(crop))[axis]
    pixel = tuple(step for other, step in enumerate(crop.spacing) if other != axis)

    def cut(voxels: np.ndarray) -> np.ndarray:
        slice_ = voxels.take(index, axis=axis)
        return slice_ if plane == "axial" else slice_[::-1]  # z runs to the head, the rows of a picture run down

    image = None if crop.image is None else cut(crop.image)
    return PlaneView(plane, image, cut(crop.reference), cut(crop.prediction), (pixel[0], pixel[1]))
