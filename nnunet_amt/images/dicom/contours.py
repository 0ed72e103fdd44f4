"""What closed contours enclose in one slice: every pixel whose centre lies inside an outline, or on its path.

DICOM gives the points on the path to the ROI (PS3.3 C.8.8.6.3), on all four sides alike, round a hole too. So an
outline through the centres of the boundary pixels gives what was outlined, and one of a single point its pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import ContourError
from nnunet_amt.images.dicom.outlines import (
    Points,
    crosses_itself,
    crossings,
    depths,
    distances,
    has_area,
    near_path,
    runs_back,
)

Pixels = NDArray[np.bool_]  # (rows, columns)

# All in pixels. Rounding errors must not decide what lies on a path.
_DECIMALS = 6
ON_PATH = 1e-5
# Points that all lie so near to centres were put there: coordinates of two decimals are up to 0.005 mm off.
_AT_CENTRE = 0.02
# A keyhole's cut may be so wide. What it cuts through is told on axes across it, so far to both sides; on fewer there
# is something on both sides in the corner of an outline, unless it is narrower than 45 degrees.
_CUT = 0.016
_AROUND = np.array([(np.cos(angle), np.sin(angle)) for angle in np.arange(16) * np.pi / 8]) * 0.05
_AXES_ACROSS_CUT = 6  # of 8
_BESIDE_CUT = 1e-3
# Outlines that lie nowhere farther apart are one; nearer than this to each other they are neither one nor a ring.
_SAME = 0.1
_TOO_NEAR = 0.5
# Pixels that a hand may go round twice, and as a share of those that it goes round once.
_SLIP, _SLIP_SHARE = 2, 0.1


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
    areas = [_enclosed(outline, shape) for outline in outlines]
    if exclusive:
        kept, inside = list(range(len(outlines))), _by_exclusion(outlines, areas, shape)
    else:
        kept, inside = _by_nesting(outlines, areas, shape)
    for number in kept:
        row, column = near_path(outlines[number], shape, within=on_path)
        if not traced and has_area(outlines[number]):
            places = np.stack([column, row], axis=1).astype(float)
            is_edge = np.array([not runs_back(outlines[number], place, within=on_path) for place in places], dtype=bool)
            row, column = row[is_edge], column[is_edge]
        inside[row, column] = True
    return inside


@dataclass(frozen=True, eq=False)
class _Area:
    """What one outline encloses: the pixels of a box in the slice."""

    rows: slice
    columns: slice
    pixels: Pixels

    @property
    def box(self) -> tuple[slice, slice]:
        """Where it lies in the slice."""
        return self.rows, self.columns

    def shared_with(self, other: _Area) -> Points:
        """Give the centres of the pixels that two have in common, (pixels, xy); their boxes must meet."""
        top, left = max(self.rows.start, other.rows.start), max(self.columns.start, other.columns.start)
        bottom, right = min(self.rows.stop, other.rows.stop), min(self.columns.stop, other.columns.stop)
        mine, others = (
            area.pixels[
                top - area.rows.start : bottom - area.rows.start, left - area.columns.start : right - area.columns.start
            ]
            for area in (self, other)
        )
        return (np.argwhere(mine & others) + np.array([top, left]))[:, ::-1].astype(float)


def _by_exclusion(outlines: Sequence[Points], areas: Sequence[_Area], shape: tuple[int, int]) -> Pixels:
    inside = np.zeros(shape, dtype=bool)
    for area in areas:
        inside[area.box] ^= area.pixels
    for one, other in _overlapping(areas):
        if distances(outlines[one], outlines[other])[2] <= _SAME:
            raise ContourError("two CLOSEDPLANAR_XOR contours coincide, so that nothing is left of them")
    return inside


def _by_nesting(outlines: Sequence[Points], areas: Sequence[_Area], shape: tuple[int, int]) -> tuple[list[int], Pixels]:
    """Give the numbers of the outlines without repeats, and what is inside an odd number of them."""
    repeats: set[int] = set()
    holders: dict[int, set[int]] = {number: set() for number in range(len(outlines))}
    for one, other in _overlapping(areas):
        if repeats & {one, other}:
            continue
        inner, outer, apart = distances(outlines[one], outlines[other])
        if apart <= _SAME:
            repeats.add(other)
            continue
        _require_nested(inner, outer, apart)
        if inner.max() > _SAME:
            holders[one].add(other)
        elif outer.max() > _SAME:
            holders[other].add(one)
        elif _share_more_than_a_border(one, other, outlines, areas):  # one fills a bay of the other, along its path
            smaller, larger = sorted((one, other), key=lambda number: np.count_nonzero(areas[number].pixels))
            holders[smaller].add(larger)
    kept = [number for number in range(len(outlines)) if number not in repeats]
    inside = np.zeros(shape, dtype=bool)
    for number in sorted(kept, key=lambda number: len(holders[number] - repeats)):  # those that hold others first
        if len(holders[number] - repeats) % 2:
            inside[areas[number].box] &= ~areas[number].pixels
        else:
            inside[areas[number].box] |= areas[number].pixels
    return kept, inside


def _overlapping(areas: Sequence[_Area]) -> list[tuple[int, int]]:
    """Give the pairs that share a pixel; how others lie to each other changes nothing."""
    ends = np.array([(*map(_ends, area.box),) for area in areas]).reshape(-1, 2, 2)  # (area, axis, start and stop)
    meet = (ends[:, None, :, 0] < ends[None, :, :, 1]).all(axis=2)
    pairs = np.argwhere(np.triu(meet & meet.T, 1)).tolist()
    return [(one, other) for one, other in pairs if len(areas[one].shared_with(areas[other]))]


def _ends(stretch: slice) -> tuple[int, int]:
    return stretch.start, stretch.stop


def _share_more_than_a_border(one: int, other: int, outlines: Sequence[Points], areas: Sequence[_Area]) -> bool:
    """Tell whether two of whose paths none runs within the other enclose the same, and not by rounding only."""
    shared = areas[one].shared_with(areas[other])
    return bool(np.minimum(*(depths(shared, outlines[number]) for number in (one, other))).max() > _SAME)


def _require_nested(inner: NDArray[np.float64], outer: NDArray[np.float64], apart: float) -> None:
    """Refuse two outlines of which neither lies inside the other."""
    crossing = any(depth.max() > _SAME and depth.min() < -_SAME for depth in (inner, outer))
    if crossing or min(inner.max(), outer.max()) > _SAME:
        raise ContourError("two contours cross or overlap in part: what both enclose may be tumour or a hole")
    if apart < _TOO_NEAR and max(inner.max(), outer.max()) > _SAME:
        raise ContourError(
            f"two contours run {apart:.2g} pixels apart or less all round: one outline drawn twice, or a ring too thin"
        )


def _enclosed(outline: Points, shape: tuple[int, int]) -> _Area:
    """Give the pixels at which the outline is crossed an odd number of times on the way from the left.

    Half open, so that neighbours that share a border share no pixel; what lies on the path is added later. Raises
    ContourError if it runs twice round many pixels, and so neither holds them nor leaves them out. A few are left out,
    where a hand went over its own line: so they are in the official mask of the IBSI phantom.
    """
    left, top = np.clip(np.ceil(outline.min(axis=0)), 0, shape[::-1]).astype(int).tolist()
    right, bottom = np.clip(np.floor(outline.max(axis=0)) + 1, (left, top), np.maximum(shape[::-1], (left, top)))
    rows, columns = slice(top, int(bottom)), slice(left, int(right))
    row, x, turn = crossings(outline, shape[0])
    place = (row - top, np.clip(np.ceil(x), left, right).astype(np.intp) - left)
    crossed, turns = (np.zeros((rows.stop - top, columns.stop - left + 1), np.int32) for _ in range(2))
    np.add.at(crossed, place, 1)
    np.add.at(turns, place, turn)
    odd = np.cumsum(crossed, axis=1)[:, :-1] % 2 == 1
    twice = int((~odd & (np.cumsum(turns, axis=1)[:, :-1] != 0)).sum())
    if twice and (not odd.any() or (twice > max(_SLIP, _SLIP_SHARE * odd.sum()) and crosses_itself(outline))):
        raise ContourError(
            f"a contour crosses itself and runs twice round {twice} pixels, which may be tumour or a hole"
        )
    area = _Area(rows, columns, odd)
    _close_cuts(area, outline, shape)
    return area


def _close_cuts(area: _Area, outline: Points, shape: tuple[int, int]) -> None:
    """Add the pixels whose centre lies in the narrow cut of a keyhole, with the inside on both of its sides."""
    row, column = near_path(outline, shape, within=_CUT / 2)
    in_box = (row >= area.rows.start) & (row < area.rows.stop)
    in_box &= (column >= area.columns.start) & (column < area.columns.stop)
    row, column = row[in_box], column[in_box]
    left_out = ~area.pixels[row - area.rows.start, column - area.columns.start]
    row, column = row[left_out], column[left_out]
    around = (np.stack([column, row], axis=1)[:, None] + _AROUND).reshape(-1, 2)
    enclosed = depths(around, outline).reshape(len(row), len(_AROUND)) > _BESIDE_CUT
    axes = np.count_nonzero(enclosed & np.roll(enclosed, len(_AROUND) // 2, axis=1), axis=1) // 2
    in_cut = axes >= _AXES_ACROSS_CUT
    area.pixels[row[in_cut] - area.rows.start, column[in_cut] - area.columns.start] = True
