"""Closed outlines in the plane: where they run, what they enclose, and how far two of them lie from each other.

An outline is (points, 2), columns x and y, in pixels: (0, 0) is the centre of the first pixel, and the last point is
joined to the first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (points, 2)

# All in pixels.
_DECIMALS = 6  # rounding errors must not decide on which side of a centre an outline crosses a row
_SAMPLE = 0.5  # distance of the points at which two outlines are compared
_CROSSING = 1e-3  # how far an edge must reach beyond another to cross it
_SAME_WAY = 0.01  # radians
_LARGEST_TABLE = 1 << 20


def distances(one: Points, other: Points) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Compare two outlines: how deep points of each lie inside the other, in pixels, and the farthest that any is off.

    Depths are negative outside.
    """
    compared = []
    for first, second in ((one, other), (other, one)):
        points = _samples(first)
        near = ((points >= second.min(axis=0) - 1) & (points <= second.max(axis=0) + 1)).all(axis=1)
        # Of those that are far from it, one pixel outside stands for all.
        compared.append(np.concatenate([depths(points[near], second), np.full(0 if near.all() else 1, -1.0)]))
    return compared[0], compared[1], float(max(np.abs(depth).max() for depth in compared))


def depths(points: Points, outline: Points) -> NDArray[np.float64]:
    """How deep points lie inside an outline, in pixels; negative outside."""
    rows = max(1, _LARGEST_TABLE // len(outline))
    parts = [_depths_of_some(points[first : first + rows], outline) for first in range(0, len(points), rows)]
    return np.concatenate([np.empty(0), *parts])


def _depths_of_some(points: Points, outline: Points) -> NDArray[np.float64]:
    step = np.roll(outline, -1, axis=0) - outline
    away = points[:, None] - outline[None]  # (points, edges, xy)
    below = away[..., 1] >= 0  # the edge begins at or above the point's row
    crossed = below != (step[:, 1] <= away[..., 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        right = away[..., 0] < away[..., 1] * step[:, 0] / step[:, 1]
    inside = (crossed & right).sum(axis=1) % 2 == 1
    distance = _distances_to_edges(points, outline).min(axis=1)
    return np.where(inside, distance, -distance)


def _distances_to_edges(points: Points, outline: Points) -> NDArray[np.float64]:
    """Distance of every point from every edge, (points, edges)."""
    step = np.roll(outline, -1, axis=0) - outline
    away = points[:, None] - outline[None]  # (points, edges, xy)
    squared = np.maximum((step**2).sum(axis=1), 1e-30)  # an edge may be a point
    along = np.clip((away * step).sum(axis=2) / squared, 0.0, 1.0)
    off = away - along[..., None] * step
    return np.hypot(off[..., 0], off[..., 1])


def _samples(outline: Points) -> Points:
    """Give points along an outline, its own among them."""
    step = np.roll(outline, -1, axis=0) - outline
    number = np.maximum(np.ceil(np.hypot(*step.T) / _SAMPLE), 1).astype(np.intp)
    edge, place = _counted(number)
    return outline[edge] + (place / number[edge])[:, None] * step[edge]


def crossings(points: Points, rows: int) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.int32]]:
    """Find where an outline crosses the centre lines of the rows: row, x, and 1 or -1 for down or up."""
    (x0, y0), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
    # Half open: a corner on a row's centre line is crossed once, not twice.
    first = np.clip(np.ceil(np.minimum(y0, y1)), 0, rows).astype(np.intp)
    last = np.clip(np.ceil(np.maximum(y0, y1)), 0, rows).astype(np.intp)
    edge, place = _counted(np.maximum(last - first, 0))
    row = first[edge] + place
    across = (row - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    return row, np.round(x0[edge] + across, _DECIMALS), np.where(y1 > y0, 1, -1).astype(np.int32)[edge]


def near_path(points: Points, shape: tuple[int, int], *, within: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the pixels, rows and columns, whose centre an outline passes at this distance or less, in pixels."""
    ends = np.roll(points, -1, axis=0)
    steep = np.abs(ends - points)[:, 1] > np.abs(ends - points)[:, 0]
    # Along the axis on which an edge takes the longer way, at most one pixel of each line is on it.
    start, end = (np.where(steep[:, None], one[:, ::-1], one) for one in (points, ends))
    low, high = np.minimum(start[:, 0], end[:, 0]), np.maximum(start[:, 0], end[:, 0])
    first = np.ceil(low - within).astype(np.intp)
    edge, place = _counted(np.maximum(np.floor(high + within).astype(np.intp) - first + 1, 0))
    line = first[edge] + place
    length = (end - start)[edge]
    share = np.clip((line - start[edge, 0]) / np.where(length[:, 0] == 0, 1.0, length[:, 0]), 0.0, 1.0)
    path = start[edge] + share[:, None] * length
    nearest = np.rint(path[:, 1])
    off = np.hypot(line - path[:, 0], nearest - path[:, 1])
    column, row = np.where(steep[edge], (nearest, line), (line, nearest)).astype(np.intp)
    on = (off <= within) & (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    return row[on], column[on]


def runs_back(outline: Points, place: NDArray[np.float64], *, within: float) -> bool:
    """Tell whether an outline leaves a place (x, y) on it every way that it came, as on the cut of a keyhole."""
    starts, ends = outline - place, np.roll(outline, -1, axis=0) - place
    here = _distances_to_edges(place[None], outline)[0] <= within
    ways = np.concatenate([starts[here], ends[here]])
    ways = ways[np.hypot(*ways.T) > 10 * within]  # what ends at the place itself goes nowhere
    angles = np.arctan2(ways[:, 1], ways[:, 0])
    while angles.size:
        same = np.abs(np.angle(np.exp(1j * (angles - angles[0])))) <= _SAME_WAY
        if np.count_nonzero(same) % 2:
            return False
        angles = angles[~same]
    return True


def has_area(outline: Points) -> bool:
    """Tell whether an outline is more than a point or a line."""
    return abs(float(_cross(outline, np.roll(outline, -1, axis=0)).sum())) > _CROSSING


def crosses_itself(points: Points) -> bool:
    """Tell whether two edges of an outline cross; that they touch, or run along each other, is no crossing."""
    ends = np.roll(points, -1, axis=0)
    step = ends - points
    length = np.maximum(np.hypot(*step.T), 1e-15)
    for start, end, along in zip(points, ends, step, strict=True):
        sides = np.stack([
            _side(start, along, points), _side(start, along, ends),
            _cross(step, start - points) / length, _cross(step, end - points) / length,
        ])  # fmt: skip
        opposite = (sides[0] * sides[1] < 0) & (sides[2] * sides[3] < 0)
        if (opposite & (np.abs(sides).min(axis=0) > _CROSSING)).any():
            return True
    return False


def _side(start: Points, along: Points, points: Points) -> NDArray[np.float64]:
    """How far points lie to the left of a line (or, negative, to the right)."""
    return _cross(along, points - start) / max(float(np.hypot(*along)), 1e-15)


def _cross(first: Points, second: Points) -> NDArray[np.float64]:
    product: NDArray[np.float64] = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    return product


def _counted(number: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Repeat the numbers of edges, each as often as said, and count on within each."""
    edge = np.repeat(np.arange(len(number)), number)
    return edge, np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number)
