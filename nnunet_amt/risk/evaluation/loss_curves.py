"""The loss of each network along its epochs, by fold, from the tables that its training left."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import numbered_rows, require_columns, row_texts
from nnunet_amt.errors import ManifestError
from nnunet_amt.risk.networks.settings import CURVES_FILE
from nnunet_amt.writing.figure_style import (
    BLUE,
    COLUMN_MM,
    GREY,
    ORANGE,
    PAGE_MM,
    SMALL_FONT_SIZE,
    new_figure,
    plain_axes,
    plain_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = ("fold", "first_rate", "epoch", "training_loss", "held_out_loss")
_ALL = "all"
_COLUMNS_OF_PANELS, _PANEL_MM = 3, 48.0


@dataclass(frozen=True, eq=False)
class LossCurves:
    """Losses of a network, (folds, epochs) each; epochs that a fold lacks are NaN."""

    training: NDArray[np.float64]
    held_out: NDArray[np.float64]


def read_loss_curves(folder: Path) -> LossCurves:
    """Read ``loss_curves.csv`` of a training's folder: the folds at the learning rate that the final model began with.

    The training of the final model, on all cases, tells that rate, and is passed over otherwise.

    Raises
    ------
    ManifestError
        If it cannot be read, lacks a column, or a cell is no number.
    """
    path = folder / CURVES_FILE
    numbered = numbered_rows(path, "the loss curves that a training wrote")
    _, columns = next(numbered, (1, []))
    require_columns(path, columns, required=_COLUMNS)
    losses: dict[tuple[str, str], dict[int, tuple[float, float]]] = defaultdict(dict)
    chosen = ""
    for line, cells in numbered:
        row = row_texts(path, line, columns=columns, cells=cells)
        if row["fold"] == _ALL:
            chosen = row["first_rate"]
            continue
        epoch = int(_number(path, line, "epoch", row["epoch"]))
        training, held_out = (_number(path, line, name, row[name]) for name in _COLUMNS[-2:])
        losses[row["first_rate"], row["fold"]][epoch] = training, held_out
    rate = chosen or next((rate for rate, _ in losses), "")
    return _as_curves(path, [of_fold for (of_rate, _), of_fold in losses.items() if of_rate == rate])


def _as_curves(path: Path, folds: Sequence[Mapping[int, tuple[float, float]]]) -> LossCurves:
    epochs = max((epoch for of_fold in folds for epoch in of_fold), default=0)
    if not epochs:
        raise ManifestError(f"{path}: has no epoch of any fold; train again, or leave its folder out")
    values = np.full((2, len(folds), epochs), math.nan)
    for place, of_fold in enumerate(folds):
        for epoch, both_losses in of_fold.items():
            values[:, place, epoch - 1] = both_losses
    return LossCurves(values[0], values[1])


def loss_figure(curves: Mapping[str, LossCurves], *, chosen_epochs: Mapping[str, int]) -> Figure:
    """Draw a panel for each network, by title: thin lines are folds, thick ones their means.

    `chosen_epochs` are those of the final model, by title, marked by an upright line.
    """
    columns = min(len(curves), _COLUMNS_OF_PANELS)
    rows = -(-len(curves) // _COLUMNS_OF_PANELS)
    with new_figure(PAGE_MM if columns > 1 else COLUMN_MM, 14 + rows * _PANEL_MM) as figure:
        for place, (title, losses) in enumerate(curves.items()):
            axes = figure.add_subplot(rows, columns, place + 1)
            _draw(axes, losses.training, BLUE, "training, mean of folds")
            _draw(axes, losses.held_out, ORANGE, "held out, mean of folds")
            if title in chosen_epochs:
                axes.axvline(chosen_epochs[title], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), label="chosen")
            axes.set_title(plain_text(title), fontsize=SMALL_FONT_SIZE, loc="left")
            axes.set_xlabel("Epoch")
            axes.set_ylabel("Cross-entropy")
            axes.set_ylim(bottom=0)
            plain_axes(axes)
        handles = _handles(figure.axes)
        figure.legend(handles=handles, loc="outside upper left", ncols=columns, frameon=False, fontsize=SMALL_FONT_SIZE)
    return figure


def _draw(axes: Axes, losses: NDArray[np.float64], colour: str, label: str) -> None:
    epochs = np.arange(1, losses.shape[1] + 1)
    marker = "o" if losses.shape[1] == 1 else ""
    for of_fold in losses:
        axes.plot(epochs, of_fold, marker=marker, color=colour, linewidth=0.4, alpha=0.45, markersize=2)
    axes.plot(epochs, np.nanmean(losses, axis=0), marker=marker, color=colour, linewidth=1.2, label=label)


def _handles(panels: Sequence[Axes]) -> list[object]:
    found: dict[str, object] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            found.setdefault(label, handle)
    return list(found.values())


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (column == "epoch" and (number < 1 or number % 1)):
        what = "a whole number from 1 up" if column == "epoch" else "a number"
        raise ManifestError(f"{path} line {line}, column {column!r}: is {text!r}; must be {what}; train again")
    return number
