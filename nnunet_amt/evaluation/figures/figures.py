"""All figures of an evaluation, each as PNG and SVG; among them the mean Dice of every institution as a forest plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.evaluation.figures.case_figures import size_figure, volume_figure
from nnunet_amt.evaluation.figures.froc_figure import froc_figure
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import CaseMetricSummary, GroupSummary, summarise
from nnunet_amt.writing.figure_style import (
    BLUE,
    COLUMN_MM,
    FONT_SIZE,
    GREY,
    MIDDLE_BLUE,
    ORANGE,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
    plain_text,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES = ("froc", "dice_by_size", "volumes", "institutions")
FIGURE_FILES = tuple(f"{name}.{ending}" for name in _NAMES for ending in ("png", "svg"))
_MOST_INSTITUTIONS = 25
_ROW_MM, _FRAME_MM = 4.2, 28.0
_LONGEST_NAME = 28  # characters


def write_figures(
    folder: Path,
    cases: Sequence[CaseEvaluation],
    overall: GroupSummary,
    *,
    settings: EvaluationSettings,
    institutions: Mapping[str, str] | None,
    progress: Progress = silent,
) -> None:
    """Draw FROC, Dice against size, volumes, and, where the institutions of the cases are known, those."""
    drawings: dict[str, Callable[[], Figure]] = {
        "froc": lambda: froc_figure(overall),
        "dice_by_size": lambda: size_figure(cases),
        "volumes": lambda: volume_figure(cases),
    }
    if institutions is not None:
        drawings["institutions"] = lambda: institution_figure(
            forest_rows(cases, institutions, overall, settings=settings)
        )
    for done, (name, draw) in enumerate(drawings.items(), start=1):
        save_figure(draw(), folder, name)
        progress(done, len(drawings), "drawing figures")


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
        summary = summarise(some, settings=settings, institutions=institutions)
        rows.append(ForestRow(name, summary.voxel["dice"], _dice_of(some)))
    return (*rows, ForestRow("All cases", overall.voxel["dice"], _dice_of(cases)))


def institution_figure(rows: Sequence[ForestRow]) -> Figure:
    """Draw mean and 95% interval of the Dice of each row, from top to bottom, its single cases behind them."""
    with new_figure(COLUMN_MM, _FRAME_MM + _ROW_MM * len(rows)) as figure:
        axes = figure.add_subplot()
        for position, row in enumerate(rows):
            _draw_row(axes, position, row, is_total=position == len(rows) - 1)
        _finish_forest(figure, axes, rows)
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
