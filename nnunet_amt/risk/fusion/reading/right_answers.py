"""Readers who name one of several things: how often they are right without and with CTC, and beside the model."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.risk.reading.reader_question import ReaderQuestion
from nnunet_amt.statistics.intervals import percentile_interval, resampled_sums, sums_of_clusters, with_width
from nnunet_amt.statistics.rates import Rate
from nnunet_amt.statistics.reader_table import Readings
from nnunet_amt.statistics.tests import holm, mcnemar_p, permutation_p

ALL_READERS = "all readers"
_RESAMPLES = 2000
Right = NDArray[np.bool_]
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class RightAlone:
    """On how many cases only the first of two is right, and only the second; McNemar's exact p-value, and by Holm."""

    first: int
    second: int
    p: float
    p_holm: float


@dataclass(frozen=True)
class ShareComparison:
    """Shares of right answers of two on the same cases, and the difference: second less first.

    The interval is the bootstrap's over patients, `p` that of a permutation of each patient's two shares; readers are
    these alone. All three are None of few patients.
    """

    shares: tuple[float, float]
    difference: float
    interval: tuple[float, float] | None
    p: float | None
    p_holm: float | None


@dataclass(frozen=True)
class RightReader:
    """A reader without CTC and with it; `change` is of the cases that are right with one of the two alone."""

    name: str
    level: str
    rates: tuple[Rate, Rate]
    change: RightAlone


@dataclass(frozen=True, eq=False)
class ModelAnswers:
    """The model's first answers, (cases,), their rate, and what it is beside readers, by these and their condition.

    The reader or readers are the first of each comparison, the model is the second.
    """

    answers: NDArray[np.float64]
    rate: Rate
    readers: Mapping[tuple[str, str], RightAlone]
    groups: Mapping[tuple[str, str], ShareComparison]


@dataclass(frozen=True, eq=False)
class RightAnswers:
    """What readers answered: `reference` is the right answer, (cases,), as a place among the question's answers."""

    question: ReaderQuestion
    readings: Readings
    reference: NDArray[np.float64]
    readers: tuple[RightReader, ...]
    groups: Mapping[str, ShareComparison]
    model: ModelAnswers | None
    simulated: bool


def count_right(
    question: ReaderQuestion,
    table: ReaderTable,
    readings: Readings,
    reference: NDArray[np.float64],
    patients: Sequence[str],
    *,
    model: NDArray[np.float64] | None = None,
    simulated: bool = False,
    seed: int = 0,
) -> RightAnswers:
    """Count the right answers of readers in either condition, and test what changes from one to the other.

    Parameters
    ----------
    table, readings
        The same ratings, as places among the answers: by rows, and in order.
    reference, patients
        Of the cases of `readings`, (cases,).
    model
        Its first answer, (cases,); None where it answers no such question.
    simulated, seed
        Whether readers are no people; of the bootstrap and the permutations.
    """
    right = readings.ratings == reference  # (conditions, readers, cases)
    levels = dict.fromkeys(table.levels.values())
    members = {ALL_READERS: readings.readers} | (
        {level: table.of_level(level) for level in levels} if len(levels) > 1 else {}
    )
    means = {
        group: right[:, [readings.readers.index(name) for name in names]].mean(axis=1)  # (conditions, cases)
        for group, names in members.items()
    }
    changes = right_alone([(right[0, place], right[1, place]) for place in range(len(readings.readers))])
    readers = [
        RightReader(name, table.levels[name], (_rate(right[0, place]), _rate(right[1, place])), changes[place])
        for place, name in enumerate(readings.readers)
    ]
    groups = compare_shares({group: (both[0], both[1]) for group, both in means.items()}, patients, seed=seed)
    answered = None if model is None else _model(readings, right, means, model, model == reference, patients, seed)
    order = list(levels)
    in_order = tuple(sorted(readers, key=lambda one: order.index(one.level)))
    return RightAnswers(question, readings, reference, in_order, groups, answered, simulated)


def right_alone(pairs: Sequence[tuple[Right, Right]]) -> tuple[RightAlone, ...]:
    """Compare pairs of who is right on the same cases, (cases,) each, by McNemar's exact test, Holm over all."""
    counts = [(int((first & ~second).sum()), int((second & ~first).sum())) for first, second in pairs]
    p_values = [mcnemar_p(*both) for both in counts]
    return tuple(
        RightAlone(*both, p, corrected) for both, p, corrected in zip(counts, p_values, holm(p_values), strict=True)
    )


def compare_shares(
    pairs: Mapping[_Key, tuple[NDArray[np.float64], NDArray[np.float64]]], patients: Sequence[str], *, seed: int = 0
) -> dict[_Key, ShareComparison]:
    """Compare pairs of shares of right answers of the same cases, (cases,) each; Holm over all.

    Cases of a patient are drawn, and change places, together.
    """
    found = {name: _compared(first, second, patients, seed) for name, (first, second) in pairs.items()}
    tested = {name: one.p for name, one in found.items() if one.p is not None}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return {name: replace(one, p_holm=corrected.get(name)) for name, one in found.items()}


def _compared(
    first: NDArray[np.float64], second: NDArray[np.float64], patients: Sequence[str], seed: int
) -> ShareComparison:
    shares = float(first.mean()), float(second.mean())
    sums = sums_of_clusters(np.stack([second - first, np.ones(first.size)], axis=1), patients)  # (patients, 2)
    if len(sums) < FEWEST_CASES:
        return ShareComparison(shares, shares[1] - shares[0], None, None, None)
    drawn = resampled_sums(sums, resamples=_RESAMPLES, seed=seed)
    low, high = percentile_interval(drawn[:, :1] / drawn[:, 1:])
    interval = with_width((float(low[0]), float(high[0])))
    return ShareComparison(shares, shares[1] - shares[0], interval, permutation_p(sums[:, 0], seed=seed), None)


def _model(
    readings: Readings,
    right: Right,
    means: Mapping[str, NDArray[np.float64]],
    answers: NDArray[np.float64],
    model_right: Right,
    patients: Sequence[str],
    seed: int,
) -> ModelAnswers:
    keys = [(name, condition) for name in readings.readers for condition in readings.conditions]
    of_reader = np.swapaxes(right, 0, 1).reshape(len(keys), -1)  # reader by reader, each without and with
    shares = {
        (group, condition): (both[place], model_right.astype(float))
        for group, both in means.items()
        for place, condition in enumerate(readings.conditions)
    }
    return ModelAnswers(
        answers,
        _rate(model_right),
        dict(zip(keys, right_alone([(one, model_right) for one in of_reader]), strict=True)),
        compare_shares(shares, patients, seed=seed),
    )


def _rate(right: Right) -> Rate:
    return Rate(int(right.sum()), right.size)
