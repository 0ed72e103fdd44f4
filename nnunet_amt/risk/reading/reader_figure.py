"""The readers' figure: sensitivity against 1 - specificity of each, without and with AI, and the model's curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnunet_amt.evaluation.comparison.figures import model_style
from nnunet_amt.risk.evaluation.figures import finish_roc
from nnunet_amt.risk.reading.reader_analysis import OneReader, ReaderAnalysis, Reads
from nnunet_amt.risk.reading.reader_file import WITH, WITHOUT
from nnunet_amt.statistics.roc import roc_points
from nnunet_amt.writing.figure_style import COLUMN_MM, GREY, PAGE_MM, SMALL_FONT_SIZE, new_figure, plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LEVELS = 3
_LINE_MM = 4.0


def reader_figure(result: ReaderAnalysis) -> Figure:
    """Draw a panel for each level, of all readers where there are many levels.

    An open mark is a reader without AI, a filled one the same reader with it. Graded ratings also have their curves:
    broken without AI, unbroken with it. The grey curve is the model's.
    """
    levels: tuple[str | None, ...] = result.levels if len(result.levels) <= _MOST_LEVELS else (None,)
    panels = {
        level: [(place, one) for place, one in enumerate(result.readers) if level in (None, one.level)]
        for level in levels
    }
    columns = len(levels)
    width = PAGE_MM if columns > 1 else COLUMN_MM
    lines = -(-len(result.readers) // columns) + 2
    with new_figure(width, width / columns + _LINE_MM * lines) as figure:
        for column, (level, readers) in enumerate(panels.items()):
            axes = figure.add_subplot(1, columns, column + 1)
            if result.model_scores is not None:
                curve = roc_points(result.model_scores, result.readings.high)
                axes.plot(curve.false_positive_rate, curve.sensitivity, color=GREY, linewidth=1.0)
            for place, one in readers:
                _draw(axes, result, place, one)
            finish_roc(axes, plain_text(level or "all readers"))
        title = f"open: {WITHOUT}; filled: {WITH}" + ("; grey: the model" if result.model_scores is not None else "")
        figure.legend(
            handles=[_handle(place, one) for place, one in enumerate(result.readers)], title=title,
            loc="outside lower left", ncols=columns, frameon=False, alignment="left", fontsize=SMALL_FONT_SIZE,
            title_fontsize=SMALL_FONT_SIZE,
        )  # fmt: skip
    return figure


def _draw(axes: Axes, result: ReaderAnalysis, place: int, one: OneReader) -> None:
    style, (before, after) = model_style(place), (_point(one.first), _point(one.second))
    look: dict[str, Any] = {"color": style.colour, "markersize": 5.5, "markeredgewidth": 1.0, "clip_on": False}
    axes.plot(*zip(before, after, strict=True), color=style.colour, linewidth=0.6, alpha=0.8)
    axes.plot(*before, style.marker, markerfacecolor="white", zorder=4, **look)
    axes.plot(*after, style.marker, zorder=5, **look)
    if result.graded:
        ratings = result.readings.of([one.name]).ratings[:, 0]  # (conditions, cases)
        for of_condition, line in zip(ratings, ((0, (3, 2)), "-"), strict=True):
            curve = roc_points(of_condition, result.readings.high)
            axes.plot(curve.false_positive_rate, curve.sensitivity, color=style.colour, linewidth=0.6, linestyle=line)


def _point(reads: Reads) -> tuple[float, float]:
    sensitivity, specificity = reads.rates["sensitivity"].value, reads.rates["specificity"].value
    assert sensitivity is not None and specificity is not None  # both classes are there, or there was no AUC
    return 1 - specificity, sensitivity


def _handle(place: int, one: OneReader) -> object:
    from matplotlib.lines import Line2D

    style, first, second = model_style(place), one.first.estimate.auc, one.second.estimate.auc
    label = f"{plain_text(one.name)}: AUC {first:.2f} to {second:.2f}"
    return Line2D([], [], linestyle="", marker=style.marker, color=style.colour, markersize=5.0, label=label)
