"""The voxel grid of an image, and whether two images share it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import SimpleITK as sitk

# Millimetres for origin and spacing, no unit for the direction cosines.
GEOMETRY_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Geometry:
    """Where an image lies in the patient; everything in SimpleITK's (x, y, z) order.

    Attributes
    ----------
    size
        Voxels along x, y, z.
    spacing
        Voxel edge lengths in mm.
    origin
        Centre of the first voxel in mm, LPS.
    direction
        Nine direction cosines, row by row.
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image | sitk.ImageFileReader) -> Geometry:
        """Take the geometry of an image, or of a reader that has read its header."""
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm3."""
        return float(np.prod(self.spacing))


def geometry_difference(first: Geometry, second: Geometry, tolerance: float = GEOMETRY_TOLERANCE) -> str | None:
    """Name the first property in which two grids differ, with both values.

    Parameters
    ----------
    first, second
        The grids to compare.
    tolerance
        Largest allowed difference of any number.

    Returns
    -------
    str or None
        For example ``"spacing (0.7, 0.7, 5) against (0.7, 0.7, 3)"``; None if the grids are the same.
    """
    for name in ("size", "spacing", "origin", "direction"):
        one, other = getattr(first, name), getattr(second, name)
        if len(one) != len(other) or not all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True)):
            return f"{name} {_shown(one)} against {_shown(other)}"
    return None


def _shown(numbers: tuple[float, ...]) -> str:
    # adding 0 turns -0 into 0
    return "(" + ", ".join(f"{number + 0.0:.6g}" for number in numbers) + ")"


def lps_axes(geometry: Geometry) -> tuple[list[int], np.ndarray]:
    """Give the axes of an image that run most nearly to the patient's left, to posterior and to the head.

    Returns
    -------
    list of int
        The image's axis (x, y, z) for each of the patient's.
    numpy.ndarray of bool, (3,)
        Whether it runs the other way.
    """
    axes = np.reshape(geometry.direction, (3, 3))
    order = max(permutations(range(3)), key=lambda order: sum(abs(axes[i, order[i]]) for i in range(3)))
    return list(order), np.array([axes[i, order[i]] < 0 for i in range(3)])
