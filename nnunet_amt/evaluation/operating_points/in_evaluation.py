"""The operating point of an evaluation: the one that is asked for, or the one that made the label maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair
from nnunet_amt.evaluation.operating_points.figures import PointFigures, point_figures, side_by_side
from nnunet_amt.evaluation.operating_points.point_file import (
    TunedPoint,
    at_point,
    figures_json,
    point_for_predictions,
    point_of_predictions,
    point_record,
)
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import GroupSummary
from nnunet_amt.writing.table import Table


@dataclass(frozen=True, eq=False)
class PointInUse:
    """The point whose masks are evaluated.

    Attributes
    ----------
    tuned
        The point, with its figures on the tuning cases.
    label_maps
        Whether the label maps are its own; else its masks are made of saved probabilities.
    """

    tuned: TunedPoint
    label_maps: bool

    def masks(self, pairs: Sequence[LabelMapPair], predictions: Path) -> tuple[LabelMapPair, ...]:
        """Give the pairs with the masks of the point; see `at_point`."""
        return tuple(pairs) if self.label_maps else at_point(pairs, predictions, self.tuned.point)

    def here(
        self,
        cases: Sequence[CaseEvaluation],
        overall: GroupSummary,
        *,
        settings: EvaluationSettings,
        clusters: Mapping[str, str] | None,
    ) -> PointHere:
        """Measure it on the evaluated cases; parameters as in `point_figures`."""
        return PointHere(self, point_figures(cases, overall, settings=settings, clusters=clusters), len(cases))


@dataclass(frozen=True, eq=False)
class PointHere:
    """A point, and its figures on the cases that were evaluated."""

    used: PointInUse
    figures: PointFigures
    cases: int

    def table(self) -> Table:
        """Lay out how far the figures moved from the tuning cases to these."""
        tuned = self.used.tuned
        apart = (
            "The masks were made of saved probabilities: pictures and the report show the label maps in the folder of "
            "the predictions, which are others."
        )
        return side_by_side(
            f"Operating point {tuned.point.name}: {tuned.point.described}", tuned.tuning, tuned.tuning_cases,
            self.figures, self.cases, notes=() if self.used.label_maps else (apart,),
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Give what ``summary.json`` holds of it."""
        tuned = self.used.tuned
        figures = {"tuning": figures_json(tuned.tuning), "here": figures_json(self.figures)}
        return {**asdict(tuned.point), "tuning_cases": tuned.tuning_cases, **figures}


def point_in_use(predictions: Path, *, asked: str | None, scored: bool) -> PointInUse | None:
    """Find the point of an evaluation; None for the argmax.

    Parameters
    ----------
    predictions
        Folder of label maps.
    asked
        Name of the point that is asked for; None for the one that made the label maps.
    scored
        Whether a score FROC is asked for, which is of the argmax.

    Raises
    ------
    BadInputError
        If the point cannot be had, the label maps are of several, or a score FROC is asked for beside it.
    """
    if asked is None:
        return _of_label_maps(predictions, scored=scored)
    if scored:
        raise _no_score_froc(asked)
    tuned = point_for_predictions(predictions, asked)
    try:
        own = point_of_predictions(predictions) == point_record(tuned.point)
    except BadInputError:  # of several points: none of them is used
        own = False
    return PointInUse(tuned, own)


def _of_label_maps(predictions: Path, *, scored: bool) -> PointInUse | None:
    made_by = point_of_predictions(predictions)
    if not made_by:
        return None
    if scored:
        raise _no_score_froc(made_by["name"])
    try:
        tuned = point_for_predictions(predictions, made_by["name"])
    except BadInputError as error:  # without it nothing in the results would tell the point
        raise BadInputError(
            f"{predictions}: its label maps are of the operating point {made_by['name']}, which the results must tell; "
            f"{error}"
        ) from error
    if tuned.point.digest != made_by["digest"]:
        raise BadInputError(
            f"{predictions}: its label maps are of an operating point {tuned.point.name} that was chosen anew since; "
            f"run nnunet_amt predict --operating-point {tuned.point.name} on it again, or evaluate with that option"
        )
    return PointInUse(tuned, label_maps=True)


def _no_score_froc(name: str) -> BadInputError:
    return BadInputError(
        f"--probabilities: the score FROC is of the network's own label maps, not of the operating point {name}; leave "
        "it out, or evaluate label maps of the argmax"
    )
