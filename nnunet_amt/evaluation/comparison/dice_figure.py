"""comparison_dice.png and .svg: the Dice of every case, each other model against the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnunet_amt.evaluation.comparison.comparison import Comparison, ModelComparison
from nnunet_amt.evaluation.comparison.verdicts import Verdict
from nnunet_amt.evaluation.figure_style import (
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

__all__ = ["dice_figure"]

_PANELS_IN_ROW = 3
_LONGEST_NAME = 26
_STYLES: dict[Verdict, dict[str, Any]] = {
    "win": {"marker": "^", "color": "#009E73", "label": "other model better"},
    "tie": {"marker": "o", "color": GREY, "markerfacecolor": "white", "label": "tie"},
    "loss": {"marker": "v", "color": BLUE, "label": "first model better"},
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
    height = 14.0 + rows * (width / columns + (4.0 if columns == 1 else 10.0))
    with new_figure(width, height) as figure:
        for place, other in enumerate(comparison.others):
            axes = figure.add_subplot(rows, columns, place + 1)
            _draw(axes, comparison, other)
            last_row = place + columns >= panels
            axes.set_xlabel(f"Dice, {_short(comparison.first.name)} (first)" if last_row else "")
        _add_legend(figure, comparison)
    return figure


def _draw(axes: Axes, comparison: Comparison, other: ModelComparison) -> None:
    margin = comparison.settings.tie_margin
    axes.fill_between([0, 1], [-margin, 1 - margin], [margin, 1 + margin], color="#E6E6E6", linewidth=0)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6)
    left_out = 0
    for case in other.verdicts:
        if case.dice_first is None or case.dice_other is None:
            left_out += 1
            continue
        style = {key: value for key, value in _STYLES[case.verdict].items() if key != "label"}
        axes.plot(
            case.dice_first, case.dice_other, linestyle="", markersize=3.5, markeredgewidth=0.7, clip_on=False, **style
        )
    tally = other.tally
    title = f"better {tally['win']}, tie {tally['tie']}, worse {tally['loss']}"
    axes.set_title(title, fontsize=SMALL_FONT_SIZE, loc="left")
    if left_out:
        axes.text(0.98, 0.03, f"{left_out} without Dice", ha="right", fontsize=SMALL_FONT_SIZE, color=GREY)
    axes.set_ylabel(f"Dice, {_short(other.other.name)}")
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
    columns = 3 if len(comparison.others) > 1 else 2
    figure.legend(
        handles=handles,
        loc="outside upper left",
        frameon=False,
        fontsize=SMALL_FONT_SIZE,
        ncols=columns,
        columnspacing=1.0,
        handletextpad=0.3,
    )


def _short(name: str) -> str:
    """Cut a name that would not fit along an axis."""
    return plain_text(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…")
