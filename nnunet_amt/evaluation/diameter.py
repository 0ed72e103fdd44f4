"""The largest diameters of a lesion: within an axial slice, and in space.

How far a slice reaches in some directions bounds, from below and above, the distance between its points and those
of another slice. Only the few pairs of slices that may hold the longest line are measured point by point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnunet_amt.evaluation.foreground import Spacing

__all__ = ["Diameters", "largest_diameters"]

_FEW_POINTS = 80
_SLICES_AT_ONCE = 64  # of which all are compared with all others
_HALF = 24  # directions of a half circle; the other half follows, so that opposite ones are this far apart
_ANGLES = (np.arange(2 * _HALF) - _HALF / 2 + 0.5) * (np.pi / _HALF)
_DIRECTIONS = np.stack([np.sin(_ANGLES), np.cos(_ANGLES)])  # (y and x, directions); the first half points to the right
_SLACK = 1 / np.cos(np.pi / (2 * _HALF)) + 1e-9  # of a length that is seen from the nearest direction


@dataclass(frozen=True)
class Diameters:
    """Largest diameters of a lesion in mm.

    Attributes
    ----------
    axial
        Longest straight line within one axial slice.
    maximum
        Longest straight line in space.
    """

    axial: float
    maximum: float


def largest_diameters(mask: np.ndarray, spacing: Spacing) -> Diameters:
    """Measure the longest straight lines across a lesion, within one axial slice and in space.

    A line runs between the outlines of the lesion, and the outline passes through the midpoints of the faces of its
    voxels, half a voxel beyond the voxel centres. A row of n voxels of width s is n s long, a single voxel
    s. These are the "Maximum 2D diameter (slice)" and the "Maximum 3D diameter" that IBSI-style radiomics measures
    on the surface mesh; the first is the paper's "maximum diameter measured in the axial plane".

    Parameters
    ----------
    mask : numpy.ndarray of bool, (z, y, x)
        One lesion. Axial slices are those along z, the image's own slice axis.
    spacing
        Voxel edge lengths (x, y, z) in mm.

    Returns
    -------
    Diameters
        0 mm for an empty mask.
    """
    outlines, reach = _outlines(mask, spacing)
    if not outlines:
        return Diameters(0.0, 0.0)
    heights = np.array([outline.height for outline in outlines])
    face_reach = 0.5 * np.abs(_DIRECTIONS * [[spacing[1]], [spacing[0]]]).max(axis=0)
    faces, centres = reach + face_reach, reach
    across = _spans(faces, faces)  # (slices, slices)
    in_slice = across.diagonal()
    axial = _longest(in_slice, in_slice * _SLACK, lambda i: _farthest(outlines[i].faces, outlines[i].faces))

    # In space a line may end at in-plane faces, or half a voxel lower and higher at the faces below and above.
    rows, columns = np.indices(across.shape).reshape(2, -1)
    rise = np.abs(heights[rows] - heights[columns])
    spans = np.concatenate([each.ravel() for each in (across, _spans(faces, centres), _spans(centres, centres))])
    climbs = np.concatenate([rise, rise + spacing[2] / 2, rise + spacing[2]])

    def distance(candidate: int) -> float:
        way, pair = divmod(candidate, len(rows))
        one, other = outlines[rows[pair]], outlines[columns[pair]]
        first, second = (one.faces if way < 2 else one.centres), (other.faces if way < 1 else other.centres)
        return float(np.hypot(_farthest(first, second), climbs[candidate]))

    maximum = _longest(np.hypot(spans, climbs), np.hypot(spans * _SLACK, climbs), distance)
    return Diameters(axial, maximum)


@dataclass(frozen=True, eq=False)
class _Outline:
    """A slice of a lesion, at its height in mm."""

    height: float
    plane: np.ndarray  # (y, x)
    spacing: Spacing

    @cached_property
    def centres(self) -> np.ndarray:
        """Corners of the hull of the voxel centres, (corners, 2) as (y, x) in mm."""
        return _hull(_row_ends(self.plane, 0.0) * (self.spacing[1], self.spacing[0]))

    @cached_property
    def faces(self) -> np.ndarray:
        """Corners of the hull of the midpoints of the voxels' in-plane faces, (corners, 2) as (y, x) in mm."""
        points = np.concatenate([_row_ends(self.plane, 0.5), _row_ends(self.plane.T, 0.5)[:, ::-1]])
        return _hull(points * (self.spacing[1], self.spacing[0]))


def _outlines(mask: np.ndarray, spacing: Spacing) -> tuple[list[_Outline], np.ndarray]:
    """Slices that hold voxels, and how far their voxel centres reach in each direction, (slices, directions) in mm."""
    z, y = np.nonzero(mask.any(axis=2))
    rows = mask[z, y]
    left = rows.argmax(axis=1)
    right = mask.shape[2] - 1 - rows[:, ::-1].argmax(axis=1)
    ends = [np.column_stack([y * spacing[1], x * spacing[0]]) for x in (right, left)]
    projected = np.hstack([ends[0] @ _DIRECTIONS[:, :_HALF], ends[1] @ _DIRECTIONS[:, _HALF:]])
    numbers, first_rows = np.unique(z, return_index=True)
    reach = np.maximum.reduceat(projected, first_rows, axis=0) if len(z) else projected
    return [_Outline(number * spacing[2], mask[number], spacing) for number in numbers.tolist()], reach


def _spans(reach: np.ndarray, other_reach: np.ndarray) -> np.ndarray:
    """How far every two slices reach apart in the direction in which that is most, (slices, slices) in mm."""
    opposite = np.roll(other_reach, _HALF, axis=1)
    starts = range(0, len(reach), _SLICES_AT_ONCE)
    return np.concatenate([(reach[i : i + _SLICES_AT_ONCE, None] + opposite).max(axis=2) for i in starts])


def _longest(shortest: np.ndarray, longest: np.ndarray, measure: Callable[[int], float]) -> float:
    """Find the largest of several lengths that are known to lie between bounds, measuring as few as possible."""
    found = 0.0
    at_least = float(shortest.max()) * (1 - 1e-9)
    for index in np.argsort(-longest, kind="stable").tolist():
        if longest[index] < max(found, at_least):
            break
        found = max(found, measure(index))
    return found


def _row_ends(plane: np.ndarray, beyond: float) -> np.ndarray:
    """Left and right end of every row that holds voxels, as (row, column), so far beyond the centres."""
    rows = np.flatnonzero(plane.any(axis=1))
    filled = plane[rows]
    left = filled.argmax(axis=1) - beyond
    right = plane.shape[1] - 1 - filled[:, ::-1].argmax(axis=1) + beyond
    return np.concatenate([np.column_stack([rows, left]), np.column_stack([rows, right])])


def _hull(points: np.ndarray) -> np.ndarray:
    """Leave out points that are no corners of the hull, where there are enough for that to save time."""
    if len(points) <= _FEW_POINTS:
        return points
    from scipy.spatial import ConvexHull, QhullError  # slow to import

    try:
        corners: np.ndarray = points[ConvexHull(points).vertices]
    except QhullError:  # all on a line
        return points
    return corners


def _farthest(first: np.ndarray, second: np.ndarray) -> float:
    differences = first[:, None, :] - second[None, :, :]
    return float(np.sqrt((differences**2).sum(axis=-1).max()))
