"""Fill planar contours: even-odd, a pixel belongs to the inside if its centre does."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["fill_contours", "without_repeats"]

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

    Returns
    -------
    numpy.ndarray
        (rows, columns), True inside.
    """
    rows, columns = shape
    crossings = np.zeros((rows, columns + 1), dtype=np.int64)
    for contour in contours:
        points = np.round(contour, _DECIMALS)
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            low, high = sorted((y0, y1))
            # Half open: a corner on a row's centre line is crossed once, not twice.
            crossed = np.arange(max(0, int(np.ceil(low))), min(rows, int(np.ceil(high))))
            if crossed.size:
                x = np.round(x0 + (crossed - y0) * (x1 - x0) / (y1 - y0), _DECIMALS)
                np.add.at(crossings, (crossed, np.clip(np.ceil(x), 0, columns).astype(np.intp)), 1)
    return np.cumsum(crossings, axis=1)[:, :columns] % 2 == 1


def without_repeats(contours: Iterable[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Take contours that are stored more than once only once: filled even-odd, they would empty each other.

    Parameters
    ----------
    contours
        Points of each contour, (points, 2), in pixels. Start point and sense of rotation do not matter.
    """
    kept: dict[frozenset[tuple[int, ...]], NDArray[np.float64]] = {}
    for contour in contours:
        points = np.rint(contour / _SAME_POINT_PIXELS).astype(np.int64)
        kept.setdefault(frozenset(map(tuple, points.tolist())), contour)
    return list(kept.values())
