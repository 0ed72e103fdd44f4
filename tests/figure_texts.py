"""Which texts of a figure cover each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from matplotlib.text import Text
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOUCHING_PX = 1.0  # a quarter of a millimetre at 100 dots an inch


def drawn_texts(figure: Figure) -> Iterator[Text]:
    """Give what is written: in axes, as their titles, at their axes and ticks, in legends, and beside them."""
    yield from figure.texts
    for legend in figure.legends:
        yield from (legend.get_title(), *legend.get_texts())
    for axes in figure.axes:
        yield from axes.texts
        yield from (axes.title, axes._left_title, axes._right_title)  # type: ignore[attr-defined]
        for axis in (axes.xaxis, axes.yaxis):
            yield axis.label
            low, high = sorted(axis.get_view_interval())
            ticks = (tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)
            yield from (tick.label1 for tick in ticks if tick.label1.get_visible())


def text_box(text: Text) -> Bbox:
    """Give the box of a text alone, without the line that leads from an annotation to its point."""
    return Text.get_window_extent(text)


def covered(figure: Figure) -> list[tuple[str, str]]:
    """Give the pairs of texts that cover each other, by the boxes that the renderer draws them in."""
    figure.draw_without_rendering()
    texts = [text for text in drawn_texts(figure) if text.get_text().strip() and text.get_visible()]
    boxes = [(text.get_text(), text_box(text)) for text in texts]
    return [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > _TOUCHING_PX and min(a.y1, b.y1) - max(a.y0, b.y0) > _TOUCHING_PX
    ]
