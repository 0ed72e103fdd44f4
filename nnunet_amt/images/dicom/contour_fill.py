"""Fill planar contours: even-odd, a pixel belongs to the inside if its centre does."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_SAME_POINT_PIXELS = 1e-3
_DECIMALS = 6  # of a pixel: so that rounding errors do not decide what lies on a contour


def fill_contours(contours: Iterable[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill closed contours of one structure in one slice.

    Along a row of pixels, each crossing of a contour changes between outside and inside. So a contour inside another
    one is a hole, and what is drawn as one line that goes in and out again (a keyhole) is right too. Of the pixels
    whose centre lies exactly on a contour, those on its left and upper side belong to the inside: structures that
    share a border share no pixel.

    Parameters
    ----------
    contours
        Points of each contour, (points, 2), columns x and y, in pixels: (0, 0) is the centre of the first pixel.
        The last point is joined to the first.
    shape
        Rows (y) and columns (x) of the slice; what lies outside is cut off.
    """
    rows, columns = shape
    inside = np.zeros(shape, dtype=bool)
    found = [_crossings(np.round(contour, _DECIMALS), rows) for contour in contours]
    row = np.concatenate([row for row, _ in found]) if found else np.empty(0, np.intp)
    if not row.size:
        return inside
    column = np.clip(np.ceil(np.concatenate([x for _, x in found])), 0, columns).astype(np.intp)
    top, left = row.min(), column.min()  # outside of this box nothing is crossed
    crossings = np.zeros((row.max() + 1 - top, column.max() + 1 - left), dtype=np.uint8)  # modulo 256 odd stays odd
    np.add.at(crossings, (row - top, column - left), 1)
    box = np.cumsum(crossings, axis=1, dtype=np.uint8)[:, : columns - left] % 2 == 1
    inside[top : top + box.shape[0], left : left + box.shape[1]] = box
    return inside


def _crossings(points: NDArray[np.float64], rows: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find where a closed contour crosses the centre lines of the rows: row and x of each crossing."""
    (x0, y0), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
    # Half open: a corner on a row's centre line is crossed once, not twice.
    first = np.clip(np.ceil(np.minimum(y0, y1)), 0, rows).astype(np.intp)
    last = np.clip(np.ceil(np.maximum(y0, y1)), 0, rows).astype(np.intp)
    number = np.maximum(last - first, 0)  # of rows that each edge crosses
    edge = np.repeat(np.arange(len(points)), number)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number)
    across = (row - y0[edge]) * (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    return row, np.round(x0[edge] + across, _DECIMALS)


def without_repeats(contours: Iterable[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Take contours that are stored more than once only once: filled even-odd, they would empty each other.

    Points of each contour are (points, 2), in pixels. Start point and sense of rotation do not matter.
    """
    kept: dict[frozenset[tuple[int, ...]], NDArray[np.float64]] = {}
    for contour in contours:
        points = np.rint(contour / _SAME_POINT_PIXELS).astype(np.int64)
        kept.setdefault(frozenset(map(tuple, points.tolist())), contour)
    return list(kept.values())
