"""The figures as PNG and SVG, with those of intervals here: the FROC curve, and institutions as a forest plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt import paper
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.evaluation.figures.case_figures import size_figure, volume_figure
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import (
    FEWEST_CASES,
    CaseMetricSummary,
    GroupSummary,
    LesionSummary,
    MetricSummary,
    summarise,
)
from nnunet_amt.writing.figure_labels import label_points
from nnunet_amt.writing.figure_style import (
    BLUE,
    COLUMN_MM,
    FONT_SIZE,
    GREY,
    MIDDLE_BLUE,
    ORANGE,
    PALE_BLUE,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
    plain_text,
    save_figures,
)
from nnunet_amt.writing.numbers import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES = ("froc", "dice_by_size", "volumes", "institutions")
FIGURE_FILES = tuple(f"{name}.{ending}" for name in _NAMES for ending in ("png", "svg"))
_MOST_INSTITUTIONS = 25
_ROW_MM, _FRAME_MM = 4.2, 28.0
_LONGEST_NAME = 28  # characters
_FROC_HEIGHT_MM = 100.0
_MARKER_SIZE = 6.0
# Points nearer than this, as a share of the axes' width and height, have one label for their thresholds.
_LABEL_DISTANCE = 0.07
_FLAT, _LABEL_WIDTH = 0.03, 0.16  # in the same units: points no farther up or down, and so near sideways, have one too


def write_figures(
    folder: Path,
    cases: Sequence[CaseEvaluation],
    overall: GroupSummary,
    *,
    settings: EvaluationSettings,
    institutions: Mapping[str, str] | None,
    clusters: Mapping[str, str] | None = None,
    published: bool = False,
    progress: Progress = silent,
) -> None:
    """Draw FROC, Dice against size, volumes, and, where the institutions of the cases are known, those.

    `clusters` are the patients or institutions of the cases where resamples draw them.
    `published` puts the paper's operating point into the FROC: for cases that are patients.
    """
    drawings: dict[str, Callable[[], Figure]] = {
        "froc": lambda: froc_figure(overall, published=published),
        "dice_by_size": lambda: size_figure(cases),
        "volumes": lambda: volume_figure(cases),
    }
    if institutions is not None:
        drawings["institutions"] = lambda: institution_figure(
            forest_rows(cases, institutions, overall, settings=settings, clusters=clusters),
            falsely_marked=_falsely_marked(cases),
        )
    save_figures(drawings, folder, progress=progress)


def froc_figure(overall: GroupSummary, *, published: bool = False) -> Figure:
    """Draw the FROC curve of all cases with its intervals, and, if asked, the published operating point.

    The band is the pointwise 95% interval of the sensitivity at each threshold; the lines through the two
    operating points are the intervals of both quantities. With the "unmatched" rule the curve is straight:
    each match lost at a stricter threshold is one false positive more.
    """
    with new_figure(COLUMN_MM, _FROC_HEIGHT_MM) as figure:
        axes = figure.add_subplot()
        _draw_curve(axes, overall)
        _draw_operating_point(axes, overall.lesion)
        if published:
            _draw_published(axes)
        axes.set_xlabel("False positives per scan")
        axes.set_ylabel("Lesion sensitivity")
        axes.set_ylim(-0.02, 1.04)
        axes.set_yticks(np.linspace(0.0, 1.0, 6))
        right = axes.get_xlim()[1]
        axes.set_xlim(-0.02 * right, right * 1.08)  # a little beyond 0, so that a point there is whole; room for labels
        plain_axes(axes)
        figure.legend(loc="outside upper left", frameon=False, fontsize=SMALL_FONT_SIZE)
        if overall.cases < FEWEST_CASES:
            text = f"only {counted(overall.cases, 'case')}"
            axes.set_title(text, loc="left", color=GREY, fontsize=SMALL_FONT_SIZE)
        _label_thresholds(axes, overall.lesion, published=published)
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


def _draw_operating_point(axes: Axes, lesion: LesionSummary) -> None:
    threshold = paper.OPERATING_POINT.iou_threshold
    i = threshold_index(threshold)
    x, y = lesion.fp_per_scan[i], lesion.sensitivity[i]
    if x.mean is not None and y.mean is not None:
        x_ci, y_ci = x.ci95 or (x.mean, x.mean), y.ci95 or (y.mean, y.mean)
        label = f"ours at IoU {threshold:g}" + (", with 95% CI" if y.ci95 else "")
        _draw_cross(axes, (x.mean, *x_ci), (y.mean, *y_ci), marker="s", color=BLUE, label=label)


def _draw_published(axes: Axes) -> None:
    row = paper.TABLE_4[0]
    theirs_x, theirs_y = (
        (value.mean, value.ci_low, value.ci_high) for value in (row.fp_per_scan_05, row.sensitivity_05)
    )
    label = f"published at IoU {paper.OPERATING_POINT.iou_threshold:g}, with 95% CI ({row.cases} other cases)"
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


def _label_thresholds(axes: Axes, lesion: LesionSummary, *, published: bool) -> None:
    """Write thresholds beside their points; points that (nearly) coincide share a label."""
    if not lesion.references:
        return
    x, y = _values(lesion.fp_per_scan), _values(lesion.sensitivity)
    labels = []
    for members in _runs(x / np.ptp(axes.get_xlim()), y / np.ptp(axes.get_ylim())):
        first, last = lesion.threshold[members[0]], lesion.threshold[members[-1]]
        text = f"{first:g}" if first == last else f"{first:g}–{last:g}"
        labels.append((text, (float(x[members].mean()), float(y[members].mean()))))
    theirs = (paper.OPERATING_POINT.fp_per_scan, paper.OPERATING_POINT.sensitivity)
    marks = [*([theirs] if published else []), *zip(x.tolist(), y.tolist(), strict=True)]
    lines = [np.asarray(line.get_xydata(), float) for line in axes.get_lines()]
    label_points(
        axes, labels, marks=marks, mark_pt=_MARKER_SIZE / 2, lines=lines, color=BLUE, fontsize=SMALL_FONT_SIZE, zorder=6
    )


def _runs(x: np.ndarray, y: np.ndarray) -> list[list[int]]:
    """Group neighbouring points that are all near the first of their group."""
    groups: list[list[int]] = []
    for i in range(len(x)):
        if groups:
            aside, apart = abs(x[i] - x[groups[-1][0]]), abs(y[i] - y[groups[-1][0]])
        if groups and (max(aside, apart) < _LABEL_DISTANCE or (apart < _FLAT and aside < _LABEL_WIDTH)):
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _values(metrics: Sequence[MetricSummary]) -> np.ndarray:
    return np.array([np.nan if metric.mean is None else metric.mean for metric in metrics])


def _limits(metrics: Sequence[MetricSummary]) -> np.ndarray:
    """Lower and upper limits, (2, thresholds)."""
    return np.array([metric.ci95 or (np.nan, np.nan) for metric in metrics]).T


@dataclass(frozen=True)
class ForestRow:
    """A line of the forest plot: an institution, ``"96 other institutions"`` or ``"All cases"``."""

    name: str
    dice: CaseMetricSummary
    values: tuple[float, ...]  # of the single cases, where defined


def forest_rows(
    cases: Sequence[CaseEvaluation],
    institutions: Mapping[str, str],
    overall: GroupSummary,
    *,
    settings: EvaluationSettings,
    clusters: Mapping[str, str] | None = None,
) -> tuple[ForestRow, ...]:
    """Give the rows of the plot: institutions with the most cases first, the rest in one, all cases last."""
    members: dict[str, list[CaseEvaluation]] = {}
    for case in cases:
        members.setdefault(institutions[case.case_id], []).append(case)
    names = sorted(members, key=lambda name: (-len(members[name]), name))
    shown = names if len(names) <= _MOST_INSTITUTIONS + 1 else names[:_MOST_INSTITUTIONS]
    cases_of = {name: members[name] for name in shown}
    rest = names[len(shown) :]
    if rest:
        cases_of[f"{len(rest)} other institutions"] = [case for name in rest for case in members[name]]
    rows = []
    for name, some in cases_of.items():
        summary = summarise(some, settings=settings, clusters=clusters)
        rows.append(ForestRow(name, summary.voxel["dice"], _dice_of(some)))
    return (*rows, ForestRow("All cases", overall.voxel["dice"], _dice_of(cases)))


def _falsely_marked(cases: Sequence[CaseEvaluation]) -> int:
    """Count the cases without a tumour whose Dice is 0, because something is predicted."""
    return sum(case.counts.size_mm is None and case.voxel.dice is not None for case in cases)


def institution_figure(rows: Sequence[ForestRow], *, falsely_marked: int = 0) -> Figure:
    """Draw mean and 95% interval of the Dice of each row, from top to bottom, its single cases behind them.

    The figure says how many cases without a tumour are at 0, because something is predicted (`falsely_marked`).
    """
    with new_figure(COLUMN_MM, _FRAME_MM + _ROW_MM * len(rows)) as figure:
        axes = figure.add_subplot()
        for position, row in enumerate(rows):
            _draw_row(axes, position, row, is_total=position == len(rows) - 1)
        _finish_forest(figure, axes, rows)
        if falsely_marked:
            note = f"{counted(falsely_marked, 'case')} at 0 without a tumour: something is predicted"
            figure.supxlabel(note, fontsize=SMALL_FONT_SIZE, color=GREY, x=0.99, ha="right")
    return figure


def _dice_of(cases: Sequence[CaseEvaluation]) -> tuple[float, ...]:
    return tuple(case.voxel.dice for case in cases if case.voxel.dice is not None)


def _draw_row(axes: Axes, position: int, row: ForestRow, is_total: bool) -> None:
    color = ORANGE if is_total else BLUE
    if not is_total:
        axes.plot(row.values, np.full(len(row.values), position), "o", color=MIDDLE_BLUE, markersize=2.8, zorder=1)
    if row.dice.mean is None:
        return
    if row.dice.ci95:
        axes.hlines(position, *row.dice.ci95, color=color, linewidth=1.4, zorder=2)
    axes.plot(row.dice.mean, position, "D" if is_total else "s", color=color, markersize=4, zorder=3)


def _finish_forest(figure: Figure, axes: Axes, rows: Sequence[ForestRow]) -> None:
    from matplotlib.lines import Line2D

    total = rows[-1].dice.mean
    if total is not None:
        axes.axvline(total, color=ORANGE, linewidth=0.6, linestyle=(0, (2, 2)), zorder=0)
    axes.axhline(len(rows) - 1.5, color=GREY, linewidth=0.6)
    names = [row.name if len(row.name) <= _LONGEST_NAME else f"{row.name[: _LONGEST_NAME - 1]}…" for row in rows]
    axes.set_yticks(
        range(len(rows)), [f"{plain_text(name)}  {row.dice.n}" for name, row in zip(names, rows, strict=True)]
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("Dice score")
    plain_axes(axes)
    axes.tick_params(axis="y", length=0, labelsize=SMALL_FONT_SIZE)
    # no title: the layout leaves no room for one that is wider than the names
    head = axes.text(-0.02, 1.01, "institution  cases", ha="right", va="bottom", fontsize=SMALL_FONT_SIZE)
    head.set_transform(axes.transAxes)
    intervals = any(row.dice.ci95 for row in rows)
    mean = "mean" + (", with 95% CI where there are enough cases" if intervals else "")
    handles = [
        Line2D([], [], color=BLUE, marker="s", markersize=4, linewidth=1.4 if intervals else 0, label=mean),
        Line2D([], [], color=MIDDLE_BLUE, marker="o", markersize=2.8, linewidth=0, label="single case"),
    ]
    figure.legend(handles=handles, loc="outside upper left", frameon=False, fontsize=SMALL_FONT_SIZE)
    axes.xaxis.label.set_fontsize(FONT_SIZE)
