"""score_froc.png and .svg: the curves of both confidences, and the IoU sweep as what it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt.evaluation.score_froc.candidates import HIT_TWENTIETHS
from nnunet_amt.evaluation.score_froc.curve import CPM_RATES, IouSweep, ScoreFroc
from nnunet_amt.writing.figure_style import BLUE, ORANGE, plain_figure, save_plain_figure
from nnunet_amt.writing.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE_CM, _FONT_SIZE = 12.0, 9.0
_STYLES = {"mean": (BLUE, "-"), "max": (ORANGE, "--")}
_GREY = "#707070"
_LEFT, _RIGHT = CPM_RATES[0] / 2, CPM_RATES[-1] * 1.15  # false positives per scan, logarithmic


def write_score_froc_figures(path: Path, curves: Sequence[ScoreFroc], sweep: IouSweep) -> None:
    """Draw `score_froc_figure` to `path` with the endings .png and .svg."""
    save_plain_figure(score_froc_figure(curves, sweep), path)


def score_froc_figure(curves: Sequence[ScoreFroc], sweep: IouSweep) -> Figure:
    """Draw sensitivity against false positives per scan, in steps from operating point to operating point.

    The thin line beyond the last point goes on at its sensitivity, as the CPM counts it. Ticks are the rates of
    the CPM; what has fewer false positives than half of the lowest is left of the axis.
    """
    with plain_figure(_SIDE_CM, _SIDE_CM, font_size=_FONT_SIZE) as figure:
        axes = figure.add_subplot()
        for curve in curves:
            _draw_curve(axes, curve)
        _draw_sweep(axes, sweep)
        _finish(figure, axes, curves[0])
    return figure


def _draw_curve(axes: Axes, curve: ScoreFroc) -> None:
    colour, style = _STYLES[curve.confidence]
    cpm = "undefined" if curve.cpm is None else f"{curve.cpm:.2f}"
    label = f"score FROC, {curve.confidence} probability (CPM {cpm})"
    if not (curve.references and curve.fp):
        axes.plot([], [], style, color=colour, label=label)
        return
    # from the left edge on, at the sensitivity that is had there
    before = curve.sensitivity_at(_LEFT) or 0.0
    values = zip(curve.fp_per_scan, curve.sensitivity, strict=True)
    x, y = np.array([(_LEFT, before), *((rate, found or 0.0) for rate, found in values if rate > _LEFT)]).T
    axes.plot(x, y, style, color=colour, linewidth=1.4, drawstyle="steps-post", label=label)
    axes.plot([x[-1], _RIGHT], [y[-1], y[-1]], ":", color=colour, linewidth=1.0)


def _draw_sweep(axes: Axes, sweep: IouSweep) -> None:
    first, *_, last = sweep.iou_threshold
    label = f"IoU sweep of the paper, {first:g} to {last:g}: all lesions kept"
    values = [(x, y) for x, y in zip(sweep.fp_per_scan, sweep.sensitivity, strict=True) if y is not None and x >= _LEFT]
    x, y = np.array(values).T if values else ([], [])
    axes.plot(x, y, "o", color=_GREY, markersize=3.0, label=label)


def _finish(figure: Figure, axes: Axes, curve: ScoreFroc) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(_LEFT, _RIGHT)
    axes.set_xticks(CPM_RATES, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    axes.set_xlabel("False positives per scan")
    axes.set_ylabel("Lesion sensitivity")
    axes.set_ylim(-0.02, 1.04)
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    axes.grid(axis="x", color="#E0E0E0", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if message := _remark(curve):
        axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center")
    counts = f"{counted(curve.scans, 'case')}, {counted(curve.references, 'lesion')}"
    title = f"{counts}; score FROC: hits at IoU > {HIT_TWENTIETHS / 20:g}"
    figure.legend(loc="outside upper left", frameon=False, title=title, alignment="left")


def _remark(curve: ScoreFroc) -> str | None:
    if not curve.references:
        return "no reference lesion: the sensitivity is undefined"
    if not curve.fp:
        return "no predicted lesion"
    if curve.fp_per_scan[-1] <= _LEFT:
        most = f"there are {curve.fp_per_scan[-1]:.2g} false positives per scan:"
        return f"with every predicted lesion kept\n{most}\nthe curve is left of the axis"
    return None
