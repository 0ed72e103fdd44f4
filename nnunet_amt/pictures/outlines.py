"""The outlines of a mask's slice as lines, and lines as dashes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Trace the border of a mask half-way between the centres of voxels inside and outside.

    Parameters
    ----------
    mask
        Of bool, (rows, columns). What lies beyond its edge counts as outside.

    Returns
    -------
    list of numpy.ndarray, (points, 2)
        Closed lines of (column, row) in pixels from the mask's upper left corner: the centre of its first pixel is
        (0.5, 0.5).
    """
    from contourpy import contour_generator

    if not mask.any():
        return []
    padded = np.pad(mask, 1).astype(float)
    lines: Sequence[np.ndarray] = contour_generator(z=padded).lines(0.5)  # type: ignore[assignment]
    return [line - 0.5 for line in lines]  # from centres of the padded mask


def dashes(line: np.ndarray, dash: float, gap: float) -> list[np.ndarray]:
    """Cut a line into dashes along its length; a closed one is divided evenly, so that no dash is left over.

    Parameters
    ----------
    line
        (points, 2).
    dash, gap
        Their lengths, in the unit of the points; stretched a little to fit a closed line.

    Returns
    -------
    list of numpy.ndarray, (points, 2)
        Each with the corners that it goes round.
    """
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    whole = float(reached[-1])
    if whole == 0.0:
        return []
    count = max(1, round(whole / (dash + gap)))
    period = whole / count
    parts = []
    for number in range(count):
        start, stop = number * period, number * period + period * dash / (dash + gap)
        inside = reached[(reached > start) & (reached < stop)]
        places = np.concatenate([[start], inside, [stop]])
        parts.append(np.column_stack([np.interp(places, reached, line[:, axis]) for axis in range(2)]))
    return parts
