"""What each arm reaches for its compute time, with the spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.learning.arms import ARMS, Study
from benchmarks.learning.results import Finished
from nnunet_amt.base.files import atomic_path

__all__ = ["write_learning_curves"]

_COLOURS = ("tab:green", "tab:blue", "tab:cyan", "tab:orange", "tab:red", "tab:purple")


def write_learning_curves(study: Study, runs: Sequence[Finished]) -> Path:
    """Draw Dice, and false positives a scan, over compute time: mean, and the range over seeds."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for arm, colour in zip(ARMS, _COLOURS, strict=True):
        own = [one for one in runs if one.run.arm == arm.key]
        dice = {one.run: float(one.dice().mean()) for one in own}
        false = {one.run: float(one.false_positives().mean()) for one in own}
        for axes, values in ((left, dice), (right, false)):
            _curve(axes, study, values, colour, arm.title)
    kind = "CPU seconds, one thread" if study.device == "cpu" else "GPU seconds"
    for axes, title in ((left, "Dice, external cases"), (right, "False positives a scan, external cases")):
        axes.set_xscale("log")
        ticks = [budget * study.seconds for budget in sorted({one.run.budget for one in runs})]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(kind)
        axes.set_title(title)
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
    left.set_ylim(0, 1)
    right.legend(fontsize="small")
    path = study.output / "learning_curves.png"
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=120, format="png")
    return path


def _curve(axes: Axes, study: Study, values: dict, colour: str, title: str) -> None:
    """Draw a line through the means of the budgets, a band from the lowest to the highest seed, a dot a seed."""
    budgets = sorted({run.budget for run in values})
    if not budgets:
        return
    of_budget = [[value for run, value in values.items() if run.budget == budget] for budget in budgets]
    seconds = np.array(budgets) * study.seconds
    axes.plot(seconds, [np.mean(found) for found in of_budget], color=colour, label=title)
    axes.fill_between(seconds, [min(found) for found in of_budget], [max(found) for found in of_budget], color=colour,
                      alpha=0.15)  # fmt: skip
    for place, found in zip(seconds, of_budget, strict=True):
        axes.plot([place] * len(found), found, ".", color=colour, markersize=4)
