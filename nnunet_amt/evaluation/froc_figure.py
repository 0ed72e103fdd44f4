"""froc.png: sensitivity against false positives per scan along the IoU thresholds, as the paper's Fig. 4."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.lesion import threshold_index
from nnunet_amt.evaluation.summary import GroupSummary, LesionSummary, MetricSummary
from nnunet_amt.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["froc_figure", "write_froc_figure"]

_CM_PER_INCH = 2.54
_WIDTH_CM, _HEIGHT_CM, _DPI = 12.0, 12.0, 300
_FONT_SIZE = 9.0
# Okabe and Ito's colours, which the common forms of colour blindness tell apart; the markers differ too.
_BLUE, _VERMILION = "#0072B2", "#D55E00"
_PALE_BLUE = "#CCE3F0"
_LABELLED_THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)
_LABEL_DISTANCE = 0.055  # of the axes' height, between two threshold labels
_MARKER_SIZE = 8.0


def write_froc_figure(path: Path, overall: GroupSummary) -> None:
    """Draw `froc_figure` to a PNG file of 12 cm width, for print."""
    with atomic_path(path) as partial:
        froc_figure(overall).savefig(partial, dpi=_DPI)


def froc_figure(overall: GroupSummary) -> Figure:
    """Draw the FROC curve of all cases with its intervals, and the published operating point.

    The band is the pointwise 95% interval of the sensitivity at each threshold; the lines through the two
    operating points are the intervals of both quantities. With the "unmatched" rule the curve is straight:
    each match lost at a stricter threshold is one false positive more.

    Parameters
    ----------
    overall
        All cases.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"font.size": _FONT_SIZE}):
        figure = Figure(figsize=(_WIDTH_CM / _CM_PER_INCH, _HEIGHT_CM / _CM_PER_INCH), layout="constrained")
        FigureCanvasAgg(figure)  # no display is needed
        axes = figure.add_subplot()
        _draw_curve(axes, overall)
        _draw_our_operating_point(axes, overall.lesion)
        _draw_published_operating_point(axes)
        _label_thresholds(axes, overall.lesion)
        _finish(figure, axes)
    return figure


def _draw_curve(axes: Axes, overall: GroupSummary) -> None:
    lesion = overall.lesion
    fp_per_scan, sensitivity = _values(lesion.fp_per_scan), _values(lesion.sensitivity)
    _draw_band(axes, lesion, fp_per_scan, sensitivity)
    first, *_, last = lesion.threshold
    counts = f"{_counted(overall.cases, 'case')}, {_counted(lesion.references, 'lesion')}"
    label = f"ours, IoU thresholds {first:g} to {last:g} ({counts})"
    axes.plot(fp_per_scan, sensitivity, "o-", color=_BLUE, markersize=3.5, linewidth=1.2, label=label)
    if not lesion.references:
        message = "no reference lesion: the sensitivity is undefined"
        axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color=_BLUE)


def _draw_band(axes: Axes, lesion: LesionSummary, fp_per_scan: np.ndarray, sensitivity: np.ndarray) -> None:
    if all(metric.ci95 is None for metric in lesion.sensitivity):
        return
    if np.ptp(fp_per_scan) > 0:
        label = "95% CI of the sensitivity"
        axes.fill_between(fp_per_scan, *_limits(lesion.sensitivity), color=_PALE_BLUE, linewidth=0, label=label)
    else:  # the curve is upright, as with the "no_overlap" rule: a band along it can only be sideways
        label = "95% CI of the false positives"
        axes.fill_betweenx(sensitivity, *_limits(lesion.fp_per_scan), color=_PALE_BLUE, linewidth=0, label=label)


def _draw_our_operating_point(axes: Axes, lesion: LesionSummary) -> None:
    threshold = paper.OPERATING_POINT.iou_threshold
    i = threshold_index(threshold)
    x, y = lesion.fp_per_scan[i], lesion.sensitivity[i]
    if x.mean is None or y.mean is None:
        return
    x_ci, y_ci = x.ci95 or (x.mean, x.mean), y.ci95 or (y.mean, y.mean)
    label = f"ours at IoU {threshold:g}" + (", with 95% CI" if y.ci95 else "")
    _draw_cross(axes, (x.mean, *x_ci), (y.mean, *y_ci), marker="s", color=_BLUE, label=label)


def _draw_published_operating_point(axes: Axes) -> None:
    row = paper.TABLE_4[0]
    x, y = row.fp_per_scan_05, row.sensitivity_05
    label = f"published at IoU {paper.OPERATING_POINT.iou_threshold:g}, with 95% CI ({row.cases} other cases)"
    x_and_ci, y_and_ci = (x.mean, x.ci_low, x.ci_high), (y.mean, y.ci_low, y.ci_high)
    _draw_cross(axes, x_and_ci, y_and_ci, marker="^", color=_VERMILION, label=label)


def _draw_cross(
    axes: Axes,
    x: tuple[float, float, float],
    y: tuple[float, float, float],
    marker: str,
    color: str,
    label: str,
) -> None:
    """Draw a point with the intervals of both its coordinates, each given as (value, low, high)."""
    axes.plot(x[1:], [y[0], y[0]], color=color, linewidth=1.2, zorder=4)
    axes.plot([x[0], x[0]], y[1:], color=color, linewidth=1.2, zorder=4)
    axes.plot(x[0], y[0], marker, color=color, markersize=_MARKER_SIZE, markeredgecolor="white", zorder=5, label=label)


def _label_thresholds(axes: Axes, lesion: LesionSummary) -> None:
    """Write thresholds beside their points, leaving out those that would stand on one another."""
    last_height = np.inf
    for threshold in _LABELLED_THRESHOLDS:
        i = threshold_index(threshold)
        x, y = lesion.fp_per_scan[i].mean, lesion.sensitivity[i].mean
        if x is None or y is None or abs(last_height - y) < _LABEL_DISTANCE:
            continue
        axes.annotate(f"{threshold:g}", (x, y), xytext=(7, 5), textcoords="offset points", color=_BLUE, zorder=6)
        last_height = y


def _finish(figure: Figure, axes: Axes) -> None:
    axes.set_xlabel("False positives per scan")
    axes.set_ylabel("Lesion sensitivity")
    axes.set_ylim(-0.02, 1.04)
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    right = axes.get_xlim()[1]
    axes.set_xlim(-0.02 * right, right)  # a little beyond 0, so that a point there is whole
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", frameon=False)


def _values(metrics: tuple[MetricSummary, ...]) -> np.ndarray:
    return np.array([np.nan if metric.mean is None else metric.mean for metric in metrics])


def _limits(metrics: tuple[MetricSummary, ...]) -> np.ndarray:
    """Lower and upper limits, (2, thresholds)."""
    return np.array([metric.ci95 or (np.nan, np.nan) for metric in metrics]).T


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
