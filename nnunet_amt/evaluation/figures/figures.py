"""All figures of an evaluation, each as PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.evaluation.figures.froc_figure import froc_figure
from nnunet_amt.evaluation.figures.institution_figure import forest_rows, institution_figure
from nnunet_amt.evaluation.figures.size_figure import size_figure
from nnunet_amt.evaluation.figures.volume_figure import volume_figure
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import GroupSummary
from nnunet_amt.writing.figure_style import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES = ("froc", "dice_by_size", "volumes", "institutions")
FIGURE_FILES = tuple(f"{name}.{ending}" for name in _NAMES for ending in ("png", "svg"))


def write_figures(
    folder: Path,
    cases: Sequence[CaseEvaluation],
    overall: GroupSummary,
    settings: EvaluationSettings,
    institutions: Mapping[str, str] | None,
    progress: Progress = silent,
) -> None:
    """Draw FROC, Dice against size, volumes, and institutions if they are known.

    Parameters
    ----------
    folder
        For `FIGURE_FILES`.
    cases
        The evaluated cases.
    overall
        Their summary.
    settings
        Of the evaluation.
    institutions
        Of each case, by case id; None leaves the figure of the institutions out.
    progress
        Told of every figure.
    """
    drawings: dict[str, Callable[[], Figure]] = {
        "froc": lambda: froc_figure(overall),
        "dice_by_size": lambda: size_figure(cases),
        "volumes": lambda: volume_figure(cases),
    }
    if institutions is not None:
        drawings["institutions"] = lambda: institution_figure(forest_rows(cases, institutions, overall, settings))
    for done, (name, draw) in enumerate(drawings.items(), start=1):
        save_figure(draw(), folder, name)
        progress(done, len(drawings), "drawing figures")
