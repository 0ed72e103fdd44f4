"""The largest diameters of a lesion: within an axial slice, and in space.

How far a slice reaches in some directions bounds, from below and above, the distance between its points and those
of another slice. Only the few pairs of slices that may hold the longest line are measured, and in them only the few
points that may be its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt.images.foreground import MaskBox, Spacing

_SLICES_AT_ONCE = 64  # of which all are compared with all others
_DISTANCES_AT_ONCE = 1 << 20
_ANGLES = (np.arange(24) - 11.5) * (np.pi / 24)  # from the x axis; lines have no other directions
_DIRECTIONS = np.column_stack([np.sin(_ANGLES), np.cos(_ANGLES)])  # (directions, y and x), all to the right
_SLACK = 1 / np.cos(np.pi / 48) + 1e-9  # of a length that is seen from the nearest direction
_ROUNDING = 1 - 1e-9
# From a voxel's centre to the midpoints of its four in-plane faces, and to itself; (y, x) in voxels.
_TO_FACES = np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
_TO_CENTRE = np.zeros((1, 2))
# A line may end at two in-plane faces, or at one and at the face above or below a voxel, or at two of those: by the
# number of in-plane faces.
_ENDS = {
    2: ((_TO_FACES, _TO_FACES),),
    1: ((_TO_FACES, _TO_CENTRE), (_TO_CENTRE, _TO_FACES)),
    0: ((_TO_CENTRE, _TO_CENTRE),),
}


@dataclass(frozen=True)
class Diameters:
    """Longest straight lines across a lesion in mm, within one axial slice and in space."""

    axial: float
    maximum: float


def largest_diameters(mask: np.ndarray, spacing: Spacing) -> Diameters:
    """Measure the longest straight lines across a lesion, within one axial slice and in space.

    A line runs between the outlines of the lesion, and the outline passes through the midpoints of the faces of its
    voxels, half a voxel beyond the voxel centres. A row of n voxels of width s is n s long, a single voxel
    s. The second is the "Maximum 3D diameter" that IBSI-style radiomics measures on the surface mesh. The first is
    the paper's "maximum diameter measured in the axial plane"; it may fall short of the "Maximum 2D diameter
    (slice)" of pyradiomics, which also joins the mesh's points halfway between two slices to each other.

    Parameters
    ----------
    mask : numpy.ndarray of bool, (z, y, x)
        One lesion. Axial slices are those along z; see `Foreground.axial`.
    spacing
        Voxel edge lengths (x, y, z) in mm.

    Returns
    -------
    Diameters
        0 mm for an empty mask.
    """
    if not mask.any():
        return Diameters(0.0, 0.0)
    outline = _Outline.of(mask, spacing)
    spans = outline.spans()
    in_slices = np.arange(len(outline.heights))
    across = spans[2].diagonal()
    axial = _longest(outline, across, np.zeros(len(across)), np.full(len(across), 2), in_slices, in_slices)

    lower, upper = np.triu_indices(len(outline.heights))
    rise = outline.heights[upper] - outline.heights[lower]
    faces = np.repeat((2, 1, 0), len(lower))
    climbs = np.concatenate([rise, rise + spacing[2] / 2, rise + spacing[2]])
    lengths = np.concatenate([spans[number][lower, upper] for number in (2, 1, 0)])
    maximum = _longest(outline, lengths, climbs, faces, np.tile(lower, 3), np.tile(upper, 3))
    return Diameters(axial, maximum)


@dataclass(frozen=True, eq=False)
class _Outline:
    """The slices of a lesion that hold voxels, from the two ends of each of their rows.

    Attributes
    ----------
    heights : (slices,)
        In mm.
    ends : (points, 2)
        Voxels at the left and right ends of rows as (y, x), by slice. The corners of a slice's hull are among them,
        and those of the hull of the midpoints of its faces lie half a voxel from such corners.
    first : (slices + 1,)
        First of the points of each slice; the number of points at the end.
    right, left : (directions, slices)
        How far the voxel centres of each slice reach in each direction, and against it, in mm.
    face_reach : (directions,)
        How much farther the midpoints of their faces reach.
    step : (2,)
        Voxel edge lengths (y, x) in mm.
    """

    heights: np.ndarray
    ends: np.ndarray
    first: np.ndarray
    right: np.ndarray
    left: np.ndarray
    face_reach: np.ndarray
    step: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray, spacing: Spacing) -> _Outline:
        step = np.array([spacing[1], spacing[0]])
        z, y, left, right = _row_ends(mask)
        first = _starts(z)
        ends = np.column_stack([y, left, y, right]).reshape(-1, 2)
        directions = _DIRECTIONS * step
        return cls(
            heights=z[first] * spacing[2],
            ends=ends,
            first=np.append(2 * first, len(ends)),
            right=np.maximum.reduceat(directions @ np.array([y, right], float), first, axis=1),
            left=-np.minimum.reduceat(directions @ np.array([y, left], float), first, axis=1),
            face_reach=0.5 * np.abs(directions).max(axis=1),
            step=step,
        )

    def spans(self) -> list[np.ndarray]:
        """How far every two slices reach apart in the direction in which that is most, in mm.

        Returns
        -------
        list of numpy.ndarray, (slices, slices)
            From centres to centres, from centres to in-plane faces, from faces to faces.
        """
        slices = len(self.heights)
        spans = [np.empty((slices, slices)) for _ in range(3)]
        for start in range(0, slices, _SLICES_AT_ONCE):
            some = slice(start, start + _SLICES_AT_ONCE)
            apart = self.right[:, some, None] + self.left[:, None, :]  # (directions, slices, slices)
            for span in spans:
                apart.max(axis=0, out=span[some])
                apart += self.face_reach[:, None, None]
        return [np.maximum(span, span.T) for span in spans]

    def points(self, index: int) -> np.ndarray:
        """Give the ends of the rows of a slice, (points, 2) as (y, x)."""
        return self.ends[self.first[index] : self.first[index + 1]]

    def length(self, one: int, other: int, climb: float, faces: int, beyond: float) -> float:
        """Measure the longest line between two slices; 0 mm if it is certainly not beyond a length."""
        starts = self._may_end(one, other, climb, faces, beyond)
        ends = starts if one == other else self._may_end(other, one, climb, faces, beyond)
        if not (len(starts) and len(ends)):
            return 0.0
        ways = [(_moved(starts, a) * self.step, _moved(ends, b) * self.step) for a, b in _ENDS[faces]]
        return float(np.hypot(max(_farthest(first, second) for first, second in ways), climb))

    def _may_end(self, index: int, other: int, climb: float, faces: int, beyond: float) -> np.ndarray:
        """Points of a slice from which another slice may lie so far away, by how far that reaches."""
        points = self.points(index)
        projected = (_DIRECTIONS * self.step) @ points.T.astype(float)
        forwards, backwards = self.right[:, [other]] - projected, self.left[:, [other]] + projected
        farthest = (np.maximum(forwards, backwards) + faces * self.face_reach[:, None]).max(axis=0)
        return points[np.hypot(farthest * _SLACK, climb) >= beyond]


def _row_ends(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of every row that holds voxels its z and y and the x of its first and last voxel."""
    slices, height, width = mask.shape
    padded = np.zeros(slices * height * (width + 1) + 1, bool)
    padded[:-1].reshape(slices, height, width + 1)[:, :, 1:] = mask
    changes = np.flatnonzero(padded[1:] != padded[:-1])  # before the first and after the last of voxels in a row
    row = changes // (width + 1)
    first = _starts(row)
    last = np.append(first[1:], len(row)) - 1
    z, y = np.divmod(row[first], height)
    return z, y, changes[first] % (width + 1), changes[last] % (width + 1) - 1


def _starts(sorted_numbers: np.ndarray) -> np.ndarray:
    """Where each number first appears."""
    return np.flatnonzero(np.diff(sorted_numbers, prepend=-1))


def _longest(
    outline: _Outline, spans: np.ndarray, climbs: np.ndarray, faces: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> float:
    """Find the longest line of several candidates, measuring as few of them as possible.

    Of each are given the in-plane length from below, its rise, how many ends lie at in-plane faces, its slices.
    """
    at_least = float(np.hypot(spans, climbs).max()) * _ROUNDING
    at_most = np.hypot(spans * _SLACK, climbs)
    found = 0.0
    candidates = np.flatnonzero(at_most >= at_least)
    for index in candidates[np.argsort(-at_most[candidates])].tolist():
        if at_most[index] < found:
            break
        beyond = max(at_least, found * _ROUNDING)
        length = outline.length(lower[index], upper[index], climbs[index], faces[index], beyond)
        found = max(found, length)
    return found


def _moved(points: np.ndarray, ways: np.ndarray) -> np.ndarray:
    return (points[:, None, :] + ways).reshape(-1, 2)


def _farthest(first: np.ndarray, second: np.ndarray) -> float:
    """Give the longest distance between points of two sets, some of them at once."""
    at_once = max(1, _DISTANCES_AT_ONCE // len(second))
    longest = 0.0
    for start in range(0, len(first), at_once):
        y, x = (first[start : start + at_once, None, axis] - second[None, :, axis] for axis in range(2))
        y *= y
        x *= x
        y += x
        longest = max(longest, float(y.max()))
    return float(np.sqrt(longest))


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances between two surfaces in mm.

    Attributes
    ----------
    hausdorff
        The longest way from any point of one surface to the other.
    hausdorff95
        The same for the 95th percentile of each surface's points.
    average
        Mean over the points of both surfaces (average symmetric surface distance).
    """

    hausdorff: float
    hausdorff95: float
    average: float


def surface_distances(first: Sequence[MaskBox], second: Sequence[MaskBox], spacing: Spacing) -> SurfaceDistances | None:
    """Measure from the centre of each surface voxel to the nearest surface voxel of the other mask.

    A surface voxel is one with a face that borders on the background, or on the outside of the image.
    Distances are those of scipy's Euclidean distance transform.

    The masks are given as their boxes on one grid, the voxels' edge lengths (x, y, z) in mm. None if one is empty.
    """
    if not first or not second:
        return None
    lower = np.min([piece.lower for piece in (*first, *second)], axis=0)
    upper = np.max([piece.upper for piece in (*first, *second)], axis=0)
    one, other = _surface(first, lower, upper), _surface(second, lower, upper)
    there, back = _distances(one, other, spacing), _distances(other, one, spacing)
    return SurfaceDistances(
        hausdorff=float(max(there.max(), back.max())),
        hausdorff95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        average=float(np.concatenate([there, back]).mean()),
    )


def _surface(pieces: Sequence[MaskBox], lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_erosion  # slow to import

    mask = np.zeros(upper - lower, dtype=bool)
    for piece in pieces:
        z, y, x = (slice(start, stop) for start, stop in zip(piece.lower - lower, piece.upper - lower, strict=True))
        mask[z, y, x] |= piece.mask
    surface: np.ndarray = mask & ~binary_erosion(mask)  # 6 neighbours; outside is background
    return surface


def _distances(points: np.ndarray, surface: np.ndarray, spacing: Spacing) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    distances: np.ndarray = distance_transform_edt(~surface, sampling=spacing[::-1])[points]
    return distances
