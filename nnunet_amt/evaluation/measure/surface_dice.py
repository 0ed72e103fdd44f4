"""The normalised surface Dice at 2 mm: which share of both surfaces lies within the tolerance of the other.

Nikolov et al. (arXiv:1809.04430; J Med Internet Res 2021), as their program "surface-distance" has it: the surface goes
through the cubes between eight neighbouring voxel centres that are partly tumour, each with the area of its
piece of a marching-cubes mesh; distances run from middle to middle of such cubes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np

from nnunet_amt.images.foreground import MaskBox, Spacing, joined

SURFACE_DICE = "surface_dice_2mm"
TOLERANCE_MM = 2.0
_ROUNDING_MM = 1e-6  # 20 voxels of 0.1 mm are a little more than 2 mm in binary
_CORNERS = tuple((z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1))  # of a cube, in the order of their bits
Corner = tuple[int, int, int]


def surface_dice(first: Sequence[MaskBox], second: Sequence[MaskBox], spacing: Spacing) -> float | None:
    """Measure the share of the area of both surfaces that is 2 mm or less from the other surface.

    Parameters
    ----------
    first, second
        Masks as their boxes on one grid.
    spacing
        Voxel edge lengths (x, y, z) in mm.

    Returns
    -------
    float or None
        0 to 1; as the Dice, 0 where only one of the masks is empty and None where both are.
    """
    from scipy.ndimage import distance_transform_edt  # slow to import

    if not (first and second):
        return 0.0 if first or second else None
    whole = joined((*first, *second))
    codes = [_codes(joined(mask), whole) for mask in (first, second)]
    areas = cube_areas(spacing)
    within = total = 0.0
    for one, other in (codes, codes[::-1]):
        surface = areas[one]  # 0 in cubes that are all tumour or none
        apart = (other == 0) | (other == len(areas) - 1)
        distances = distance_transform_edt(apart, sampling=spacing[::-1])
        total += float(surface.sum())
        within += float(surface[distances <= TOLERANCE_MM + _ROUNDING_MM].sum())
    return within / total


def _codes(mask: MaskBox, whole: MaskBox) -> np.ndarray:
    """Say which corners of every cube are tumour, a bit a corner; cubes reach one voxel beyond the box of both masks.

    Returns
    -------
    numpy.ndarray of uint8, (z + 1, y + 1, x + 1)
    """
    sizes = np.array(whole.mask.shape)
    padded = np.zeros(sizes + 2, dtype=np.uint8)
    z, y, x = (slice(low, low + size) for low, size in zip(_offset(mask, whole), mask.mask.shape, strict=True))
    padded[z, y, x] = mask.mask
    codes = np.zeros(sizes + 1, dtype=np.uint8)
    for bit, corner in enumerate(_CORNERS):
        z, y, x = (slice(start, start + size + 1) for start, size in zip(corner, sizes.tolist(), strict=True))
        codes |= padded[z, y, x] << bit
    return codes


def _offset(mask: MaskBox, whole: MaskBox) -> list[int]:
    return [1 + low - lowest for low, lowest in zip(mask.lower, whole.lower, strict=True)]


@lru_cache
def cube_areas(spacing: Spacing) -> np.ndarray:
    """Give the area in mm2 of the surface within a cube between eight voxel centres, by its code, (256,).

    A bit of the code is a corner that is tumour: (z, y, x) is bit 4 z + 2 y + x.
    """
    x, y, z = spacing
    faces = np.array([x * y, x * z, y * z])  # normal to z, to y, to x
    areas = np.zeros(1 << len(_CORNERS))
    for code in range(len(areas)):
        corners = [corner for bit, corner in enumerate(_CORNERS) if code >> bit & 1]
        if len(corners) > 4:  # the surface is that around the others
            corners = [corner for corner in _CORNERS if corner not in corners]
        pieces = [piece for patch in _connected(corners) for piece in _area_vectors(patch)]
        areas[code] = sum(float(np.linalg.norm(piece * faces)) for piece in pieces)
    return areas


def _connected(corners: Sequence[Corner]) -> list[list[Corner]]:
    """Put together corners that edges of the cube join, four at most."""
    patches: list[list[Corner]] = []
    for corner in corners:
        touched = [patch for patch in patches if any(_axis(corner, other) is not None for other in patch)]
        patches = [patch for patch in patches if patch not in touched]
        patches.append([corner, *(other for patch in touched for other in patch)])
    return patches


def _axis(one: Corner, other: Corner) -> int | None:
    """Give the axis of the edge that joins two corners; None where none does."""
    differing = [axis for axis in range(3) if one[axis] != other[axis]]
    return differing[0] if len(differing) == 1 else None


def _area_vectors(patch: Sequence[Corner]) -> list[np.ndarray]:
    """Give the surface that cuts off one to four joined corners in flat pieces, on voxels of unit size.

    Each piece is its area times its normal, signs left out, as (z, y, x). It passes through the midpoints of the edges.
    """
    diagonal, along = np.ones(3), np.eye(3)
    axes = [axis for one, other in combinations(patch, 2) if (axis := _axis(one, other)) is not None]
    if len(patch) == 1:  # a triangle
        return [diagonal / 8]
    if len(patch) == 2:  # a rectangle along the edge
        return [(diagonal - along[axes[0]]) / 2]
    if len(patch) == 3:  # an L in a face of the cube: half of that face, and what slants
        return [along[({0, 1, 2} - set(axes)).pop()] / 2, diagonal * 3 / 8]
    if len(axes) == 4:  # a face
        return [along[({0, 1, 2} - set(axes)).pop()]]
    ends = [sum(_axis(corner, other) is not None for other in patch) for corner in patch]
    if max(ends) == 3:  # a corner and its three neighbours: a hexagon
        return [diagonal * 3 / 4]
    joints = [corner for corner, number in zip(patch, ends, strict=True) if number == 2]
    middle = _axis(joints[0], joints[1]) or 0  # of a path along all three axes
    others = [axis for axis in range(3) if axis != middle]
    return [diagonal / 2, *((along[middle] + along[axis]) / 4 for axis in others)]
