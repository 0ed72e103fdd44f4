"""Pyradiomics' shape features without the distance of every two corners of the surface.

Their surface and volume are sums over cubes of eight neighbouring voxels, each by which of the eight are tumour. What
each of the 256 kinds of cube adds is taken from their own C code once. The largest distances are found among the
corners that can be the farthest ones.
"""

# The names are pyradiomics'.
# ruff: noqa: N802

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from radiomics import cShape
from radiomics.shape import RadiomicsShape
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

_CORNERS = tuple(product((0, 1), repeat=3))  # (z, y, x) of a cube
_Spacing = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class _CubeTable:
    """What a cube adds, by its kind: area in mm2, volume in mm3 where it is the first, and by mm of its place."""

    area: NDArray[np.float64]  # (256,)
    volume: NDArray[np.float64]  # (256,)
    volume_by_mm: NDArray[np.float64]  # (256, 3), (z, y, x)


class FastShape(RadiomicsShape):
    """Pyradiomics' shape features, which sets these attributes itself where it is as it is."""

    def _initSegmentBasedCalculation(self) -> None:
        self.pixelSpacing = np.array(self.inputImage.GetSpacing()[::-1])
        self.maskArray = np.pad(sitk.GetArrayViewFromImage(self.inputMask) == self.label, 1)
        self.labelledVoxelCoordinates = np.nonzero(self.maskArray)
        spacing = tuple(self.pixelSpacing.tolist())
        self.SurfaceArea, self.Volume = area_and_volume(self.maskArray, spacing)
        self.diameters = diameters(self.maskArray, spacing)
        places = np.stack(self.labelledVoxelCoordinates, axis=1) * self.pixelSpacing
        covariance = np.cov(places.T, ddof=0)
        self.eigenValues = np.linalg.eigvalsh(covariance)  # from small to large
        self.eigenValues[np.abs(self.eigenValues) < 1e-10] = 0  # rounding, of a tumour on one slice


def area_and_volume(mask: NDArray[np.bool_], spacing: _Spacing) -> tuple[float, float]:
    """Area in mm2 and volume in mm3 of the surface of a mask, (z, y, x), with an empty rim; spacing is (z, y, x)."""
    kinds = np.zeros([length - 1 for length in mask.shape], np.uint8)
    for bit, corner in enumerate(_CORNERS):
        part = mask[tuple(slice(at, at + length) for at, length in zip(corner, kinds.shape, strict=True))]
        kinds |= part.astype(np.uint8) << np.uint8(bit)
    places = np.nonzero((kinds != 0) & (kinds != 255))
    found = kinds[places]
    table = _cube_table(spacing)
    volume = table.volume[found].sum()
    for axis, place in enumerate(places):
        volume += (table.volume_by_mm[found, axis] * place).sum() * spacing[axis]
    return float(table.area[found].sum()), float(volume)


@lru_cache(maxsize=8)
def _cube_table(spacing: _Spacing) -> _CubeTable:
    area, volume, by_mm = np.zeros(256), np.zeros(256), np.zeros((256, 3))
    cubes = [np.array([kind >> bit & 1 for bit in range(8)], bool).reshape(2, 2, 2) for kind in range(256)]
    for kind, cube in enumerate(cubes):
        area[kind], volume[kind], _ = _coefficients(cube, spacing)
    for kind, cube in enumerate(cubes):
        for axis in range(3):
            # The same cube one voxel further, behind one of its first layer twice
            first = cube.take([0, 0], axis)
            both = cube.take([0, 0, 1], axis)
            further = _coefficients(both, spacing)[1] - _coefficients(first, spacing)[1]
            by_mm[kind, axis] = (further - volume[kind]) / spacing[axis]
    return _CubeTable(area, volume, by_mm)


def _coefficients(mask: NDArray[np.bool_], spacing: _Spacing) -> tuple[float, float, tuple[float, ...]]:
    found: tuple[float, float, tuple[float, ...]] = cShape.calculate_coefficients(
        np.ascontiguousarray(mask), np.array(spacing)
    )
    return found


def diameters(mask: NDArray[np.bool_], spacing: _Spacing) -> tuple[float, float, float, float]:
    """Largest distances in mm of two corners of the surface that share z, y or x; and of any two.

    The corners lie half-way between voxels in the mask, (z, y, x) with an empty rim, and their neighbours outside.
    """
    found = []
    for axis in range(3):
        inside, outside = np.delete(mask, 0, axis), np.delete(mask, -1, axis)
        halves = 2 * np.argwhere(inside != outside)
        halves[:, axis] += 1
        found.append(halves)
    corners = np.concatenate(found)
    in_planes = [_largest_in_planes(corners, axis, spacing) for axis in range(3)]
    points = corners * (np.array(spacing) / 2)
    whole = float(pdist(points[ConvexHull(points).vertices]).max())
    return in_planes[0], in_planes[1], in_planes[2], whole


def _largest_in_planes(corners: NDArray[np.int_], axis: int, spacing: _Spacing) -> float:
    """Largest distance in mm within the planes across an axis; of each line in a plane its two ends are enough."""
    row, along = (other for other in range(3) if other != axis)
    ordered = corners[np.lexsort((corners[:, along], corners[:, row], corners[:, axis]))]
    same_line = (np.diff(ordered[:, [axis, row]], axis=0) == 0).all(axis=1)
    is_end = np.append(True, ~same_line) | np.append(~same_line, True)
    ends = ordered[is_end]
    places = ends[:, [row, along]] * (np.array(spacing)[[row, along]] / 2)
    planes = np.split(places, np.flatnonzero(np.diff(ends[:, axis])) + 1)
    return max((float(pdist(plane).max()) for plane in planes if len(plane) > 1), default=0.0)
