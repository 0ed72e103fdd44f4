"""What readers see without and with a help: each, all over readers and cases, and levels against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.evaluation.performance import AucEstimate
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.risk.reading.reader_question import RISK_QUESTION, ReaderQuestion
from nnunet_amt.statistics.rates import Rate, confusion
from nnunet_amt.statistics.reader_groups import GroupComparison, compare_groups
from nnunet_amt.statistics.reader_table import Readings, gather_readings
from nnunet_amt.statistics.readers import ReaderComparison, ReaderStudy, analyse_readers
from nnunet_amt.statistics.roc import delong
from nnunet_amt.statistics.tests import holm


class ReadCase(Protocol):
    """What of a case a reader study needs; a `RiskCase` has it."""

    @property
    def case_id(self) -> str:
        """Its name in the reader table."""

    @property
    def high(self) -> bool:
        """Whether the right answer is yes: it is of high risk."""

    @property
    def split(self) -> str:
        """``training`` for a case that models were trained on."""


@dataclass(frozen=True)
class Reads:
    """AUC and rates of a reader, or of the model, on the cases of the study."""

    estimate: AucEstimate
    rates: Mapping[str, Rate]


@dataclass(frozen=True)
class OneReader:
    """A reader without (`first`) and with the help (`second`); `p_holm` is corrected over the readers."""

    name: str
    level: str
    first: Reads
    second: Reads
    comparison: ReaderComparison
    p_holm: float | None


@dataclass(frozen=True, eq=False)
class ReaderAnalysis:
    """What a reader study found.

    `study` is of all readers, `of_level` of those of each level; `between_levels` compares levels, by a title.
    `high_from` is the rating from which on a case counts as high risk, `notes` what has to be said.
    """

    question: ReaderQuestion
    readings: Readings
    model: Reads | None
    model_scores: NDArray[np.float64] | None
    readers: tuple[OneReader, ...]
    study: ReaderStudy
    of_level: Mapping[str, ReaderStudy]
    between_levels: Mapping[str, GroupComparison]
    graded: bool
    simulated: bool
    high_from: float
    notes: tuple[str, ...]

    @property
    def few(self) -> bool:
        """Whether the cases are so few that intervals and p-values of AUCs are withheld."""
        return len(self.readings.cases) < FEWEST_CASES

    @property
    def levels(self) -> tuple[str, ...]:
        """Those that readers have, in order."""
        return tuple(dict.fromkeys(one.level for one in self.readers))


def analyse_study(
    table: ReaderTable,
    cases: Sequence[ReadCase],
    *,
    model_scores: Mapping[str, float] | None = None,
    model_threshold: float | None = None,
    high_from: float | None = None,
    simulated: bool = False,
    question: ReaderQuestion = RISK_QUESTION,
) -> ReaderAnalysis:
    """Analyse a reader study; see `nnunet_amt.risk.reading.reader_study.write_reader_study`."""
    if table.graded and high_from is None:
        raise BadInputError(
            "the ratings are graded, not yes and no: say from which rating on a case is called "
            f"{question.classes[1]} (high_from)"
        )
    cut = 1.0 if high_from is None else high_from
    readings = gather_readings(
        table.rows,
        high={case.case_id: case.high for case in cases},
        conditions=question.conditions,
    )
    study = analyse_readers(readings)
    scores = None if model_scores is None else _scores_of(readings, model_scores)
    levels = dict.fromkeys(table.levels.values())
    return ReaderAnalysis(
        question,
        readings,
        None if scores is None or model_threshold is None else _reads(scores, readings.high, model_threshold),
        scores,
        _readers(table, readings, study, cut),
        study,
        {level: analyse_readers(readings.of(table.of_level(level))) for level in levels} if len(levels) > 1 else {},
        _between(table, readings, tuple(levels)),
        table.graded,
        simulated,
        cut,
        tuple(_notes(readings, cases, question, simulated)),
    )


def _scores_of(readings: Readings, scores: Mapping[str, float]) -> NDArray[np.float64]:
    if missing := [case for case in readings.cases if case not in scores]:
        raise UnmatchedCasesError(
            f"case {missing[0]} was read, but the model has no score of it ({len(missing)} such cases); score it, or "
            "leave the model out"
        )
    return np.array([scores[case] for case in readings.cases], dtype=float)


def _readers(table: ReaderTable, readings: Readings, study: ReaderStudy, cut: float) -> tuple[OneReader, ...]:
    """Give the readers by level, in the order of the levels in the file."""
    tested = [one for one in study.readers if one.difference.p is not None]
    corrected = dict(
        zip([one.reader for one in tested], holm([one.difference.p or 0.0 for one in tested]), strict=True)
    )
    order = list(dict.fromkeys(table.levels.values()))
    found = [
        OneReader(
            one.reader,
            table.levels[one.reader],
            _reads(readings.ratings[0, place], readings.high, cut),
            _reads(readings.ratings[1, place], readings.high, cut),
            one,
            corrected.get(one.reader),
        )
        for place, one in enumerate(study.readers)
    ]
    return tuple(sorted(found, key=lambda one: order.index(one.level)))


def _reads(scores: NDArray[np.float64], high: NDArray[np.bool_], threshold: float) -> Reads:
    found = delong(scores, high)
    interval = found.interval if high.size >= FEWEST_CASES else None
    estimate = AucEstimate(high.size, int(high.sum()), found.auc, interval, by_patient=False)
    return Reads(estimate, confusion(scores, high, threshold=threshold).rates())


def _between(table: ReaderTable, readings: Readings, levels: tuple[str, ...]) -> dict[str, GroupComparison]:
    """Compare each level with those after it: both without, both with, and the first with help, the other without."""
    without, helped = readings.conditions
    found = {}
    for place, first in enumerate(levels):
        for second in levels[place + 1 :]:
            for one, other in ((without, without), (helped, helped), (helped, without)):
                groups = (one, table.of_level(first)), (other, table.of_level(second))
                found[f"{first} {one}, {second} {other}"] = compare_groups(readings, *groups)
    return found


def _notes(readings: Readings, cases: Sequence[ReadCase], question: ReaderQuestion, simulated: bool) -> list[str]:
    read, notes = set(readings.cases), []
    if simulated:
        notes.append(question.simulated)
    trained = sum(case.split == "training" for case in cases if case.case_id in read)
    if trained:
        notes.append(f"{trained} of the {len(read)} cases {question.trained}")
    return notes
