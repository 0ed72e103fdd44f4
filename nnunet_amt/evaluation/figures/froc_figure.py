"""froc.png and .svg: sensitivity against false positives per scan along the IoU thresholds, as the paper's Fig. 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES, GroupSummary, LesionSummary, MetricSummary
from nnunet_amt.writing.figure_style import (
    BLUE,
    COLUMN_MM,
    GREY,
    ORANGE,
    PALE_BLUE,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
)
from nnunet_amt.writing.numbers import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT_MM = 100.0
_MARKER_SIZE = 6.0
# Points nearer than this, as a share of the axes' width and height, have one label for their thresholds.
_LABEL_DISTANCE = 0.07
_PUBLISHED_DISTANCE = 0.2  # in the same units: a label nearer to the published point goes to the other side


def froc_figure(overall: GroupSummary) -> Figure:
    """Draw the FROC curve of all cases with its intervals, and the published operating point.

    The band is the pointwise 95% interval of the sensitivity at each threshold; the lines through the two
    operating points are the intervals of both quantities. With the "unmatched" rule the curve is straight:
    each match lost at a stricter threshold is one false positive more.
    """
    with new_figure(COLUMN_MM, _HEIGHT_MM) as figure:
        axes = figure.add_subplot()
        _draw_curve(axes, overall)
        _draw_operating_points(axes, overall.lesion)
        axes.set_xlabel("False positives per scan")
        axes.set_ylabel("Lesion sensitivity")
        axes.set_ylim(-0.02, 1.04)
        axes.set_yticks(np.linspace(0.0, 1.0, 6))
        right = axes.get_xlim()[1]
        axes.set_xlim(-0.02 * right, right * 1.08)  # a little beyond 0, so that a point there is whole; room for labels
        plain_axes(axes)
        figure.legend(loc="outside upper left", frameon=False, fontsize=SMALL_FONT_SIZE)
        _label_thresholds(axes, overall.lesion)
        if overall.cases < FEWEST_CASES:
            given = any(metric.ci95 is not None for metric in overall.lesion.fp_per_scan)
            text = f"only {counted(overall.cases, 'case')}: {'intervals are too narrow' if given else 'no intervals'}"
            axes.set_title(text, loc="left", color=GREY, fontsize=SMALL_FONT_SIZE)
    return figure


def _draw_curve(axes: Axes, overall: GroupSummary) -> None:
    lesion = overall.lesion
    fp_per_scan, sensitivity = _values(lesion.fp_per_scan), _values(lesion.sensitivity)
    _draw_band(axes, lesion, fp_per_scan, sensitivity)
    first, *_, last = lesion.threshold
    counts = f"{counted(overall.cases, 'case')}, {counted(lesion.references, 'lesion')}"
    label = f"ours, IoU thresholds {first:g} to {last:g} ({counts})"
    if overall.triage is not None:
        triage = overall.triage
        label += f"\nafter triage: {triage.accepted} of {counted(triage.candidates, 'candidate')} not counted as false"
    axes.plot(fp_per_scan, sensitivity, "o-", color=BLUE, markersize=2.5, linewidth=1.0, label=label)
    if not lesion.references:
        message = "no reference lesion:\nthe sensitivity is undefined"
        axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color=BLUE)


def _draw_band(axes: Axes, lesion: LesionSummary, fp_per_scan: np.ndarray, sensitivity: np.ndarray) -> None:
    if all(metric.ci95 is None for metric in lesion.sensitivity):
        return
    if np.ptp(fp_per_scan) > 0:
        label = "95% CI of the sensitivity"
        axes.fill_between(fp_per_scan, *_limits(lesion.sensitivity), color=PALE_BLUE, linewidth=0, label=label)
    else:  # upright, as with the "no_overlap" rule: a band along it can only be sideways
        label = "95% CI of the false positives"
        axes.fill_betweenx(sensitivity, *_limits(lesion.fp_per_scan), color=PALE_BLUE, linewidth=0, label=label)


def _draw_operating_points(axes: Axes, lesion: LesionSummary) -> None:
    threshold = paper.OPERATING_POINT.iou_threshold
    i = threshold_index(threshold)
    x, y = lesion.fp_per_scan[i], lesion.sensitivity[i]
    if x.mean is not None and y.mean is not None:
        x_ci, y_ci = x.ci95 or (x.mean, x.mean), y.ci95 or (y.mean, y.mean)
        label = f"ours at IoU {threshold:g}" + (", with 95% CI" if y.ci95 else "")
        _draw_cross(axes, (x.mean, *x_ci), (y.mean, *y_ci), marker="s", color=BLUE, label=label)
    row = paper.TABLE_4[0]
    theirs_x, theirs_y = (
        (value.mean, value.ci_low, value.ci_high) for value in (row.fp_per_scan_05, row.sensitivity_05)
    )
    label = f"published at IoU {threshold:g}, with 95% CI ({row.cases} other cases)"
    _draw_cross(axes, theirs_x, theirs_y, marker="^", color=ORANGE, label=label)


def _draw_cross(
    axes: Axes,
    x: tuple[float, float, float],
    y: tuple[float, float, float],
    marker: str,
    color: str,
    label: str,
) -> None:
    """Draw a point with the intervals of both its coordinates, each given as (value, low, high)."""
    axes.plot(x[1:], [y[0], y[0]], color=color, linewidth=1.0, zorder=4)
    axes.plot([x[0], x[0]], y[1:], color=color, linewidth=1.0, zorder=4)
    axes.plot(x[0], y[0], marker, color=color, markersize=_MARKER_SIZE, markeredgecolor="white", zorder=5, label=label)


def _label_thresholds(axes: Axes, lesion: LesionSummary) -> None:
    """Write thresholds beside their points; points that (nearly) coincide share a label."""
    if not lesion.references:
        return
    x, y = _values(lesion.fp_per_scan), _values(lesion.sensitivity)
    width, height = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
    published = np.array([paper.OPERATING_POINT.fp_per_scan / width, paper.OPERATING_POINT.sensitivity / height])
    for members in _runs(x / width, y / height):
        first, last = lesion.threshold[members[0]], lesion.threshold[members[-1]]
        text = f"{first:g}" if first == last else f"{first:g}–{last:g}"
        where = (float(x[members].mean()), float(y[members].mean()))
        to_published = published - np.array(where) / (width, height)
        # the curve falls to the right: there is room above it, or below it where the published point stands above
        near = np.abs(to_published).max() < _PUBLISHED_DISTANCE
        below = near and to_published[0] >= 0 and where[0] / width > _PUBLISHED_DISTANCE
        label = axes.annotate(text, where, xytext=(-5, -4) if below else (5, 4), textcoords="offset points", zorder=6)
        label.set(color=BLUE, fontsize=SMALL_FONT_SIZE)
        label.set(ha="right" if below else "left", va="top" if below else "baseline")


def _runs(x: np.ndarray, y: np.ndarray) -> list[list[int]]:
    """Group neighbouring points that are all near the first of their group."""
    groups: list[list[int]] = []
    for i in range(len(x)):
        near = groups and max(abs(x[i] - x[groups[-1][0]]), abs(y[i] - y[groups[-1][0]])) < _LABEL_DISTANCE
        if near:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _values(metrics: Sequence[MetricSummary]) -> np.ndarray:
    return np.array([np.nan if metric.mean is None else metric.mean for metric in metrics])


def _limits(metrics: Sequence[MetricSummary]) -> np.ndarray:
    """Lower and upper limits, (2, thresholds)."""
    return np.array([metric.ci95 or (np.nan, np.nan) for metric in metrics]).T
