"""The learning curves of both recipes over compute time."""

from __future__ import annotations

from math import isnan
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.learning.study import RECIPES, Study
from benchmarks.learning.trainers import read_compute
from nnunet_amt.base.files import atomic_path

__all__ = ["write_learning_curves"]

_COLOURS = ("tab:blue", "tab:orange")
_LOSSES = ("Dice loss", "Dice + cross-entropy loss")
_DICE = ("whole tuning volumes", "patches of the tuning cases")


def write_learning_curves(study: Study) -> Path:
    """Draw the training loss and the Dice on the tuning cases over compute hours, both recipes."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    loss_axes, dice_axes = figure.subplots(1, 2)
    for recipe, colour, loss, dice in zip(RECIPES, _COLOURS, _LOSSES, _DICE, strict=True):
        rows = read_compute(study.fold(recipe) / "compute.csv")
        hours = [row["compute_seconds"] / 3600 for row in rows]
        loss_axes.plot(hours, [row["train_loss"] for row in rows], color=colour, label=f"{recipe.title}: {loss}")
        known = [(hour, row["dice"]) for hour, row in zip(hours, rows, strict=True) if not isnan(row["dice"])]
        dice_axes.plot(*zip(*known, strict=True), color=colour, marker=".", label=f"{recipe.title}: {dice}")
    kind = "CPU hours, one thread" if study.device == "cpu" else "GPU hours"
    for axes, title in ((loss_axes, "Training loss (scales differ)"), (dice_axes, "Dice on the tuning cases")):
        axes.set_xlabel(kind)
        axes.set_title(title)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
        axes.set_xlim(left=0)
    dice_axes.set_ylim(0, 1)
    path = study.output / "learning_curves.png"
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=120, format="png")
    return path
