"""volumes.png and .svg: predicted against reference tumour volume after Bland and Altman."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.writing.figure_style import (
    BLUE,
    GREY,
    ORANGE,
    PAGE_MM,
    SMALL_FONT_SIZE,
    log_ticks,
    new_figure,
    plain_axes,
)
from nnunet_amt.writing.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT_MM = 78.0
_MM3_PER_CM3 = 1000.0
_Z = 1.96  # of Bland and Altman's limits


@dataclass(frozen=True)
class Agreement:
    """Mean of differences and the limits that hold 95% of them if they are normally distributed.

    Attributes
    ----------
    n
        Number of differences.
    bias
        Their mean.
    low, high
        Bias minus and plus 1.96 SD (ddof 1); None for fewer than two.
    """

    n: int
    bias: float
    low: float | None
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
    the ratio, with limits computed on its logarithm, holds for all. It exists only where both volumes do.

    Parameters
    ----------
    cases
        One or more; those with neither tumour nor prediction are left out.
    """
    predicted, reference = case_volumes_cm3(cases)
    mean, difference = (predicted + reference) / 2, predicted - reference
    some, both = mean > 0, (predicted > 0) & (reference > 0)
    with new_figure(PAGE_MM, _HEIGHT_MM) as figure:
        left, right = figure.subplots(1, 2)
        _draw_differences(left, mean, difference, some, both)
        _draw_ratios(right, mean[both], predicted[both] / reference[both])
        for axes, shown, what in ((left, some, "any volume"), (right, both, "both volumes")):
            axes.set_xlabel("Mean of both volumes (cm³)")
            axes.set_title(_counts(shown, what), fontsize=SMALL_FONT_SIZE, loc="left")
            plain_axes(axes)
        figure.legend(loc="outside upper left", frameon=False, fontsize=SMALL_FONT_SIZE, ncols=4)
    return figure


def _draw_differences(axes: Axes, mean: np.ndarray, difference: np.ndarray, some: np.ndarray, both: np.ndarray) -> None:
    style: dict[str, Any] = {"markersize": 3.5, "alpha": 0.75, "markeredgewidth": 0}
    axes.plot(mean[both], difference[both], "o", color=BLUE, label="case", **style)
    lone = some & ~both
    if lone.any():
        axes.plot(mean[lone], difference[lone], "^", color=ORANGE, label="case with one volume of 0", **style)
    if some.any():
        _set_volume_axis(axes)
        found = agreement(difference[some])
        low, high = _nan(found.low), _nan(found.high)
        texts = (f"{found.bias:+.1f}", f"{low:+.1f}", f"{high:+.1f}")
        _draw_limits(axes, (found.bias, low, high), texts, "mean difference or ratio")
    axes.axhline(0.0, color=GREY, linewidth=0.6, zorder=0)
    axes.set_ylabel("Predicted − reference volume (cm³)")


def _draw_ratios(axes: Axes, mean: np.ndarray, ratio: np.ndarray) -> None:
    axes.plot(mean, ratio, "o", color=BLUE, markersize=3.5, alpha=0.75, markeredgewidth=0)
    if len(ratio):
        _set_volume_axis(axes)
        found = agreement(np.log(ratio))
        values = tuple(float(np.exp(_nan(value))) for value in (found.bias, found.low, found.high))
        _draw_limits(axes, values, tuple(f"{value:.2f}" for value in values))
    axes.axhline(1.0, color=GREY, linewidth=0.6, zorder=0)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.5), max(high, 2.0))
    log_ticks(axes.yaxis)
    axes.set_ylabel("Predicted / reference volume")


def _set_volume_axis(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, over a power of ten at least."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    margin = max(1.0, (10.0 * low / high) ** 0.5)
    axes.set_xlim(low / margin, high * margin)
    log_ticks(axes.xaxis)


def _draw_limits(axes: Axes, values: Sequence[float], texts: Sequence[str], label: str = "") -> None:
    """Draw bias and limits, each with its value at the right end; NaN and limits without a width are left out."""
    bias, low, high = values
    wide = high > low
    axes.axhline(bias, color="black", linewidth=1.0, label=label)
    _write_at_the_end(axes, bias, texts[0])
    if wide:
        limits_label = "95% limits of agreement" if label else ""
        for value, text in ((low, texts[1]), (high, texts[2])):
            axes.axhline(value, color="black", linewidth=1.0, linestyle=(0, (4, 2)), label=limits_label)
            limits_label = ""
            _write_at_the_end(axes, value, text)


def _write_at_the_end(axes: Axes, y: float, text: str) -> None:
    place: dict[str, Any] = {
        "xytext": (2, 0),
        "textcoords": "offset points",
        "va": "center",
        "fontsize": SMALL_FONT_SIZE,
    }
    axes.annotate(text.replace("-", "−"), (1.0, y), xycoords=("axes fraction", "data"), **place)


def _counts(shown: np.ndarray, what: str) -> str:
    """Say how many cases a panel shows, and that few make no good limits."""
    n = int(shown.sum())
    text = counted(n, "case") if n == len(shown) else f"{n} of {len(shown)} cases, which have {what}"
    if n < 2:
        return f"{text}: no limits"
    return f"{text}: limits uncertain" if n < FEWEST_CASES else text


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value
