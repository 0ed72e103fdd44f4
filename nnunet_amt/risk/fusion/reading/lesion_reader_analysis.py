"""What surgeons see in lesions without and with CTC: diagnosis, management, class; and the model on the same cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError, TooFewCasesError, UnmatchedCasesError
from nnunet_amt.risk.fusion.class_scores import SPLITS, ClassScoreTable, tuning_threshold
from nnunet_amt.risk.fusion.lesion_case import MALIGNANT, LesionCase, LesionCohort, Task
from nnunet_amt.risk.fusion.reading.lesion_questions import DECISIONS, DIAGNOSIS, MANAGEMENT, SURGERY, questions_of
from nnunet_amt.risk.fusion.reading.macro_points import MacroPoints, macro_points
from nnunet_amt.risk.fusion.reading.model_comparison import ModelComparison, compare_model
from nnunet_amt.risk.fusion.reading.right_answers import RightAnswers, count_right
from nnunet_amt.risk.reading.reader_analysis import ReaderAnalysis, analyse_study
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.risk.reading.reader_question import ReaderQuestion
from nnunet_amt.statistics.reader_table import gather_readings

_SURGERY = float(DECISIONS.index(SURGERY))
_FEWEST_OF_CLASS = 2  # for the variance of an AUC


@dataclass(frozen=True)
class ReadLesion:
    """A case as a reader study of one question has it; see `nnunet_amt.risk.reading.reader_analysis.ReadCase`."""

    case_id: str
    high: bool
    split: str


@dataclass(frozen=True, eq=False)
class ModelScores:
    """What the ensemble of a model says of cases, by their names: the probabilities of `classes`.

    `threshold` is Youden's on the tuning cases, from which on it says malignant; None of many classes, and without
    tuning cases of both.
    """

    title: str
    classes: tuple[str, ...]
    probabilities: Mapping[str, tuple[float, ...]]
    threshold: float | None

    def of(self, case_ids: Sequence[str]) -> NDArray[np.float64]:
        """Give the probabilities of cases, (cases, classes).

        Raises
        ------
        UnmatchedCasesError
            If one has none.
        """
        if missing := [case for case in case_ids if case not in self.probabilities]:
            raise UnmatchedCasesError(
                f"case {missing[0]} was read, but {self.title} has no score of it ({len(missing)} such cases); score "
                "it, or leave the model out"
            )
        return np.array([self.probabilities[case] for case in case_ids], dtype=float)


@dataclass(frozen=True, eq=False)
class LesionReaderStudy:
    """What a reader study of a task found.

    `yes_or_no` are the questions that have AUCs (the decision as surgery or not), `named` those of which answers are
    right or wrong. `comparison` is of the model and the diagnosis, `macro` of the classes; None where there is none.
    """

    task: Task
    yes_or_no: Mapping[str, ReaderAnalysis]
    named: Mapping[str, RightAnswers]
    comparison: ModelComparison | None
    macro: MacroPoints | None
    model: ModelScores | None
    simulated: bool
    notes: tuple[str, ...]


def model_scores(scores: ClassScoreTable, *, task: Task, classes: Sequence[str], model: str) -> ModelScores:
    """Take what the ensemble of a model says from the table of scores.

    Raises
    ------
    BadInputError
        If the table is of other classes, or has no such model.
    """
    if scores.classes != tuple(classes):
        raise BadInputError(
            f"the scores are of the classes {', '.join(scores.classes)}, the {task} task has {', '.join(classes)}; "
            "give the scores of this task"
        )
    if model not in scores.models:
        raise BadInputError(f"there are no scores of {model}; name one of {', '.join(scores.models)}, or train it")
    title = model.upper() if model == DIAGNOSIS.model.lower() else model
    known = {row.case_id: row.probabilities for split in SPLITS for row in scores.of(model, split)}
    return ModelScores(title, scores.classes, known, tuning_threshold(scores, model))


def analyse_lesion_readers(
    tables: Mapping[str, ReaderTable],
    cohort: LesionCohort,
    *,
    task: Task,
    model: ModelScores | None = None,
    high_from: float | None = None,
    simulated: bool = False,
    seed: int = 0,
) -> LesionReaderStudy:
    """Analyse a reader study; see `nnunet_amt.risk.fusion.reading.lesion_reader_study.write_lesion_reader_study`."""
    classes = cohort.classes_of(task)
    asked = [question for question in questions_of(task, classes) if question.name in tables]
    if not asked:
        names = " and ".join(question.name for question in questions_of(task, classes))
        raise BadInputError(f"no reading is of the {task} task, whose questions are {names}; add rows of these")
    yes_or_no, named, macro = dict[str, ReaderAnalysis](), dict[str, RightAnswers](), None
    notes: list[str] = []
    for question in asked:
        question = question if model is None else replace(question, model=model.title)
        table = tables[question.name]
        cases = _read_cases(table, cohort)
        notes += _notes(question, cases, model, simulated)
        if question.name == DIAGNOSIS.name:
            yes_or_no[question.name] = _diagnosis(question, table, cases, model, high_from, simulated)
        elif question.name == MANAGEMENT.name:
            named[question.name] = _management(question, table, cases, simulated, seed)
            if (surgery := _surgery(question, table, simulated)) is not None:
                yes_or_no[question.name] = surgery
            else:
                notes.append(
                    "Surgery is the reference decision of all cases or of none, but for one: there is no AUC of the "
                    "decision for surgery, only how often it is right."
                )
        else:
            named[question.name] = answers = _classes(question, table, cases, model, simulated, seed)
            macro = macro_points(answers, None if model is None else model.of(answers.readings.cases))
    diagnosis = yes_or_no.get(DIAGNOSIS.name)
    threshold = None if model is None else model.threshold
    comparison = None if diagnosis is None else compare_model(diagnosis, threshold=threshold)
    said = tuple(dict.fromkeys(notes))
    return LesionReaderStudy(task, yes_or_no, named, comparison, macro, model, simulated, said)


def _read_cases(table: ReaderTable, cohort: LesionCohort) -> tuple[LesionCase, ...]:
    """Give the cases that were read, by name."""
    known = {case.case_id: case for case in cohort.cases}
    read = sorted({row.case_id for row in table.rows})
    if unknown := [case for case in read if case not in known]:
        raise UnmatchedCasesError(
            f"case {unknown[0]} was read, but takes no part in the study ({len(unknown)} such cases); name it as the "
            "dataset does, or leave its rows out"
        )
    return tuple(known[case] for case in read)


def _diagnosis(
    question: ReaderQuestion,
    table: ReaderTable,
    cases: Sequence[LesionCase],
    model: ModelScores | None,
    high_from: float | None,
    simulated: bool,
) -> ReaderAnalysis:
    malignant = sum(case.malignant for case in cases)
    if min(malignant, len(cases) - malignant) < _FEWEST_OF_CLASS:
        raise TooFewCasesError(
            f"{malignant} malignant and {len(cases) - malignant} benign cases were read; an AUC takes "
            f"{_FEWEST_OF_CLASS} of each: let more cases be read"
        )
    scores = None
    if model is not None:
        names = [case.case_id for case in cases]
        scores = dict(zip(names, model.of(names)[:, model.classes.index(MALIGNANT)], strict=True))
    return analyse_study(
        table,
        [ReadLesion(case.case_id, case.malignant, case.split) for case in cases],
        model_scores=scores,
        model_threshold=None if model is None else model.threshold,
        high_from=high_from,
        simulated=simulated,
        question=question,
    )


def _management(
    question: ReaderQuestion, table: ReaderTable, cases: Sequence[LesionCase], simulated: bool, seed: int
) -> RightAnswers:
    """Count the right decisions; a model makes none."""
    surgery = {case: right == _SURGERY for case, right in table.references.items()}
    readings = gather_readings(table.rows, high=surgery, conditions=question.conditions)
    reference = np.array([table.references[case] for case in readings.cases])
    patients = [case.patient for case in cases]
    return count_right(question, table, readings, reference, patients, simulated=simulated, seed=seed)


def _surgery(question: ReaderQuestion, table: ReaderTable, simulated: bool) -> ReaderAnalysis | None:
    """Analyse the decision as surgery or not; None where the reference has too few of either."""
    surgery = {case: right == _SURGERY for case, right in table.references.items()}
    if min(sum(surgery.values()), len(surgery) - sum(surgery.values())) < _FEWEST_OF_CLASS:
        return None
    rows = tuple(replace(row, rating=float(row.rating == _SURGERY)) for row in table.rows)
    no_model = [ReadLesion(case, high, "external") for case, high in surgery.items()]  # that was trained on them
    return analyse_study(ReaderTable(rows, table.levels), no_model, simulated=simulated, question=question)


def _classes(
    question: ReaderQuestion,
    table: ReaderTable,
    cases: Sequence[LesionCase],
    model: ModelScores | None,
    simulated: bool,
    seed: int,
) -> RightAnswers:
    if without := [case.case_id for case in cases if case.lesion_class is None]:
        raise BadInputError(
            f"case {without[0]} was read for its class, but its diagnosis is of no class of the multi-class task "
            f"({len(without)} such cases); leave its rows out"
        )
    places = np.array([question.answers.index(str(case.lesion_class)) for case in cases], dtype=float)
    readings = gather_readings(
        table.rows, high={case.case_id: case.malignant for case in cases}, conditions=question.conditions
    )
    first = None if model is None else model.of(readings.cases).argmax(axis=1).astype(float)
    patients = [case.patient for case in cases]
    return count_right(question, table, readings, places, patients, model=first, simulated=simulated, seed=seed)


def _notes(
    question: ReaderQuestion, cases: Sequence[LesionCase], model: ModelScores | None, simulated: bool
) -> Iterator[str]:
    """Say what the reader of the tables must know of the cases that were read."""
    if simulated:
        yield question.simulated
    number = len(cases)
    if without := sum(case.ctc_level is None for case in cases):
        yield (
            f"{without} of the {number} cases that were read have no level of CTC: of these readers with CTC knew no "
            "more than without."
        )
    if len({case.patient for case in cases}) < number:
        yield "Some patients have several cases, which DeLong's and Wilson's intervals take for independent."
    if model is None or question.name == MANAGEMENT.name:
        return
    if trained := sum(case.split == "training" for case in cases):
        yield f"{trained} of the {number} cases {question.trained}"
    if tuned := sum(case.split == "tuning" for case in cases):
        yield (
            f"{tuned} of the {number} cases are of the tuning cohort, by which epoch and threshold were chosen: "
            f"{model.title} looks better beside the readers than it would with new cases."
        )
