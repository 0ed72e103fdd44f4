"""comparison_dice.png and .svg: the Dice of every case, each other model against the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnunet_amt.evaluation.comparison.comparison import Comparison, ModelComparison
from nnunet_amt.evaluation.comparison.verdicts import Verdict
from nnunet_amt.writing.figure_style import (
    BLUE,
    COLUMN_MM,
    GREY,
    PAGE_MM,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
    plain_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS_IN_ROW = 3
_LONGEST_NAMES = {1: 30, 2: 26, 3: 18}  # that fit along a panel, by the panels in a row
_LEGEND_MM = 8.0
_STYLES: dict[Verdict, dict[str, Any]] = {
    "win": {"marker": "^", "color": "#009E73", "label": "other better"},
    "tie": {"marker": "o", "color": GREY, "markerfacecolor": "white", "label": "tie"},
    "loss": {"marker": "v", "color": BLUE, "label": "first better"},
}


def dice_figure(comparison: Comparison) -> Figure:
    """Draw a panel for each other model: its Dice over that of the first, a mark a case.

    Cases above the diagonal are better with the other model. Those without a Dice by both are left out, and
    counted.
    """
    panels = len(comparison.others)
    columns = min(panels, _PANELS_IN_ROW)
    rows = -(-panels // columns)
    width = COLUMN_MM if columns == 1 else PAGE_MM
    height = _LEGEND_MM + rows * width / columns
    with new_figure(width, height) as figure:
        for place, other in enumerate(comparison.others):
            axes = figure.add_subplot(rows, columns, place + 1)
            _draw(axes, comparison, other)
            longest = _LONGEST_NAMES[columns]
            axes.set_ylabel(f"Dice, {_short(other.other.name, longest)}")
            axes.set_xlabel(f"Dice, {_short(comparison.first.name, longest)} (first)")
        _add_legend(figure, comparison)
    return figure


def _draw(axes: Axes, comparison: Comparison, other: ModelComparison) -> None:
    margin = comparison.settings.tie_margin
    axes.fill_between([0, 1], [-margin, 1 - margin], [margin, 1 + margin], color="#E6E6E6", linewidth=0)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6)
    shown = [case for case in other.verdicts if case.dice_first is not None and case.dice_other is not None]
    for verdict, style in _STYLES.items():
        members = [case for case in shown if case.verdict == verdict]
        if not members:  # an empty line that is not clipped would spoil the layout
            continue
        x, y = (np.array([getattr(case, f"dice_{side}") for case in members]) for side in ("first", "other"))
        look: dict[str, Any] = {
            "linestyle": "",
            "markersize": 3.5,
            "markeredgewidth": 0.7,
            "alpha": 0.8,
            "clip_on": False,
        }
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


def _add_legend(figure: Figure, comparison: Comparison) -> None:
    from matplotlib.lines import Line2D

    margin = comparison.settings.tie_margin
    labels = {"tie": f"tie (within {margin:g})" if margin else "tie"}
    handles = [
        Line2D([], [], linestyle="", markersize=4.0, **(style | {"label": labels.get(verdict, style["label"])}))
        for verdict, style in _STYLES.items()
    ]
    look = {"frameon": False, "fontsize": SMALL_FONT_SIZE, "columnspacing": 1.0, "handletextpad": 0.3}
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), **look)


def _short(name: str, longest: int) -> str:
    """Cut a name that would not fit along an axis."""
    return plain_text(name if len(name) <= longest else f"{name[: longest - 1]}…")
