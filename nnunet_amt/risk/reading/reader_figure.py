"""The readers' figure: sensitivity against 1 - specificity of each, without and with help, and the model's curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.evaluation.comparison.figures import model_style
from nnunet_amt.risk.evaluation.figures import finish_roc
from nnunet_amt.risk.reading.reader_analysis import ReaderAnalysis, Reads
from nnunet_amt.risk.reading.reader_question import ReaderQuestion
from nnunet_amt.statistics.roc import roc_points
from nnunet_amt.writing.figure_style import COLUMN_MM, GREY, PAGE_MM, SMALL_FONT_SIZE, new_figure, plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LEVELS = 3
_LINE_MM = 4.0
Point = tuple[float, float]
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class DrawnReader:
    """A reader in the figure: (1 - specificity, sensitivity) without and with help, and AUCs for the legend.

    `curves` are those of graded ratings in the two conditions, none of yes and no.
    """

    name: str
    level: str
    points: tuple[Point, Point]
    aucs: tuple[float, float]
    curves: tuple[Curve, ...] = ()


def reader_figure(result: ReaderAnalysis) -> Figure:
    """Draw the readers of a study, see `draw_readers`."""
    scores, high = result.model_scores, result.readings.high
    return draw_readers(
        [
            DrawnReader(
                one.name,
                one.level,
                (_point(one.first), _point(one.second)),
                (one.comparison.first.auc, one.comparison.second.auc),
                tuple(_curve(ratings, high) for ratings in result.readings.of([one.name]).ratings[:, 0])
                if result.graded
                else (),
            )
            for one in result.readers
        ],
        question=result.question,
        model=None if scores is None else _curve(scores, high),
        simulated=result.simulated,
    )


def draw_readers(
    readers: Sequence[DrawnReader],
    *,
    question: ReaderQuestion,
    model: Curve | None,
    simulated: bool,
    area: str = "AUC",
) -> Figure:
    """Draw a panel for each level, of all readers where there are many levels.

    An open mark is a reader without help, a filled one the same reader with it. Graded ratings also have their curves:
    broken without help, unbroken with it. The grey curve is the model's. `area` is what the legend calls the areas.
    """
    known = tuple(dict.fromkeys(one.level for one in readers))
    levels: tuple[str | None, ...] = known if len(known) <= _MOST_LEVELS else (None,)
    columns = len(levels)
    width = PAGE_MM if columns > 1 else COLUMN_MM
    lines = -(-len(readers) // columns) + 2
    without, helped = question.conditions
    with new_figure(width, width / columns + _LINE_MM * lines) as figure:
        for column, level in enumerate(levels):
            axes = figure.add_subplot(1, columns, column + 1)
            if model is not None:
                axes.plot(*model, color=GREY, linewidth=1.0)
            for place, one in enumerate(readers):
                if level in (None, one.level):
                    _draw(axes, place, one)
            finish_roc(axes, plain_text(level or "all readers"))
        title = f"{'simulated readers; ' if simulated else ''}open: {without}; filled: {helped}"
        title += "" if model is None else f"; grey: the model ({question.model})"
        figure.legend(
            handles=[_handle(place, one, area) for place, one in enumerate(readers)], title=title,
            loc="outside lower left", ncols=columns, frameon=False, alignment="left", fontsize=SMALL_FONT_SIZE,
            title_fontsize=SMALL_FONT_SIZE,
        )  # fmt: skip
    return figure


def _draw(axes: Axes, place: int, one: DrawnReader) -> None:
    style, (before, after) = model_style(place), one.points
    look: dict[str, Any] = {"color": style.colour, "markersize": 5.5, "markeredgewidth": 1.0, "clip_on": False}
    axes.plot(*zip(before, after, strict=True), color=style.colour, linewidth=0.6, alpha=0.8)
    axes.plot(*before, style.marker, markerfacecolor="white", zorder=4, **look)
    axes.plot(*after, style.marker, zorder=5, **look)
    for curve, line in zip(one.curves, ((0, (3, 2)), "-"), strict=False):
        axes.plot(*curve, color=style.colour, linewidth=0.6, linestyle=line)


def _curve(scores: NDArray[np.float64], high: NDArray[np.bool_]) -> Curve:
    curve = roc_points(scores, high)
    return curve.false_positive_rate, curve.sensitivity


def _point(reads: Reads) -> Point:
    sensitivity, specificity = reads.rates["sensitivity"].value, reads.rates["specificity"].value
    assert sensitivity is not None and specificity is not None  # both classes are there, or there was no AUC
    return 1 - specificity, sensitivity


def _handle(place: int, one: DrawnReader, area: str) -> object:
    from matplotlib.lines import Line2D

    style, (first, second) = model_style(place), one.aucs
    label = f"{plain_text(one.name)}: {area} {first:.2f} to {second:.2f}"
    return Line2D([], [], linestyle="", marker=style.marker, color=style.colour, markersize=5.0, label=label)
