"""Scores of the radiomics models: out of fold for development cases, and of one refit for external cases."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import SplitLeakageError, TooFewCasesError, missing_extra
from nnunet_amt.risk.folds import grouped_folds
from nnunet_amt.risk.radiomics.feature_tables import DEVELOPMENT, FEWEST_READ_TWICE, FeatureTable
from nnunet_amt.risk.scores import Kind, ScoreRow
from nnunet_amt.statistics.agreement import Agreement, icc_agreement

if TYPE_CHECKING:
    from imblearn.pipeline import Pipeline

LEARNERS = ("Rad_LR", "Rad_SVM", "Rad_KNN", "Rad_ExtraTrees", "Rad_MLP")


class RiskPatient(Protocol):
    """What is asked of a case; a `RiskCase` has it."""

    @property
    def case_id(self) -> str:
        """Its name in the table of features."""

    @property
    def patient(self) -> str:
        """Whose tumour it is: cases of one patient stay together."""

    @property
    def split(self) -> str:
        """``training`` for development cases, another for external ones."""

    @property
    def high(self) -> bool:
        """Whether the risk is high."""


@dataclass(frozen=True)
class SelectedFeature:
    """A feature of the refit on all development cases; `folds` counts in how many folds it was selected too.

    `icc_low` is the lower limit of the 95% interval of its ICC: of few cases that were read twice it is far below.
    """

    name: str
    coefficient: float
    icc: float | None
    icc_low: float | None
    folds: int


@dataclass(frozen=True)
class RadiomicsScores:
    """Scores of all models, the features of the refit, and what a step could not do as the paper says.

    A warning begins with where it arose: ``fold 2: ...``, ``refit: ...``, ``cases: ...``.
    """

    rows: tuple[ScoreRow, ...]
    selected: tuple[SelectedFeature, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Cases:
    """Cases with features, and those of the second reading, NaN where there is none."""

    cases: tuple[RiskPatient, ...]
    first: NDArray[np.float64]  # (cases, features)
    second: NDArray[np.float64]  # (cases, features)

    @property
    def case_ids(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(case.case_id for case in self.cases)

    @property
    def patients(self) -> tuple[str, ...]:
        """Whose each is."""
        return tuple(case.patient for case in self.cases)

    @property
    def high(self) -> NDArray[np.bool_]:
        """Which are of high risk."""
        return np.array([case.high for case in self.cases], bool)

    @property
    def named(self) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
        """Names and risks."""
        return self.case_ids, self.high

    def agreement(self, rows: NDArray[np.int_]) -> Agreement | None:
        """ICC of each feature of the cases in these rows that were read twice; None of fewer than three."""
        twice = rows[np.isfinite(self.second[rows]).all(axis=1)]
        if len(twice) < FEWEST_READ_TWICE:
            return None
        return icc_agreement(np.stack([self.first[twice], self.second[twice]], axis=1))

    def icc(self, rows: NDArray[np.int_]) -> NDArray[np.float64] | None:
        """Give the estimates of `agreement`."""
        found = self.agreement(rows)
        return None if found is None else found.icc


def radiomics_scores(
    cases: Sequence[RiskPatient],
    features: FeatureTable,
    second: FeatureTable,
    *,
    folds: int = 5,
    seed: int = 0,
    learners: tuple[str, ...] = LEARNERS,
    paper_order: bool = False,
    progress: Progress = silent,
) -> RadiomicsScores:
    """Score development cases by models that never saw their patient, and external cases by one refit on all others.

    Everything that is learnt of cases (z-score, ICC, Pearson, LASSO, SMOTE) is learnt inside the folds. The refit on
    all development cases also scores these, as ``training``.

    Parameters
    ----------
    paper_order
        Select features and make up SMOTE's cases on all development cases first, then cross-validate the learners on
        all these, made-up ones (``smote_0``, ...) among them: what the paper's order of steps does, to be shown beside
        ours and nowhere else.

    Raises
    ------
    SplitLeakageError
        If a patient has development and external cases.
    TooFewCasesError
        If fewer than two development patients with features have low, or high, risk.
    MissingExtraError
        If imbalanced-learn is not installed.
    """
    _require_extra()
    _require_apart(cases)
    development = _with_features([case for case in cases if case.split == DEVELOPMENT], features, second)
    external = _with_features([case for case in cases if case.split != DEVELOPMENT], features, second)
    notes = _without_features(cases, development, external)
    number = _possible_folds(development, folds, notes)
    rows: list[ScoreRow] = []
    counts: Counter[int] = Counter()
    everybody = np.arange(len(development.case_ids))
    if paper_order:
        rows += _paper_order_rows(development, number, seed=seed, learners=learners, notes=notes)
    else:
        splits = grouped_folds(development.cases, folds=number, seed=seed)
        for fold, (train, test) in enumerate((np.array(kept), np.array(held_out)) for kept, held_out in splits):
            progress(fold, number + 1, "training radiomics models")
            pipeline = _fitted(development, train, seed=seed, learners=learners, place=f"fold {fold}", notes=notes)
            counts.update(_columns(pipeline).tolist())
            rows += _rows(
                *development.named, test, pipeline.predict(development.first[test]), "out_of_fold", fold, learners
            )
    progress(number, number + 1, "training radiomics models")
    refit = _fitted(development, everybody, seed=seed, learners=learners, place="refit", notes=notes)
    rows += _rows(*development.named, everybody, refit.predict(development.first), "training", None, learners)
    if external.case_ids:
        all_external = np.arange(len(external.case_ids))
        rows += _rows(*external.named, all_external, refit.predict(external.first), "external", None, learners)
    progress(number + 1, number + 1, "training radiomics models")
    selected = _selected(refit, features.names, development.agreement(everybody), counts)
    return RadiomicsScores(tuple(rows), selected, tuple(notes))


def _require_extra() -> None:
    try:
        import imblearn  # noqa: F401
    except ImportError as error:
        raise missing_extra("radiomics", "risk") from error


def _require_apart(cases: Sequence[RiskPatient]) -> None:
    of_development = {case.patient: case.case_id for case in cases if case.split == DEVELOPMENT}
    for case in cases:
        if case.split != DEVELOPMENT and case.patient in of_development:
            raise SplitLeakageError(
                f"radiomics: cases {of_development[case.patient]!r} (development) and {case.case_id!r} (external) are "
                "of one patient; take one of them out"
            )


def _with_features(cases: Sequence[RiskPatient], features: FeatureTable, second: FeatureTable) -> _Cases:
    known = set(features.case_ids)
    found = tuple(case for case in cases if case.case_id in known)
    case_ids = tuple(case.case_id for case in found)
    return _Cases(found, features.rows(case_ids), second.rows(case_ids))


def _without_features(cases: Sequence[RiskPatient], *found: _Cases) -> list[str]:
    known = {case_id for some in found for case_id in some.case_ids}
    missing = [case.case_id for case in cases if case.case_id not in known]
    return [f"cases: without features and so without scores: {', '.join(missing)}"] if missing else []


def _possible_folds(cases: _Cases, wanted: int, notes: list[str]) -> int:
    """Give as many folds as are wanted, or as there are patients of the rarer risk; note if it is fewer."""
    patients = {risk: {cases.patients[at] for at in np.flatnonzero(cases.high == risk)} for risk in (False, True)}
    rarer = min((False, True), key=lambda risk: len(patients[risk]))
    number = len(patients[rarer])
    if number < 2:
        raise TooFewCasesError(
            f"radiomics: {number} development patients with features have {'high' if rarer else 'low'} risk, at least "
            "2 are needed to cross-validate; add cases"
        )
    if number < wanted:
        notes.append(f"cases: {number} folds in place of {wanted}, as many as patients of the rarer risk")
    return min(number, wanted)


def _fitted(
    cases: _Cases, rows: NDArray[np.int_], *, seed: int, learners: tuple[str, ...], place: str, notes: list[str]
) -> Pipeline:
    """Fit the pipeline on rows of the cases, and note what it warns of, each once."""
    from nnunet_amt.risk.radiomics.learners import radiomics_pipeline

    if len(set(cases.high[rows].tolist())) < 2:
        raise TooFewCasesError(
            f"radiomics: all {len(rows)} training cases of {place} have one risk; take fewer folds or another seed"
        )
    pipeline = radiomics_pipeline(learners=learners, seed=seed)
    with _noting(place, notes):
        pipeline.fit(
            cases.first[rows],
            cases.high[rows].astype(int),
            repeatable__icc=cases.icc(rows),
            lasso__patients=[cases.patients[row] for row in rows],
        )
    return pipeline


@contextmanager
def _noting(place: str, notes: list[str]) -> Iterator[None]:
    """Turn the warnings of a fit into notes, each once, with the place where they arose."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    notes += dict.fromkeys(f"{place}: {str(one.message).splitlines()[0]}" for one in caught)


def _columns(pipeline: Pipeline) -> NDArray[np.intp]:
    from nnunet_amt.risk.radiomics.learners import selected_columns

    return selected_columns(pipeline)[0]


def _rows(
    case_ids: Sequence[str],
    high: NDArray[np.int_] | NDArray[np.bool_],
    places: NDArray[np.int_],
    scores: NDArray[np.float64],
    kind: Kind,
    fold: int | None,
    learners: tuple[str, ...],
) -> list[ScoreRow]:
    return [
        ScoreRow(model, kind, fold, case_ids[place], high=bool(high[place]), score=float(scores[row, column]))
        for column, model in enumerate(learners)
        for row, place in enumerate(places)
    ]


def _paper_order_rows(
    cases: _Cases, folds: int, *, seed: int, learners: tuple[str, ...], notes: list[str]
) -> list[ScoreRow]:
    """Cross-validate the learners on what was selected and made up of all cases, and count the made-up ones too."""
    from sklearn.model_selection import StratifiedKFold

    from nnunet_amt.risk.radiomics.learners import Learners, radiomics_pipeline

    everybody, high = np.arange(len(cases.case_ids)), cases.high.astype(int)
    with _noting("paper's order", notes):
        steps = radiomics_pipeline(learners=learners, seed=seed)[:-1]
        given = {"repeatable__icc": cases.icc(everybody), "lasso__patients": cases.patients}
        selected, risks = steps.fit_resample(cases.first, high, **given)  # the real cases come first
        names = (*cases.case_ids, *(f"smote_{number}" for number in range(len(risks) - len(everybody))))
        rows: list[ScoreRow] = []
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(selected, risks)
        for fold, (train, test) in enumerate(splits):
            scores = Learners(learners, seed).fit(selected[train], risks[train]).predict(selected[test])
            rows += _rows(names, risks, test, scores, "out_of_fold", fold, learners)
    return rows


def _selected(
    refit: Pipeline, names: Sequence[str], agreement: Agreement | None, counts: Counter[int]
) -> tuple[SelectedFeature, ...]:
    """Features of the refit, the largest coefficient first."""
    from nnunet_amt.risk.radiomics.learners import selected_columns

    columns, coefficients = selected_columns(refit)
    order = np.argsort(-np.abs(coefficients), kind="stable")
    return tuple(
        SelectedFeature(
            names[columns[at]],
            float(coefficients[at]),
            None if agreement is None else float(agreement.icc[columns[at]]),
            None if agreement is None else float(agreement.low[columns[at]]),
            counts[int(columns[at])],
        )
        for at in order
    )
