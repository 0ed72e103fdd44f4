"""What closed contours enclose in one slice: every pixel whose centre lies inside an outline, or on its path.

DICOM gives the points on the path to the ROI (PS3.3 C.8.8.6.3), on all four sides alike, round a hole too. So an
outline through the centres of the boundary pixels gives what was outlined, and one of a single point its pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import ContourError

Points = NDArray[np.float64]  # (points, 2), columns x and y, in pixels; (0, 0) is the centre of the first pixel
Pixels = NDArray[np.bool_]  # (rows, columns)

# All in pixels. Rounding errors must not decide what lies on a path.
_DECIMALS = 6
ON_PATH = 1e-5
_ASIDE_OF_PATH = 1e-3
# Points that all lie so near to centres were put there: coordinates of two decimals are up to 0.005 mm off.
_AT_CENTRE = 0.02
# A keyhole's cut may be so wide. What it cuts through is told on axes across it, so far to both sides; on fewer there
# is something on both sides in the corner of an outline, unless it is narrower than 45 degrees.
_CUT = 0.016
_AROUND = np.array([(np.cos(angle), np.sin(angle)) for angle in np.arange(16) * np.pi / 8]) * 0.05
_AXES_ACROSS_CUT = 6  # of 8
# Outlines that lie nowhere farther apart are one; nearer than this to each other they are neither one nor a ring.
_SAME = 0.1
_TOO_NEAR = 0.5
# Pixels that a hand may go round twice, and as a share of those that it goes round once.
_SLIP, _SLIP_SHARE = 2, 0.1
_SAMPLE = 0.5  # distance of the points at which two outlines are compared
_LARGEST_TABLE = 1 << 20


def at_centres(contours: Sequence[Points]) -> list[Points] | None:
    """Give contours with their points at the centres of pixels; None if not every one was meant to lie there."""
    nearest = [np.rint(contour) for contour in contours]
    off = max((float(np.abs(one - near).max()) for one, near in zip(contours, nearest, strict=True)), default=0.0)
    return nearest if off <= _AT_CENTRE else None


def fill_contours(
    contours: Sequence[Points],
    shape: tuple[int, int],
    *,
    on_path: float = ON_PATH,
    exclusive: bool = False,
    traced: bool = False,
) -> Pixels:
    """Fill the closed contours of one structure in one slice; the last point of each is joined to its first.

    A contour inside another is a hole, one inside that an island; what is drawn as one line that goes in and out again
    (a keyhole) is right too. Contours that coincide are one. The path of a hole belongs to the structure. A line that
    is gone there and back is the cut of a keyhole, and belongs to the structure where both of its sides do.

    Parameters
    ----------
    contours
        Points of each; what lies outside the slice is cut off.
    shape
        Rows (y) and columns (x) of the slice.
    on_path
        How far from a path, in pixels, a centre still lies on it: as far as the coordinates were rounded.
    exclusive
        Combine them by XOR whatever they do, as those of the type CLOSEDPLANAR_XOR.
    traced
        They were traced along the centres of pixels: then a line that is gone there and back is a row of pixels.

    Raises
    ------
    ContourError
        If contours cross, or lie so near to each other that they are neither one nor two; if one crosses itself; if
        two XOR contours cancel each other.
    """
    outlines = [np.round(contour, _DECIMALS) for contour in contours]
    filled = [_enclosed(outline, shape) for outline in outlines]
    if exclusive:
        kept, inside = list(range(len(outlines))), _by_exclusion(outlines, filled, shape)
    else:
        kept, inside = _by_nesting(outlines, filled, shape)
    for number in kept:
        row, column = _near_path(outlines[number], shape, within=on_path)
        if not traced and _has_area(outlines[number]):
            around = _depths_around(row, column, outlines[number])
            is_edge = (around > _ASIDE_OF_PATH).any(axis=1) & (around < -_ASIDE_OF_PATH).any(axis=1)
            row, column = row[is_edge], column[is_edge]
        inside[row, column] = True
    return inside


def _by_exclusion(outlines: Sequence[Points], filled: Sequence[Pixels], shape: tuple[int, int]) -> Pixels:
    inside = np.zeros(shape, dtype=bool)
    for one in filled:
        inside ^= one
    for one, other in _overlapping(outlines, filled):
        if _distances(outlines[one], outlines[other])[2] <= _SAME:
            raise ContourError("two CLOSEDPLANAR_XOR contours coincide, so that nothing is left of them")
    return inside


def _by_nesting(
    outlines: Sequence[Points], filled: Sequence[Pixels], shape: tuple[int, int]
) -> tuple[list[int], Pixels]:
    """Give the numbers of the outlines without repeats, and what is inside an odd number of them."""
    repeats: set[int] = set()
    holders: dict[int, set[int]] = {number: set() for number in range(len(outlines))}
    for one, other in _overlapping(outlines, filled):
        if repeats & {one, other}:
            continue
        inner, outer, apart = _distances(outlines[one], outlines[other])
        if apart <= _SAME:
            repeats.add(other)
            continue
        _require_nested(inner, outer, apart)
        if inner.max() > _SAME:
            holders[one].add(other)
        elif outer.max() > _SAME:
            holders[other].add(one)
    kept = [number for number in range(len(outlines)) if number not in repeats]
    inside = np.zeros(shape, dtype=bool)
    for number in sorted(kept, key=lambda number: len(holders[number] - repeats)):  # those that hold others first
        if len(holders[number] - repeats) % 2:
            inside &= ~filled[number]
        else:
            inside |= filled[number]
    return kept, inside


def _overlapping(outlines: Sequence[Points], filled: Sequence[Pixels]) -> list[tuple[int, int]]:
    """Give the pairs that share a pixel; how others lie to each other changes nothing."""
    corners = [(outline.min(axis=0), outline.max(axis=0)) for outline in outlines]
    return [
        (one, other)
        for one, other in combinations(range(len(outlines)), 2)
        if (corners[one][0] <= corners[other][1]).all()
        and (corners[other][0] <= corners[one][1]).all()
        and (filled[one] & filled[other]).any()
    ]


def _require_nested(inner: NDArray[np.float64], outer: NDArray[np.float64], apart: float) -> None:
    """Refuse two outlines of which neither lies inside the other."""
    crossing = any(depth.max() > _SAME and depth.min() < -_SAME for depth in (inner, outer))
    if crossing or min(inner.max(), outer.max()) > _SAME:
        raise ContourError("two contours cross or overlap in part: what both enclose may be tumour or a hole")
    if apart < _TOO_NEAR and max(inner.max(), outer.max()) > _SAME:
        raise ContourError(
            f"two contours run {apart:.2g} pixels apart or less all round: one outline drawn twice, or a ring too thin"
        )


def _distances(one: Points, other: Points) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Compare two outlines: how deep points of each lie inside the other, in pixels, and the farthest that any is off.

    Depths are negative outside.
    """
    depths = []
    for first, second in ((one, other), (other, one)):
        points = _samples(first)
        near = ((points >= second.min(axis=0) - 1) & (points <= second.max(axis=0) + 1)).all(axis=1)
        # Of those that are far from it, one pixel outside stands for all.
        depths.append(np.concatenate([_depths(points[near], second), np.full(0 if near.all() else 1, -1.0)]))
    return depths[0], depths[1], float(max(np.abs(depth).max() for depth in depths))


def _depths(points: Points, outline: Points) -> NDArray[np.float64]:
    """How deep points lie inside an outline, in pixels; negative outside."""
    rows = max(1, _LARGEST_TABLE // len(outline))
    parts = [_depths_of_some(points[first : first + rows], outline) for first in range(0, len(points), rows)]
    return np.concatenate([np.empty(0), *parts])


def _depths_of_some(points: Points, outline: Points) -> NDArray[np.float64]:
    step = np.roll(outline, -1, axis=0) - outline
    away = points[:, None] - outline[None]  # (points, edges, xy)
    squared = np.maximum((step**2).sum(axis=1), 1e-30)  # an edge may be a point
    along = np.clip((away * step).sum(axis=2) / squared, 0.0, 1.0)
    distance = np.sqrt(((away - along[..., None] * step) ** 2).sum(axis=2)).min(axis=1)
    below = -away[..., 1] <= 0  # the edge begins at or above the point's row
    crossed = below != (step[:, 1] - away[..., 1] <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        right = away[..., 0] < away[..., 1] * step[:, 0] / step[:, 1]
    inside = (crossed & right).sum(axis=1) % 2 == 1
    return np.where(inside, distance, -distance)


def _samples(outline: Points) -> Points:
    """Give points along an outline, its own among them."""
    step = np.roll(outline, -1, axis=0) - outline
    number = np.maximum(np.ceil(np.hypot(*step.T) / _SAMPLE), 1).astype(np.intp)
    edge, place = _counted(number)
    return outline[edge] + (place / number[edge])[:, None] * step[edge]


def _enclosed(outline: Points, shape: tuple[int, int]) -> Pixels:
    """Give the pixels at which the outline is crossed an odd number of times on the way from the left.

    Half open, so that neighbours that share a border share no pixel; what lies on the path is added later. Raises
    ContourError if it runs twice round many pixels, and so neither holds them nor leaves them out. A few are left out,
    where a hand went over its own line: so they are in the official mask of the IBSI phantom.
    """
    rows, columns = shape
    inside = np.zeros(shape, dtype=bool)
    row, x, turn = _crossings(outline, rows)
    if not row.size:
        return inside
    column = np.clip(np.ceil(x), 0, columns).astype(np.intp)
    top, left = row.min(), column.min()  # outside of this box nothing is crossed
    box = (row.max() + 1 - top, column.max() + 1 - left)
    crossings, turns = np.zeros(box, np.int32), np.zeros(box, np.int32)
    np.add.at(crossings, (row - top, column - left), 1)
    np.add.at(turns, (row - top, column - left), turn)
    odd = np.cumsum(crossings, axis=1)[:, : columns - left] % 2 == 1
    twice = int((~odd & (np.cumsum(turns, axis=1)[:, : columns - left] != 0)).sum())
    if twice and (not odd.any() or (twice > max(_SLIP, _SLIP_SHARE * odd.sum()) and _crosses_itself(outline))):
        raise ContourError(
            f"a contour crosses itself and runs twice round {twice} pixels, which may be tumour or a hole"
        )
    inside[top : top + box[0], left : left + odd.shape[1]] = odd
    return _without_cuts(inside, outline)


def _without_cuts(inside: Pixels, outline: Points) -> Pixels:
    """Add the pixels whose centre lies in the narrow cut of a keyhole, with the inside on both of its sides."""
    row, column = _near_path(outline, (inside.shape[0], inside.shape[1]), within=_CUT / 2)
    left_out = ~inside[row, column]
    row, column = row[left_out], column[left_out]
    around = _depths_around(row, column, outline) > _ASIDE_OF_PATH
    axes = np.count_nonzero(around & np.roll(around, len(_AROUND) // 2, axis=1), axis=1) // 2
    in_cut = axes >= _AXES_ACROSS_CUT
    inside[row[in_cut], column[in_cut]] = True
    return inside


def _depths_around(row: NDArray[np.intp], column: NDArray[np.intp], outline: Points) -> NDArray[np.float64]:
    """How deep points close to the centre of pixels, all round it, lie inside an outline; (pixels, points)."""
    around = (np.stack([column, row], axis=1)[:, None] + _AROUND).reshape(-1, 2)
    return _depths(around, outline).reshape(len(row), len(_AROUND))


def _has_area(outline: Points) -> bool:
    return abs(float(_cross(outline, np.roll(outline, -1, axis=0)).sum())) > _ASIDE_OF_PATH


def _crossings(points: Points, rows: int) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.int32]]:
    """Find where an outline crosses the centre lines of the rows: row, x, and 1 or -1 for down or up."""
    (x0, y0), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
    # Half open: a corner on a row's centre line is crossed once, not twice.
    first = np.clip(np.ceil(np.minimum(y0, y1)), 0, rows).astype(np.intp)
    last = np.clip(np.ceil(np.maximum(y0, y1)), 0, rows).astype(np.intp)
    edge, place = _counted(np.maximum(last - first, 0))
    row = first[edge] + place
    across = (row - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    return row, np.round(x0[edge] + across, _DECIMALS), np.where(y1 > y0, 1, -1).astype(np.int32)[edge]


def _crosses_itself(points: Points) -> bool:
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
        if (opposite & (np.abs(sides).min(axis=0) > _ASIDE_OF_PATH)).any():
            return True
    return False


def _side(start: Points, along: Points, points: Points) -> NDArray[np.float64]:
    """How far points lie to the left of a line (or, negative, to the right)."""
    return _cross(along, points - start) / max(float(np.hypot(*along)), 1e-15)


def _cross(first: Points, second: Points) -> NDArray[np.float64]:
    product: NDArray[np.float64] = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    return product


def _near_path(points: Points, shape: tuple[int, int], *, within: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
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


def _counted(number: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Repeat the numbers of edges, each as often as said, and count on within each."""
    edge = np.repeat(np.arange(len(number)), number)
    return edge, np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number)
