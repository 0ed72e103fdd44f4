"""Labels in figures that are free of each other: beside points, one above the other, and cut to a width.

They are placed once the figure's other parts stand where they will be printed, and take no part in its layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PT_PER_INCH = 72.0
_GAP_PT = 1.0  # between two labels
_NEAR_PT, _STEP_PT, _STEPS = 5.0, 4.5, 12  # how far from its point a label may stand
_LINE_FROM_PT = 9.0  # from here on a line leads to the point
# Ways out from a point; to the upper right first, where a falling curve leaves room.
_WAYS = ((1, 1), (-1, -1), (-1, 1), (1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
_SIDES = {-1: "right", 0: "center", 1: "left"}
_ENDS = {-1: "top", 0: "center", 1: "bottom"}
Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels


def label_points(
    axes: Axes,
    labels: Sequence[tuple[str, tuple[float, float]]],
    *,
    marks: Sequence[tuple[float, float]] = (),
    mark_pt: float = 3.0,
    lines: Sequence[NDArray[np.float64]] = (),
    **look: Any,
) -> None:
    """Write each text beside its point, within the axes, so that it covers no other and, where there is room, no mark.

    Parameters
    ----------
    axes
        Of a figure in which everything else is drawn.
    labels
        Texts and their points, in data coordinates.
    marks
        Points, in data coordinates, that are better not covered.
    mark_pt
        Half of their size.
    lines
        Corners (n, 2) of lines, in data coordinates, that are better not crossed.
    look
        Of the texts: `fontsize` and what else `Axes.annotate` takes.
    """
    figure = _laid_out(axes)
    inside, pixel = axes.get_window_extent().extents, figure.dpi / _PT_PER_INCH
    middles = axes.transData.transform(np.reshape(list(marks), (-1, 2)))
    avoided = [_around(x, y, mark_pt * pixel) for x, y in middles.tolist()]
    for corners in lines:
        avoided += [_around(x, y, pixel) for x, y in _along(axes.transData.transform(corners), 2 * pixel)]
    taken: list[Box] = []
    for text, point in labels:
        places = _places(axes.transData.transform(point), _text_size(figure, text, look["fontsize"]), pixel)
        box, offset, way = min(
            places, key=lambda place: _badness(place[0], inside, taken, avoided) + max(map(abs, place[1]))
        )
        taken.append(box)
        line = {"arrowstyle": "-", "linewidth": 0.4, "color": look.get("color"), "shrinkA": 0, "shrinkB": 1}
        far = max(map(abs, offset)) > _LINE_FROM_PT
        label = axes.annotate(
            text, point, xytext=offset, textcoords="offset points", arrowprops=line if far else None, **look
        )
        label.set(ha=_SIDES[way[0]], va=_ENDS[way[1]], in_layout=False)


def labels_at_the_end(axes: Axes, labels: Sequence[tuple[str, float]], **look: Any) -> None:
    """Write each text right of the axes at its height, in data coordinates, or so far off that none covers another.

    They keep their order from bottom to top and stay within the height of the axes.
    """
    made = [
        axes.annotate(text, (1.0, y), xycoords=("axes fraction", "data"), xytext=(2, 0), textcoords="offset points")
        for text, y in labels
    ]
    for label in made:
        label.set(va="center", **look)
    if not made:
        return
    figure = _laid_out(axes)
    made.sort(key=lambda label: label.xy[1])
    wanted = axes.transData.transform([(axes.get_xlim()[1], label.xy[1]) for label in made])[:, 1]
    inside = axes.get_window_extent()
    step = max(label.get_window_extent().height for label in made) + _GAP_PT * figure.dpi / _PT_PER_INCH
    places = wanted.copy()
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + step)
    places += (wanted - places).mean()
    places += max(0.0, inside.y0 - places[0]) - max(0.0, places[-1] - inside.y1)
    for label, place, where in zip(made, places.tolist(), wanted.tolist(), strict=True):
        label.set_position((2, (place - where) * _PT_PER_INCH / figure.dpi))


def cut_to_width(figure: Figure, text: str, width_mm: float, *, fontsize: float) -> str:
    """Take letters out of the middle of a text until it fits: ``"Hospital…0012"``; names differ at their ends."""
    width = width_mm / 25.4 * figure.dpi
    kept = len(text)
    shown = text
    while kept > 2 and _text_size(figure, shown, fontsize)[0] > width:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


def _around(x: float, y: float, half: float) -> Box:
    return x - half, y - half, x + half, y + half


def _along(corners: np.ndarray, step: float) -> Iterator[tuple[float, float]]:
    """Give points along a line, a step apart; not where a corner is not known."""
    for start, end in pairwise(corners):
        length = float(np.hypot(*(end - start)))
        if np.isfinite(length):
            yield from np.linspace(start, end, max(2, int(length / step) + 1)).tolist()


def _laid_out(axes: Axes) -> Figure:
    """Put everything in the figure in its place."""
    figure: Figure = axes.figure  # type: ignore[assignment]
    figure.draw_without_rendering()
    return figure


def _text_size(figure: Figure, text: str, fontsize: float) -> tuple[float, float]:
    """Measure a text as it is, without formulas, in pixels."""
    written = figure.text(0, 0, text, fontsize=fontsize, parse_math=False)
    box = written.get_window_extent()
    written.remove()
    return box.width, box.height


def _places(
    at: np.ndarray, size: tuple[float, float], pixel: float
) -> Iterator[tuple[Box, tuple[float, float], tuple[int, int]]]:
    """Give boxes around a point, the nearest first, with their offset in points and the way out."""
    width, height = size
    for step in range(_STEPS):
        distance = _NEAR_PT + step * _STEP_PT
        for way in _WAYS:
            offset = (way[0] * distance, way[1] * distance)
            left = at[0] + offset[0] * pixel + {-1: -width, 0: -width / 2, 1: 0.0}[way[0]]
            bottom = at[1] + offset[1] * pixel + {-1: -height, 0: -height / 2, 1: 0.0}[way[1]]
            yield (left, bottom, left + width, bottom + height), offset, way


def _badness(box: Box, inside: Box, taken: Sequence[Box], avoided: Sequence[Box]) -> float:
    """Weigh what a label would cover, in square pixels: the worst is another label, or to leave the axes."""
    own = (box[2] - box[0]) * (box[3] - box[1])
    worst = own - _shared(box, inside) + sum(_shared(_grown(box), other) for other in taken)
    return 1e4 * worst + 10 * sum(_shared(box, other) for other in avoided)


def _grown(box: Box) -> Box:
    return box[0] - _GAP_PT, box[1] - _GAP_PT, box[2] + _GAP_PT, box[3] + _GAP_PT


def _shared(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0
