"""comparison_froc.png and .svg: the FROC curves of all models in one plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.comparison.comparison import Comparison, ModelResult
from nnunet_amt.evaluation.comparison.measures import Estimate
from nnunet_amt.evaluation.comparison.model_styles import model_style
from nnunet_amt.evaluation.measure.lesion import THRESHOLDS
from nnunet_amt.writing.figure_style import (
    COLUMN_MM,
    GREY,
    ORANGE,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
    plain_text,
)
from nnunet_amt.writing.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LARGEST_POINT, _SMALLEST_POINT = 7.5, 4.5
_PLOT_MM, _LEGEND_LINE_MM = 78.0, 3.8
_IOU = paper.OPERATING_POINT.iou_threshold


def froc_overlay(comparison: Comparison) -> Figure:
    """Draw sensitivity against false positives per scan along the IoU thresholds, a curve a model.

    The point at IoU 0.5 is large, with the interval of both its coordinates where they have one. With the "unmatched"
    rule all curves are parallel: each match lost at a stricter threshold is one false positive more.
    """
    lines = len(comparison.results) + 1 + comparison.settings.published
    with new_figure(COLUMN_MM, _PLOT_MM + _LEGEND_LINE_MM * lines) as figure:
        axes = figure.add_subplot()
        for place, result in enumerate(comparison.results):
            _draw_model(axes, result, place)
        if comparison.settings.published:
            _draw_published(axes)
        _finish(figure, axes, comparison)
    return figure


def _draw_model(axes: Axes, result: ModelResult, place: int) -> None:
    style = model_style(place)
    x = _values([result.value("fp_per_scan", t) for t in THRESHOLDS])
    y = _values([result.value("sensitivity", t) for t in THRESHOLDS])
    at_point = result.value("fp_per_scan", _IOU), result.value("sensitivity", _IOU)
    look: dict[str, Any] = {"color": style.colour, "linewidth": 1.0}
    axes.plot(x, y, style.marker, **look, linestyle=style.line, markersize=2.2)
    _draw_cross(axes, at_point[0], at_point[1], style.colour)
    point = _values(at_point)
    size = max(_SMALLEST_POINT, _LARGEST_POINT - place)  # of points that coincide each leaves a rim of the one below
    axes.plot(point[:1], point[1:], style.marker, **look, markersize=size, markeredgecolor="white", zorder=5 + place)
    # the legend shows the curve's line with the marker of the point
    axes.plot([], [], style.marker, **look, linestyle=style.line, markersize=5.0, label=plain_text(result.name))


def _draw_cross(axes: Axes, x: Estimate, y: Estimate, colour: str) -> None:
    if x.value is None or y.value is None:
        return
    if x.ci95 is not None:
        axes.plot(x.ci95, [y.value] * 2, color=colour, linewidth=0.7, alpha=0.8, zorder=3)
    if y.ci95 is not None:
        axes.plot([x.value] * 2, y.ci95, color=colour, linewidth=0.7, alpha=0.8, zorder=3)


def _draw_published(axes: Axes) -> None:
    row = paper.TABLE_4[0]
    x, y = row.fp_per_scan_05, row.sensitivity_05
    axes.plot([x.ci_low, x.ci_high], [y.mean] * 2, color=ORANGE, linewidth=0.7)
    axes.plot([x.mean] * 2, [y.ci_low, y.ci_high], color=ORANGE, linewidth=0.7)
    label = f"published at IoU {_IOU:g} ({row.cases} other cases)"
    axes.plot(x.mean, y.mean, "*", color=ORANGE, markersize=7.0, label=label, zorder=20)


def _finish(figure: Figure, axes: Axes, comparison: Comparison) -> None:
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
