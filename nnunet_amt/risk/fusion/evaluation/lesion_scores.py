"""The probabilities of every model beside the cohort's cases, held against it, and what has to be said of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError, SplitLeakageError, UnmatchedCasesError
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.fusion.class_scores import CLASS_SCORES_FILE, ClassScore, ClassScoreTable, read_class_scores
from nnunet_amt.risk.fusion.fusion_settings import CLINICAL_CTC, DMFN, REGNET, TITLES
from nnunet_amt.risk.fusion.lesion_case import BINARY_CLASSES, MALIGNANT, LesionCase, LesionCohort, LesionSplit, Task
from nnunet_amt.statistics.intervals import several_each
from nnunet_amt.writing.numbers import counted, joined

JUDGED: tuple[LesionSplit, ...] = ("tuning", "external")
SPLIT_TITLES: Mapping[LesionSplit, str] = {
    "training": "Training cases",
    "tuning": "Tuning cases",
    "external": "External cases",
}
_AGAIN = "train the models again"


@dataclass(frozen=True, eq=False)
class SplitScores:
    """What a model says of the cases of a split, in the order of their names.

    `reference` is the number of the class of each, (cases,); `ensemble` has the mean of the probabilities over all
    seeds, (cases, classes), and `of_seed` those of each.
    """

    cases: tuple[LesionCase, ...]
    reference: NDArray[np.intp]
    ensemble: NDArray[np.float64]
    of_seed: Mapping[int, NDArray[np.float64]]

    @property
    def patients(self) -> list[str]:
        """Of the cases."""
        return [case.patient for case in self.cases]

    @property
    def malignant(self) -> NDArray[np.bool_]:
        """Whether each is malignant, (cases,)."""
        return np.array([case.malignant for case in self.cases], dtype=bool)

    @property
    def malignant_score(self) -> NDArray[np.float64]:
        """Probability of malignancy by the ensemble, (cases,); of the binary task."""
        return self.ensemble[:, BINARY_CLASSES.index(MALIGNANT)]

    def only(self, case_ids: Collection[str]) -> SplitScores:
        """Give some of the cases."""
        kept = [place for place, case in enumerate(self.cases) if case.case_id in case_ids]
        of_seed = {seed: table[kept] for seed, table in self.of_seed.items()}
        cases = tuple(self.cases[place] for place in kept)
        return SplitScores(cases, self.reference[kept], self.ensemble[kept], of_seed)

    def shared_with(self, other: SplitScores) -> tuple[SplitScores, SplitScores]:
        """Give the cases that another model scored too, by both."""
        both = {case.case_id for case in self.cases} & {case.case_id for case in other.cases}
        return self.only(both), other.only(both)


@dataclass(frozen=True, eq=False)
class ScoredLesionModel:
    """A model with its scores; splits without any are absent."""

    name: str
    of_split: Mapping[LesionSplit, SplitScores]
    seeds: tuple[int, ...]

    @property
    def title(self) -> str:
        """As tables name it."""
        return TITLES.get(self.name, self.name)


@dataclass(frozen=True, eq=False)
class LesionScores:
    """All models of a task, in the order of `fusion_settings.TITLES`, and what is missing of them.

    `benign_classes` are the numbers of the classes whose cases in the cohort are all benign.
    """

    task: Task
    classes: tuple[str, ...]
    benign_classes: frozenset[int]
    models: tuple[ScoredLesionModel, ...]
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[LesionSplit, ...]:
        """Those of `JUDGED` that any model has scores of."""
        return tuple(split for split in JUDGED if any(split in model.of_split for model in self.models))

    @property
    def last_split(self) -> LesionSplit:
        """The external cases, which no choice was made on; the tuning cases where there are none."""
        return self.splits[-1]

    def named(self, name: str) -> ScoredLesionModel | None:
        """Give a model by its name; None where it has no scores."""
        return next((model for model in self.models if model.name == name), None)

    def of(self, name: str, split: LesionSplit) -> SplitScores | None:
        """Give the scores of a model and split; None where there are none."""
        model = self.named(name)
        return None if model is None else model.of_split.get(split)


def gather_lesion_scores(folder: Path, cohort: LesionCohort, *, task: Task) -> LesionScores:
    """Read the class scores of a folder and hold them against the cohort.

    Parameters
    ----------
    folder
        With ``class_scores.csv`` of the task.
    cohort
        Every scored case must be in it.

    Raises
    ------
    BadInputError
        If the file cannot be read, has other classes than the cohort, no tuning or external case, or differs from the
        cohort in a case's class.
    UnmatchedCasesError
        If a scored case is not in the cohort.
    SplitLeakageError
        If a case stands in another split than in the cohort.
    """
    table, path = read_class_scores(folder), folder / CLASS_SCORES_FILE
    _require_fitting(path, table, cohort, task)
    titles, cases = list(TITLES), {case.case_id: case for case in cohort.cases}
    order = sorted(table.models, key=lambda name: titles.index(name) if name in titles else len(titles))
    models = tuple(_model(name, table, cases) for name in order)
    scores = LesionScores(task, table.classes, _benign(table.classes, cohort, task), models)
    if not scores.splits:
        raise BadInputError(f"{path}: has no tuning and no external case, of which models are judged; {_AGAIN}")
    return replace(scores, notes=tuple(_notes(scores, cohort)))


def _model(name: str, table: ClassScoreTable, cases: Mapping[str, LesionCase]) -> ScoredLesionModel:
    seeds, of_split = table.seeds(name), {}
    for split in ("training", *JUDGED):
        rows = table.of(name, split)
        if rows:
            of_seed = {seed: _array(table.of(name, split, seed)) for seed in seeds}
            reference = np.array([table.classes.index(row.reference) for row in rows], dtype=np.intp)
            of_split[split] = SplitScores(tuple(cases[row.case_id] for row in rows), reference, _array(rows), of_seed)
    return ScoredLesionModel(name, of_split, seeds)


def _array(rows: Sequence[ClassScore]) -> NDArray[np.float64]:
    return np.array([row.probabilities for row in rows], dtype=float)


def _benign(classes: Sequence[str], cohort: LesionCohort, task: Task) -> frozenset[int]:
    kinds = {name: {case.malignant for case in cohort.cases if case.class_of(task) == name} for name in classes}
    return frozenset(place for place, name in enumerate(classes) if kinds[name] == {False})


def _require_fitting(path: Path, table: ClassScoreTable, cohort: LesionCohort, task: Task) -> None:
    expected = cohort.classes_of(task)
    if set(table.classes) != set(expected):
        raise BadInputError(
            f"{path}: has the classes {', '.join(table.classes)}, the cohort has {', '.join(expected)}; give the class "
            f"map of before, or {_AGAIN}"
        )
    cases = {case.case_id: case for case in cohort.cases}
    for row in table.rows:
        where = f"{path}, {row.model}, case {row.case_id}"
        case = cases.get(row.case_id)
        if case is None:
            raise UnmatchedCasesError(
                f"{where}: is not in the cohort; give the dataset that was trained on, or {_AGAIN}"
            )
        if case.split != row.split:
            raise SplitLeakageError(
                f"{where}: is a case of split {row.split} here, of split {case.split} in the cohort; {_AGAIN}"
            )
        if (of_cohort := case.class_of(task)) != row.reference:
            raise BadInputError(f"{where}: is {row.reference} here and {of_cohort} in the cohort; {_AGAIN}")


def _notes(scores: LesionScores, cohort: LesionCohort) -> list[str]:
    notes = []
    if missing := [TITLES[name] for name in (DMFN, REGNET) if scores.named(name) is None]:
        notes.append(
            f"The main comparison, of the DMFN with the monomodal network, is missing: no scores of {joined(missing)}."
        )
    if scores.named(CLINICAL_CTC) is None:
        notes.append(
            "No baseline of clinical data and CTC without images was scored: without it nobody can tell what the "
            "images are worth."
        )
    for model in scores.models:
        for split in JUDGED:
            of_task = sum(case.class_of(scores.task) is not None for case in cohort.of_split(split))
            scored = len(model.of_split[split].cases) if split in model.of_split else 0
            if scored < of_task:
                lacking = f"{of_task - scored} of {of_task} {SPLIT_TITLES[split].lower()} have no score"
                notes.append(f"{model.title}: {lacking} and are not counted.")
    if (dmfn := scores.named(DMFN)) is not None and len(dmfn.seeds) == 1:
        notes.append("The DMFN was trained once: how far chance moves its figures is not known.")
    if "external" not in scores.splits:
        notes.append("There are no scores of external cases, so nothing is known of other centres.")
    return [*notes, *_notes_of_cases(scores)]


def _notes_of_cases(scores: LesionScores) -> list[str]:
    """Say where few cases make a threshold, and where patients have several."""
    notes = []
    tuning = max((len(m.of_split["tuning"].cases) for m in scores.models if "tuning" in m.of_split), default=0)
    if scores.task == "binary" and 0 < tuning < FEWEST_CASES:
        notes.append(f"Thresholds are of {counted(tuning, 'tuning case')}: of so few they are largely chance.")
    every = [split for model in scores.models for name, split in model.of_split.items() if name in JUDGED]
    if any(several_each(split.patients) is not None for split in every):
        notes.append(
            "Some patients have several cases: intervals and tests of AUCs allow for it, those of rates (Wilson, "
            "McNemar) take cases for independent and are too narrow."
        )
    return notes
