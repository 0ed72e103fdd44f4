"""The voxel grid of an image: whether two images share it, and how it lies in the patient (LPS axes)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import ImageReadError

if TYPE_CHECKING:
    import SimpleITK as sitk

ArrayAxes = tuple[int, int, int]
# Millimetres for origin and spacing, no unit for the direction cosines.
GEOMETRY_TOLERANCE = 1e-3
# Wide enough for micro-CT of specimens and for surveys of thick slices; what is outside is in another unit than mm.
SMALLEST_SPACING_MM, LARGEST_SPACING_MM = 0.05, 50.0


@dataclass(frozen=True)
class Geometry:
    """Where an image lies in the patient; everything in SimpleITK's (x, y, z) order.

    Voxels along the axes, their edge lengths in mm, the centre of the first in mm (LPS), and nine direction cosines,
    row by row.
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image | sitk.ImageFileReader) -> Geometry:
        """Take the geometry of an image, or of a reader that has read its header."""
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    def set_on(self, image: sitk.Image) -> None:
        """Lay an image of this size on this grid."""
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm3."""
        return float(np.prod(self.spacing))

    @property
    def axes(self) -> np.ndarray:
        """Unit vectors along x, y, z in the patient, as columns, (3, 3)."""
        return np.reshape(self.direction, (3, 3))

    def continuous_index(self, points: np.ndarray) -> np.ndarray:
        """Turn points in mm, (points, 3), LPS, into voxel indices (x, y, z) with fractions."""
        indices: np.ndarray = np.linalg.solve(self.axes * self.spacing, (points - self.origin).T).T
        return indices


def geometry_difference(first: Geometry, second: Geometry, *, tolerance: float = GEOMETRY_TOLERANCE) -> str | None:
    """Name the first property in which two grids differ by more than `tolerance`, with both values.

    For example ``"spacing (0.7, 0.7, 5) against (0.7, 0.7, 3)"``; None if the grids are the same.
    """
    for name in ("size", "spacing", "origin", "direction"):
        one, other = getattr(first, name), getattr(second, name)
        if len(one) != len(other) or not all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True)):
            return f"{name} ({listed(one)}) against ({listed(other)})"
    return None


def described(geometry: Geometry) -> str:
    """Say what a grid is: ``512 x 512 x 60 voxels of 0.7 x 0.7 x 5 mm from (-179, -179, 40)``."""
    size = " x ".join(map(str, geometry.size))
    return f"{size} voxels of {listed(geometry.spacing, ' x ')} mm from ({listed(geometry.origin)})"


def listed(numbers: Sequence[float], separator: str = ", ") -> str:
    """Show numbers with six digits, for a message."""
    return separator.join(f"{number + 0.0:.6g}" for number in numbers)  # adding 0 turns -0 into 0


def require_plausible_spacing(spacing: Sequence[float], *, name: str) -> None:
    """Refuse a spacing (x, y, z) that cannot be one of a CT in mm; `name` is that of the file or folder."""
    if not all(SMALLEST_SPACING_MM <= one <= LARGEST_SPACING_MM for one in spacing):
        shown = " x ".join(f"{one:.4g}" for one in spacing)
        raise ImageReadError(
            f"{name}: has a spacing of {shown} mm, must be {SMALLEST_SPACING_MM:g} to {LARGEST_SPACING_MM:g} mm in a "
            "CT; export it again"
        )


def lps_axes(geometry: Geometry) -> tuple[list[int], np.ndarray]:
    """Give the axes of an image that run most nearly to the patient's left, to posterior and to the head.

    That is the image's axis (x, y, z) for each of the patient's, and whether it runs the other way.
    """
    axes = geometry.axes
    order = max(permutations(range(3)), key=lambda order: sum(abs(axes[i, order[i]]) for i in range(3)))
    return list(order), np.array([axes[i, order[i]] < 0 for i in range(3)])


def lps_array_axes(geometry: Geometry) -> tuple[ArrayAxes, list[int]]:
    """Give the axis (z, y, x) of an array that runs to the head or feet, to back or front, to left or right.

    And those of the new axes that run the other way than LPS; nothing is resampled.
    """
    (x, y, z), flips = lps_axes(geometry)
    return (2 - z, 2 - y, 2 - x), [2 - int(axis) for axis in np.flatnonzero(flips)[::-1]]


def lps_geometry(geometry: Geometry) -> Geometry:
    """Give the grid that `to_lps` gives an image of the grid `geometry`; oblique grids stay oblique."""
    order, flips = lps_axes(geometry)
    size = np.array(geometry.size)[order]
    spacing = np.array(geometry.spacing)[order]
    axes = geometry.axes[:, order]
    origin = np.array(geometry.origin) + axes @ (flips * spacing * (size - 1))
    axes = axes * np.where(flips, -1.0, 1.0) + 0.0  # no -0 in messages
    return Geometry(tuple(size.tolist()), tuple(spacing.tolist()), tuple(origin.tolist()), tuple(axes.ravel().tolist()))


def to_lps(image: sitk.Image) -> sitk.Image:
    """Bring an image to LPS axes: x to the patient's left, y to posterior, z to the head; no voxel is changed.

    The recipe does not mirror, so a cohort must not mix images that run left to right with others that run right to
    left; and an axial slice must be a slice along the array's first axis.
    """
    import SimpleITK as sitk

    order, flips = lps_axes(Geometry.of(image))
    if order != [0, 1, 2]:
        image = sitk.PermuteAxes(image, order)
    if flips.any():
        image = sitk.Flip(image, flips.tolist())
    return image


def box_of(grid: Geometry, corner: Sequence[int], size: Sequence[int]) -> Geometry:
    """Give the grid of a box of voxels; its corner and size are (x, y, z)."""
    origin = np.array(grid.origin) + grid.axes @ (np.array(corner) * grid.spacing)
    return Geometry(tuple(map(int, size)), grid.spacing, tuple(origin.tolist()), grid.direction)


def corner_in(grid: Geometry, box: Geometry) -> tuple[int, int, int]:
    """Give the voxel (x, y, z) of a grid that the first one of a box lies on, or nearest to."""
    x, y, z = np.rint(grid.continuous_index(np.array([box.origin]))[0]).astype(int).tolist()
    return x, y, z


def slices_in(grid: Geometry, box: Geometry) -> tuple[slice, ...]:
    """Give where a box of voxels lies in an array (z, y, x) of a grid; see `corner_in`."""
    corner = corner_in(grid, box)
    return tuple(slice(low, low + size) for low, size in zip(corner[::-1], box.size[::-1], strict=True))


def from_lps(values: NDArray, geometry: Geometry) -> NDArray:
    """Undo `to_lps`: bring voxels of LPS axes, (..., z, y, x), back to the axes of the grid that they came from."""
    order, flips = lps_axes(geometry)
    turned = np.flip(values, tuple(-1 - axis for axis in range(3) if flips[axis]))
    return np.moveaxis(turned, [-1, -2, -3], [-1 - axis for axis in order])


def array_to_lps(values: NDArray, geometry: Geometry) -> NDArray:
    """Undo `from_lps`: bring voxels (..., z, y, x) of a grid to LPS axes, as `to_lps` brings an image."""
    order, flips = lps_axes(geometry)
    turned = np.moveaxis(values, [-1 - axis for axis in order], [-1, -2, -3])
    return np.flip(turned, tuple(-1 - axis for axis in range(3) if flips[axis]))


def axis_code(geometry: Geometry) -> str:
    """Say which way the axes (x, y, z) of a grid run most nearly, as in ``LPS``: to left, posterior, the head."""
    order, flips = lps_axes(geometry)
    letters = {axis: "RAI"[i] if flips[i] else "LPS"[i] for i, axis in enumerate(order)}
    return "".join(letters[axis] for axis in range(3))
