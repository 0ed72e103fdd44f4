"""dice_by_size.png and .svg: Dice of every case against the size of its tumour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.summary.subgroups import tumour_size
from nnunet_amt.writing.figure_style import (
    BLUE,
    COLUMN_MM,
    GREY,
    ORANGE,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
)
from nnunet_amt.writing.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT_MM = 80.0
_MM_PER_CM = 10.0
_MISSED: dict[str, Any] = {"markersize": 5.0, "alpha": 1.0, "zorder": 5}  # above the median that they may make
_CLASSES = ("small", "medium", "large")


def size_figure(cases: Sequence[CaseEvaluation]) -> Figure:
    """Draw Dice against the largest in-plane diameter, with the median of each of the paper's size classes.

    Cases without a reference lesion have no size and are left out, which the figure says.

    Parameters
    ----------
    cases
        One or more.
    """
    sized = [case for case in cases if case.counts.size_mm is not None]
    with new_figure(COLUMN_MM, _HEIGHT_MM) as figure:
        axes = figure.add_subplot()
        diameters = np.array([(case.counts.size_mm or 0.0) / _MM_PER_CM for case in sized])
        right = max(1.06 * float(diameters.max(initial=0.0)), 1.25 * paper.SIZE_LIMITS_CM[1])
        _draw_cases(axes, diameters, np.array([case.voxel.dice for case in sized], dtype=float))
        _draw_classes(axes, sized, right)
        _finish(figure, axes, len(cases) - len(sized), right)
    return figure


def _draw_cases(axes: Axes, diameters_cm: np.ndarray, dice: np.ndarray) -> None:
    missed = dice == 0
    style: dict[str, Any] = {"markersize": 3.5, "alpha": 0.75, "markeredgewidth": 0}
    axes.plot(diameters_cm[~missed], dice[~missed], "o", color=BLUE, label="case", **style)
    if missed.any():
        label = f"{counted(int(missed.sum()), 'case')} without any overlap"
        axes.plot(
            diameters_cm[missed], dice[missed], "^", color=ORANGE, label=label, clip_on=False, **(style | _MISSED)
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


def _finish(figure: Figure, axes: Axes, without_lesion: int, right: float) -> None:
    axes.set_xlabel("Largest in-plane diameter of the reference (cm)")
    axes.set_ylabel("Dice score")
    axes.set_xlim(0.0, right)
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    plain_axes(axes)
    if without_lesion:
        note = f"{counted(without_lesion, 'case')} without a tumour not shown"
        figure.supxlabel(note, fontsize=SMALL_FONT_SIZE, color=GREY, x=0.99, ha="right")
    figure.legend(loc="outside upper left", frameon=False, fontsize=SMALL_FONT_SIZE, ncols=2, columnspacing=1.0)
