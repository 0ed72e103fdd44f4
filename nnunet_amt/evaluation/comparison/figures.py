"""comparison_froc and comparison_dice, .png and .svg: all FROC curves in one plot, and the Dice of every case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.comparison.comparison import Comparison, ModelComparison, ModelResult
from nnunet_amt.evaluation.comparison.measures import Estimate, Verdict
from nnunet_amt.evaluation.measure.lesions import THRESHOLDS
from nnunet_amt.writing.figure_style import (
    BLUE,
    COLUMN_MM,
    GREY,
    ORANGE,
    PAGE_MM,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
    plain_text,
    save_figure,
)
from nnunet_amt.writing.numbers import counted
from nnunet_amt.writing.table import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURES = ("comparison_froc", "comparison_dice")
# Okabe and Ito's, without the vermilion that stands for the published results and the yellow that white swallows.
_COLOURS = (BLUE, "#009E73", "#CC79A7", "#E69F00", "#000000", "#56B4E9")
_LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LARGEST_POINT, _SMALLEST_POINT = 7.5, 4.5
_PLOT_MM, _LEGEND_LINE_MM = 78.0, 3.8
_IOU = paper.OPERATING_POINT.iou_threshold
_PANELS_IN_ROW = 3
_LONGEST_NAMES = {1: 30, 2: 26, 3: 18}  # that fit along a panel, by the panels in a row
_DICE_LEGEND_MM = 8.0
_VERDICT_STYLES: dict[Verdict, dict[str, Any]] = {
    "win": {"marker": "^", "color": "#009E73", "label": "other better"},
    "tie": {"marker": "o", "color": GREY, "markerfacecolor": "white", "label": "tie"},
    "loss": {"marker": "v", "color": BLUE, "label": "first better"},
}


@dataclass(frozen=True)
class ModelStyle:
    """How a model is told apart in figures: by colour, line and marker at once."""

    colour: str
    line: Any
    marker: str


def model_style(place: int) -> ModelStyle:
    """Give the style of a model by its place, the first being 0; each of the first 84 differs from all others."""
    return ModelStyle(_COLOURS[place % len(_COLOURS)], _LINES[place % len(_LINES)], _MARKERS[place % len(_MARKERS)])


def write_figures(folder: Path, comparison: Comparison) -> tuple[Picture, Picture]:
    """Draw both figures to a folder, as PNG and SVG."""
    figures = froc_overlay(comparison), dice_figure(comparison)
    for name, figure in zip(FIGURES, figures, strict=True):
        save_figure(figure, folder, name)
    froc, dice = (folder / f"{name}.png" for name in FIGURES)
    names = ", ".join(result.name for result in comparison.results)
    return (
        Picture(froc, f"Sensitivity against false positives per scan along the IoU thresholds: {names}"),
        Picture(
            dice,
            f"Dice of every case, each other model over {comparison.first.name}",
            wide=len(comparison.others) > 1,
        ),
    )


def froc_overlay(comparison: Comparison) -> Figure:
    """Draw sensitivity against false positives per scan along the IoU thresholds, a curve a model.

    The point at IoU 0.5 is large, with the interval of both its coordinates where they have one. With the "unmatched"
    rule all curves are parallel: each match lost at a stricter threshold is one false positive more.
    """
    lines = len(comparison.results) + 1 + comparison.settings.published  # of the legend
    with new_figure(COLUMN_MM, _PLOT_MM + _LEGEND_LINE_MM * lines) as figure:
        axes = figure.add_subplot()
        for place, result in enumerate(comparison.results):
            _draw_model(axes, result, place)
        if comparison.settings.published:
            _draw_published(axes)
        _finish_froc(figure, axes, comparison)
    return figure


def dice_figure(comparison: Comparison) -> Figure:
    """Draw a panel for each other model: its Dice over that of the first, a mark a case.

    Cases above the diagonal are better with the other model. Those without a Dice by both are left out, and
    counted.
    """
    panels = len(comparison.others)
    columns = min(panels, _PANELS_IN_ROW)
    rows = -(-panels // columns)
    width = COLUMN_MM if columns == 1 else PAGE_MM
    with new_figure(width, _DICE_LEGEND_MM + rows * width / columns) as figure:
        for place, other in enumerate(comparison.others):
            axes = figure.add_subplot(rows, columns, place + 1)
            _draw_cases(axes, other, comparison.settings.tie_margin)
            longest = _LONGEST_NAMES[columns]
            axes.set_ylabel(f"Dice, {_short(other.name, longest)}")
            axes.set_xlabel(f"Dice, {_short(comparison.first.name, longest)} (first)")
        _add_verdicts_legend(figure, comparison.settings.tie_margin)
    return figure


def _draw_model(axes: Axes, result: ModelResult, place: int) -> None:
    style = model_style(place)
    x = _values([result.value("fp_per_scan", t) for t in THRESHOLDS])
    y = _values([result.value("sensitivity", t) for t in THRESHOLDS])
    rate, sensitivity = at_point = result.value("fp_per_scan", _IOU), result.value("sensitivity", _IOU)
    look: dict[str, Any] = {"color": style.colour, "linewidth": 1.0}
    axes.plot(x, y, style.marker, **look, linestyle=style.line, markersize=2.2)
    if rate.value is not None and sensitivity.value is not None:
        cross: dict[str, Any] = {"color": style.colour, "linewidth": 0.7, "alpha": 0.8, "zorder": 3}
        if rate.ci95 is not None:
            axes.plot(rate.ci95, [sensitivity.value] * 2, **cross)
        if sensitivity.ci95 is not None:
            axes.plot([rate.value] * 2, sensitivity.ci95, **cross)
    point = _values(at_point)
    size = max(_SMALLEST_POINT, _LARGEST_POINT - place)  # of points that coincide each leaves a rim of the one below
    axes.plot(point[:1], point[1:], style.marker, **look, markersize=size, markeredgecolor="white", zorder=5 + place)
    # the legend shows the curve's line with the marker of the point
    axes.plot([], [], style.marker, **look, linestyle=style.line, markersize=5.0, label=plain_text(result.name))


def _draw_published(axes: Axes) -> None:
    row = paper.TABLE_4[0]
    x, y = row.fp_per_scan_05, row.sensitivity_05
    axes.plot([x.ci_low, x.ci_high], [y.mean] * 2, color=ORANGE, linewidth=0.7)
    axes.plot([x.mean] * 2, [y.ci_low, y.ci_high], color=ORANGE, linewidth=0.7)
    label = f"published at IoU {_IOU:g} ({row.cases} other cases)"
    axes.plot(x.mean, y.mean, "*", color=ORANGE, markersize=7.0, label=label, zorder=20)


def _finish_froc(figure: Figure, axes: Axes, comparison: Comparison) -> None:
    axes.set_xlabel("False positives per scan")
    axes.set_ylabel("Lesion sensitivity")
    axes.set_ylim(-0.02, 1.04)
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    right = max(axes.get_xlim()[1], 0.1)
    axes.set_xlim(-0.02 * right, right * 1.04)
    plain_axes(axes)
    counts = f"{counted(comparison.cases, 'case')}, {counted(comparison.lesions, 'lesion')}"
    crossed = any(result.value("fp_per_scan", _IOU).ci95 for result in comparison.results)
    what = f"large: IoU {_IOU:g}{' (95% CI)' if crossed else ' (no CI)'}"
    title = f"{counts}; IoU {THRESHOLDS[0]:g} to {THRESHOLDS[-1]:g}; {what}"
    small = {"fontsize": SMALL_FONT_SIZE, "title_fontsize": SMALL_FONT_SIZE}
    figure.legend(loc="outside upper left", frameon=False, title=title, alignment="left", handlelength=3.5, **small)
    if not comparison.lesions:
        message = "no reference lesion:\nthe sensitivity is undefined"
        axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _values(estimates: Sequence[Estimate]) -> np.ndarray:
    return np.array([np.nan if estimate.value is None else estimate.value for estimate in estimates])


def _draw_cases(axes: Axes, other: ModelComparison, margin: float) -> None:
    axes.fill_between([0, 1], [-margin, 1 - margin], [margin, 1 + margin], color="#E6E6E6", linewidth=0)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6)
    shown = [case for case in other.verdicts if case.dice_first is not None and case.dice_other is not None]
    look: dict[str, Any] = {"linestyle": "", "markersize": 3.5, "markeredgewidth": 0.7, "alpha": 0.8, "clip_on": False}
    for verdict, style in _VERDICT_STYLES.items():
        members = [case for case in shown if case.verdict == verdict]
        if members:  # an empty line that is not clipped would spoil the layout
            x, y = np.array([(case.dice_first, case.dice_other) for case in members]).T
            axes.plot(x, y, **look, **(style | {"label": None}))
    tally = other.tally
    title = f"better {tally['win']}, tie {tally['tie']}, worse {tally['loss']}"
    axes.set_title(title, fontsize=SMALL_FONT_SIZE, loc="left")
    if left_out := len(other.verdicts) - len(shown):
        axes.text(0.98, 0.03, f"{left_out} without Dice", ha="right", fontsize=SMALL_FONT_SIZE, color=GREY)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set_aspect("equal")
    plain_axes(axes)


def _add_verdicts_legend(figure: Figure, margin: float) -> None:
    from matplotlib.lines import Line2D

    labels = {"tie": f"tie (within {margin:g})" if margin else "tie"}
    handles = [
        Line2D([], [], linestyle="", markersize=4.0, **(style | {"label": labels.get(verdict, style["label"])}))
        for verdict, style in _VERDICT_STYLES.items()
    ]
    look = {"frameon": False, "fontsize": SMALL_FONT_SIZE, "columnspacing": 1.0, "handletextpad": 0.3}
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), **look)


def _short(name: str, longest: int) -> str:
    """Cut a name that would not fit along an axis."""
    return plain_text(name if len(name) <= longest else f"{name[: longest - 1]}…")
