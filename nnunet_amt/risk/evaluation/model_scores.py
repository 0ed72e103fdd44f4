"""The scores of every model beside their cases, with the two that are made here: clinical baseline and ensemble."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError, SplitLeakageError, TooFewCasesError, UnmatchedCasesError
from nnunet_amt.risk.cases import RiskCase, RiskCohort
from nnunet_amt.risk.clinical_baseline import CLINICAL, fit_clinical, score_clinical
from nnunet_amt.risk.folds import FOLDS
from nnunet_amt.risk.networks.settings import NETWORKS, PAPER_NETWORKS
from nnunet_amt.risk.scores import (
    MODELS_FILE,
    SCORES_FILE,
    Kind,
    ModelEntry,
    ScoreRow,
    ensemble_rows,
    read_models,
    read_scores,
    thresholds_of,
)
from nnunet_amt.writing.numbers import counted, joined

ENSEMBLE = "ensemble"
JUDGED: tuple[Kind, ...] = ("out_of_fold", "external")
KIND_TITLES: Mapping[Kind, str] = {
    "out_of_fold": "Training centres, out of fold",
    "external": "External centres",
    "training": "Training centres, trained on",
}


@dataclass(frozen=True, eq=False)
class ScoredCases:
    """Cases and their scores by one model, (cases,)."""

    cases: tuple[RiskCase, ...]
    scores: NDArray[np.float64]

    @property
    def high(self) -> NDArray[np.bool_]:
        """Whether each is high risk, (cases,)."""
        return np.array([case.high for case in self.cases], dtype=bool)

    def only(self, case_ids: set[str]) -> ScoredCases:
        """Give some of the cases."""
        kept = [place for place, case in enumerate(self.cases) if case.case_id in case_ids]
        return ScoredCases(tuple(self.cases[place] for place in kept), self.scores[kept])

    @property
    def case_ids(self) -> set[str]:
        """Their names."""
        return {case.case_id for case in self.cases}


@dataclass(frozen=True, eq=False)
class ScoredModel:
    """A model with its scores by kind, in the cohort's order, and what ``models.json`` says of it."""

    name: str
    title: str
    of_kind: Mapping[Kind, ScoredCases]
    entry: ModelEntry

    def judged_scores(self) -> dict[str, float]:
        """Give the out-of-fold and external scores by case: none is of a case that its model was trained on."""
        known = [self.of_kind[kind] for kind in JUDGED if kind in self.of_kind]
        return {case.case_id: float(score) for one in known for case, score in zip(one.cases, one.scores, strict=True)}


@dataclass(frozen=True, eq=False)
class ScoredModels:
    """All models, the clinical baseline last, and what has to be said of them; kinds without any score are absent."""

    models: tuple[ScoredModel, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Those of `JUDGED` that any model has."""
        return tuple(kind for kind in JUDGED if any(kind in model.of_kind for model in self.models))

    def named(self, name: str) -> ScoredModel:
        """Give a model by its name; raises BadInputError where there is none."""
        for model in self.models:
            if model.name == name:
                return model
        raise BadInputError(
            f"model {name!r}: has no scores; there are those of {', '.join(m.name for m in self.models)}"
        )

    @property
    def external_looks(self) -> int:
        """How often external scores came up that were not there before: each is one more chance to choose by them."""
        return sum(model.entry.external_looks for model in self.models if model.name != ENSEMBLE)


def gather_models(folder: Path, cohort: RiskCohort, *, seed: int = 0) -> ScoredModels:
    """Read the scores of a folder, hold them against the cohort, and add clinical baseline and ensemble.

    Parameters
    ----------
    folder
        With ``scores.csv`` and ``models.json``.
    cohort
        Every scored case must be in it.
    seed
        Of the folds of the clinical baseline, where the folder has no scores of it.

    Raises
    ------
    BadInputError
        If a file cannot be read, or scores and cohort differ in a case's class.
    UnmatchedCasesError
        If a scored case is not in the cohort.
    SplitLeakageError
        If a case stands on the other side of the split than in the cohort.
    """
    rows, entries, notes = read_scores(folder), dict(read_models(folder)), list[str]()
    _require_fitting(folder, rows, cohort)
    present = list(dict.fromkeys(row.model for row in rows))
    if missing := [model for model in present if model not in entries]:
        raise BadInputError(f"{folder / MODELS_FILE}: says nothing of model {missing[0]}; make these results again")
    if CLINICAL not in present:
        rows += _clinical(rows, cohort, entries, notes, seed)
    rows += _ensemble(rows, present, entries, notes)
    names = dict.fromkeys(row.model for row in rows)
    order = sorted(names, key=lambda name: (name == CLINICAL, name == ENSEMBLE, name not in NETWORKS))
    by_model: dict[str, list[ScoreRow]] = defaultdict(list)
    for row in rows:
        by_model[row.model].append(row)
    models = tuple(_model(name, by_model[name], entries[name], cohort) for name in order)
    return ScoredModels(models, (*notes, *_without_scores(models, cohort)))


def shared_cases(one: ScoredCases, other: ScoredCases) -> tuple[ScoredCases, ScoredCases]:
    """Give the cases that two models both scored, in one order."""
    both = one.case_ids & other.case_ids
    return one.only(both), other.only(both)


def _model(name: str, rows: Sequence[ScoreRow], entry: ModelEntry, cohort: RiskCohort) -> ScoredModel:
    scores: dict[Kind, dict[str, float]] = defaultdict(dict)
    for row in rows:
        scores[row.kind][row.case_id] = row.score
    of_kind = {}
    for kind, of_cases in scores.items():
        cases = tuple(case for case in cohort.cases if case.case_id in of_cases)
        of_kind[kind] = ScoredCases(cases, np.array([of_cases[case.case_id] for case in cases], dtype=float))
    return ScoredModel(name, str(entry.details.get("title", name)), of_kind, entry)


def _require_fitting(folder: Path, rows: Sequence[ScoreRow], cohort: RiskCohort) -> None:
    path, known = folder / SCORES_FILE, {case.case_id: case for case in cohort.cases}
    reasons = {case_id: reason for reason, ids in cohort.left_out.items() for case_id in ids}
    for row in rows:
        case = known.get(row.case_id)
        if case is None:
            why = f"was left out ({reasons[row.case_id]})" if row.case_id in reasons else "is not in the cohort"
            raise UnmatchedCasesError(
                f"{path}: case {row.case_id} {why}; give the cohort that was scored, or score again"
            )
        if case.high != row.high:
            raise BadInputError(
                f"{path}: high of case {row.case_id} is {int(row.high)}, by its WHO type {case.who_type} it is "
                f"{int(case.high)}; give the cohort that was scored, or score again"
            )
        if (row.kind == "external") != (case.split == "external"):
            raise SplitLeakageError(
                f"{path}: case {row.case_id} is scored as {row.kind}, the cohort has it as {case.split}; give the "
                "cohort that was scored, or train again"
            )


def _clinical(
    rows: Sequence[ScoreRow], cohort: RiskCohort, entries: dict[str, ModelEntry], notes: list[str], seed: int
) -> list[ScoreRow]:
    """Score the clinical baseline, by as many folds as the others have; it is looked at here."""
    folds = max((row.fold for row in rows if row.fold is not None), default=FOLDS - 1) + 1
    try:
        fitted = fit_clinical(cohort.of_split("training").cases, folds=max(folds, 2), seed=seed)
    except TooFewCasesError as error:
        notes.append(f"There is no clinical baseline: {error}.")
        return []
    external = score_clinical(fitted.model, cohort.of_split("external").cases)
    entries[CLINICAL] = _entry(fitted.rows, looks=int(bool(external)), details=fitted.details)
    return [*fitted.rows, *external]


def _ensemble(
    rows: Sequence[ScoreRow], present: Sequence[str], entries: dict[str, ModelEntry], notes: list[str]
) -> list[ScoreRow]:
    """Average the networks: the paper's, or all where there are not two of the paper's."""
    members = [name for name in present if name in PAPER_NETWORKS]
    members = members if len(members) > 1 else [name for name in present if name in NETWORKS]
    if ENSEMBLE in present or len(members) < 2:
        return []
    try:
        together = ensemble_rows(rows, models=members, name=ENSEMBLE)
    except BadInputError as error:
        notes.append(f"There is no ensemble of the networks: {error}.")
        return []
    looks = max(entries[name].external_looks for name in members)
    details = {"title": f"Ensemble of {len(members)} networks", "members": members}
    entries[ENSEMBLE] = _entry(together, looks=looks, details=details)
    return together


def _entry(rows: Sequence[ScoreRow], *, looks: int, details: Mapping[str, Any]) -> ModelEntry:
    held_out = [row for row in rows if row.kind == "out_of_fold"]
    high = [row.high for row in held_out]
    youden, sensitive = thresholds_of([row.score for row in held_out], high) if len({*high}) == 2 else (None, None)
    return ModelEntry(youden, sensitive, looks, details)


def _without_scores(models: Sequence[ScoredModel], cohort: RiskCohort) -> list[str]:
    """Name the models that lack cases of the cohort, such as those without a ROI."""
    lacking: dict[tuple[str, int], list[str]] = defaultdict(list)
    for model in models:
        for kind in JUDGED:
            of_split = cohort.of_split("external" if kind == "external" else "training").cases
            if kind in model.of_kind and (number := len(of_split) - len(model.of_kind[kind].cases)):
                lacking[KIND_TITLES[kind].lower(), number].append(model.title)
    return [
        f"{counted(number, 'case')} of the cohort ({where}) without a score of {joined(titles)}: not counted there."
        for (where, number), titles in lacking.items()
    ]
