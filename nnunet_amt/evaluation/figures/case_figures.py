"""Figures of a point a case: Dice against tumour size, predicted against reference volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.summary.subgroups import tumour_size
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.writing.figure_labels import labels_at_the_end
from nnunet_amt.writing.figure_style import (
    BLUE,
    COLUMN_MM,
    GREY,
    ORANGE,
    PAGE_MM,
    SMALL_FONT_SIZE,
    log_ticks,
    new_figure,
    plain_axes,
)
from nnunet_amt.writing.numbers import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE_HEIGHT_MM, _VOLUME_HEIGHT_MM = 80.0, 78.0
_MM_PER_CM = 10.0
_POINT: dict[str, Any] = {"markersize": 3.5, "alpha": 0.75, "markeredgewidth": 0}
_MISSED: dict[str, Any] = {"markersize": 5.0, "alpha": 1.0, "zorder": 5}  # above the median that they may make
_CLASSES = ("small", "medium", "large")
_MM3_PER_CM3 = 1000.0
_Z = 1.96  # of Bland and Altman's limits
Label = tuple[str, float]  # a text, and the height at which it stands


def size_figure(cases: Sequence[CaseEvaluation]) -> Figure:
    """Draw Dice against the largest in-plane diameter, with the median of each of the paper's size classes.

    Cases without a reference lesion have no size and are left out, which the figure says.
    """
    sized = [case for case in cases if case.counts.size_mm is not None]
    with new_figure(COLUMN_MM, _SIZE_HEIGHT_MM) as figure:
        axes = figure.add_subplot()
        diameters = np.array([(case.counts.size_mm or 0.0) / _MM_PER_CM for case in sized])
        right = max(1.06 * float(diameters.max(initial=0.0)), 1.25 * paper.SIZE_LIMITS_CM[1])
        _draw_cases(axes, diameters, np.array([case.voxel.dice for case in sized], dtype=float))
        _draw_classes(axes, sized, right)
        axes.set_xlabel("Largest in-plane diameter of the reference (cm)")
        axes.set_ylabel("Dice score")
        axes.set_xlim(0.0, right)
        axes.set_ylim(-0.02, 1.02)
        axes.set_yticks(np.linspace(0.0, 1.0, 6))
        plain_axes(axes)
        if len(sized) < len(cases):
            note = f"{counted(len(cases) - len(sized), 'case')} without a tumour not shown"
            figure.supxlabel(note, fontsize=SMALL_FONT_SIZE, color=GREY, x=0.99, ha="right")
        figure.legend(loc="outside upper left", frameon=False, fontsize=SMALL_FONT_SIZE, ncols=2, columnspacing=1.0)
    return figure


def _draw_cases(axes: Axes, diameters_cm: np.ndarray, dice: np.ndarray) -> None:
    missed = dice == 0
    axes.plot(diameters_cm[~missed], dice[~missed], "o", color=BLUE, label="case", **_POINT)
    if missed.any():
        label = f"{counted(int(missed.sum()), 'case')} without any overlap"
        axes.plot(
            diameters_cm[missed], dice[missed], "^", color=ORANGE, label=label, clip_on=False, **(_POINT | _MISSED)
        )


def _draw_classes(axes: Axes, sized: Sequence[CaseEvaluation], right: float) -> None:
    edges = (0.0, *paper.SIZE_LIMITS_CM, right)
    for limit in paper.SIZE_LIMITS_CM:
        axes.axvline(limit, color=GREY, linewidth=0.6, linestyle=(0, (2, 2)))
    label = "median of the size class"
    for name, low, high in zip(_CLASSES, edges, edges[1:], strict=False):
        dice = [case.voxel.dice for case in sized if tumour_size(case) == name and case.voxel.dice is not None]
        axes.text(
            (low + high) / 2, 1.03, f"{name}\nn = {len(dice)}", ha="center", va="bottom", fontsize=SMALL_FONT_SIZE
        )
        if dice:
            axes.hlines(float(np.median(dice)), low, high, color="black", linewidth=1.2, label=label)
            label = ""  # once in the legend


@dataclass(frozen=True)
class Agreement:
    """Mean of n differences and the limits that hold 95% of them if they are normally distributed."""

    n: int
    bias: float
    low: float | None  # bias minus and plus 1.96 SD (ddof 1); None for fewer than two
    high: float | None


def agreement(differences: np.ndarray) -> Agreement:
    """Compute bias and limits of agreement (Bland and Altman, Lancet 1986) of one or more differences."""
    bias, n = float(differences.mean()), len(differences)
    if n < 2:
        return Agreement(n, bias, None, None)
    half = _Z * float(differences.std(ddof=1))
    return Agreement(n, bias, bias - half, bias + half)


def case_volumes_cm3(cases: Sequence[CaseEvaluation]) -> tuple[np.ndarray, np.ndarray]:
    """Give the predicted and the reference volume of each case, all lesions together, in cm3."""
    voxel_cm3 = np.array([case.counts.voxel_volume_mm3 for case in cases]) / _MM3_PER_CM3
    predicted = np.array([case.counts.tp + case.counts.fp for case in cases])
    reference = np.array([case.counts.tp + case.counts.fn for case in cases])
    return predicted * voxel_cm3, reference * voxel_cm3


def volume_figure(cases: Sequence[CaseEvaluation]) -> Figure:
    """Draw the difference of the volumes in cm3, and their ratio, against their mean.

    Errors grow with the tumour, so that limits in cm3 are too wide for small tumours and too narrow for large ones:
    the ratio, with limits computed on its logarithm, holds for all. It exists only where both volumes do. Cases with
    neither tumour nor prediction are left out.
    """
    predicted, reference = case_volumes_cm3(cases)
    mean, difference = (predicted + reference) / 2, predicted - reference
    some, both = mean > 0, (predicted > 0) & (reference > 0)
    with new_figure(PAGE_MM, _VOLUME_HEIGHT_MM) as figure:
        left, right = figure.subplots(1, 2)
        of_differences = _draw_differences(left, mean, difference, some, both)
        of_ratios = _draw_ratios(right, mean[both], predicted[both] / reference[both])
        for axes, shown, what in ((left, some, "any volume"), (right, both, "both volumes")):
            axes.set_xlabel("Mean of both volumes (cm³)")
            axes.set_title(_counts(shown, what), fontsize=SMALL_FONT_SIZE, loc="left")
            plain_axes(axes)
        figure.legend(loc="outside upper left", frameon=False, fontsize=SMALL_FONT_SIZE, ncols=4)
        for axes, labels in ((left, of_differences), (right, of_ratios)):
            labels_at_the_end(axes, labels, fontsize=SMALL_FONT_SIZE)
    return figure


def _draw_differences(
    axes: Axes, mean: np.ndarray, difference: np.ndarray, some: np.ndarray, both: np.ndarray
) -> list[Label]:
    axes.plot(mean[both], difference[both], "o", color=BLUE, label="case", **_POINT)
    lone = some & ~both
    if lone.any():
        axes.plot(mean[lone], difference[lone], "^", color=ORANGE, label="case with one volume of 0", **_POINT)
    labels: list[Label] = []
    if some.any():
        _set_volume_axis(axes)
        found = agreement(difference[some])
        low, high = _nan(found.low), _nan(found.high)
        texts = (f"{found.bias:+.1f}", f"{low:+.1f}", f"{high:+.1f}")
        labels = _draw_limits(axes, (found.bias, low, high), texts, "mean difference or ratio")
    axes.axhline(0.0, color=GREY, linewidth=0.6, zorder=0)
    axes.set_ylabel("Predicted − reference volume (cm³)")
    return labels


def _draw_ratios(axes: Axes, mean: np.ndarray, ratio: np.ndarray) -> list[Label]:
    labels: list[Label] = []
    axes.plot(mean, ratio, "o", color=BLUE, **_POINT)
    if len(ratio):
        _set_volume_axis(axes)
        found = agreement(np.log(ratio))
        values = tuple(float(np.exp(_nan(value))) for value in (found.bias, found.low, found.high))
        labels = _draw_limits(axes, values, tuple(f"{value:.2f}" for value in values))
    axes.axhline(1.0, color=GREY, linewidth=0.6, zorder=0)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.5), max(high, 2.0))
    log_ticks(axes.yaxis)
    axes.set_ylabel("Predicted / reference volume")
    return labels


def _set_volume_axis(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, over a power of ten at least."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    margin = max(1.0, (10.0 * low / high) ** 0.5)
    axes.set_xlim(low / margin, high * margin)
    log_ticks(axes.xaxis)


def _draw_limits(axes: Axes, values: Sequence[float], texts: Sequence[str], label: str = "") -> list[Label]:
    """Draw bias and limits, and give what stands at their right ends; NaN and limits without a width are left out."""
    bias, low, high = values
    axes.axhline(bias, color="black", linewidth=1.0, label=label)
    labels = [(texts[0], bias)]
    if high > low:
        limits_label = "95% limits of agreement" if label else ""
        for value, text in ((low, texts[1]), (high, texts[2])):
            axes.axhline(value, color="black", linewidth=1.0, linestyle=(0, (4, 2)), label=limits_label)
            limits_label = ""
            labels.append((text, value))
    return [(text.replace("-", "−"), value) for text, value in labels]


def _counts(shown: np.ndarray, what: str) -> str:
    """Say how many cases a panel shows, and that few make no good limits."""
    n = int(shown.sum())
    text = counted(n, "case") if n == len(shown) else f"{n} of {len(shown)} cases, which have {what}"
    if n < 2:
        return f"{text}: no limits"
    return f"{text}: limits uncertain" if n < FEWEST_CASES else text


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
