"""Reader studies: every reader rates every case in two conditions, without and with the model (Obuchowski-Rockette).

Which of the two is better is asked of the AUC averaged over readers. With random readers the answer holds for readers
like these, with fixed ones for these alone. Ratings may be graded, or 1 and 0 for yes and no.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.intervals import with_width
from nnunet_amt.statistics.reader_covariances import Covariance, ErrorCovariances, auc_covariances
from nnunet_amt.statistics.reader_table import CONDITIONS, Readings
from nnunet_amt.statistics.roc import AucDifference, AucInterval, delong, delong_test

_NO_VARIANCE = 1e-18  # what rounding can leave of none


@dataclass(frozen=True)
class VarianceComponents:
    """Of the model of Obuchowski and Rockette: what a planned study needs of this one.

    `reader` and `condition_by_reader` are variances of true AUCs, `error` that of one reader's AUC over samples of
    cases; `covariance_1` to `_3` are between AUCs on the same cases: of one reader in the two conditions, of two
    readers in one condition, of two readers in different ones. They are estimates, which can be negative; those that
    take two readers are 0 of one. `cases` is of this study: errors shrink as cases become more.
    """

    reader: float
    condition_by_reader: float
    error: float
    covariance_1: float
    covariance_2: float
    covariance_3: float
    cases: int


@dataclass(frozen=True)
class ConditionMean:
    """The AUC averaged over the readers of a condition, or of a group, with its 95% interval; None without a width."""

    condition: str
    auc: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class MeanComparison:
    """Two conditions, or two groups of readers, compared: second less first.

    `f` has 1 and `ddf` degrees of freedom; with fixed readers it is chi-squared and `ddf` infinite. `f`, the interval
    and `p` are None where nothing varies, unless the difference is zero too: then `p` is 1.
    """

    means: tuple[ConditionMean, ConditionMean]
    difference: float
    interval: tuple[float, float] | None
    f: float | None
    ddf: float
    p: float | None


@dataclass(frozen=True)
class ReaderComparison:
    """One reader, alone: AUC in either condition, and their difference by DeLong's paired test."""

    reader: str
    first: AucInterval
    second: AucInterval
    difference: AucDifference


@dataclass(frozen=True)
class GroupComparison:
    """Two groups of readers compared; `random_readers` is None where a group is of one."""

    random_readers: MeanComparison | None
    fixed_readers: MeanComparison

    @property
    def answer(self) -> MeanComparison:
        """The one to be told, see `ReaderStudy.answer`."""
        return _answer(self.random_readers, self.fixed_readers)


@dataclass(frozen=True)
class ReaderStudy:
    """The analysis of a reader study. `random_readers` is None of one reader, who tells nothing of others."""

    readers: tuple[ReaderComparison, ...]
    random_readers: MeanComparison | None
    fixed_readers: MeanComparison
    components: VarianceComponents

    @property
    def answer(self) -> MeanComparison:
        """The one to be told: of random readers, but not where it is surer than that of the very same readers.

        Two or three readers can agree by chance, so that others seem to agree too: where two say yes and no, the answer
        of random readers calls 9% of studies without a difference significant at 0.05, this one 3%.
        """
        return _answer(self.random_readers, self.fixed_readers)


def analyse_readers(readings: Readings, *, covariance: Covariance = "delong") -> ReaderStudy:
    """Compare the AUC of readers without and with the model (Obuchowski and Rockette 1995; Hillis 2007, 2014).

    Parameters
    ----------
    readings
        Of two conditions.
    covariance
        Of the AUCs over samples of cases: DeLong's (1988), or by leaving out one case at a time (jackknife), which is
        the default of other software and somewhat larger.

    Raises
    ------
    BadInputError
        If a rating is no finite number, or they are of another shape than their names.
    TooFewCasesError
        If there are not two high-risk and two low-risk cases, or there is no reader.
    """
    names = CONDITIONS, len(readings.readers), len(readings.cases)
    if readings.ratings.shape != names:
        raise BadInputError(
            f"ratings of shape {readings.ratings.shape} are given for {names} conditions, readers and cases"
        )
    _some(readings.readers)
    high = readings.high
    readers = tuple(
        ReaderComparison(name, delong(first, high), delong(second, high), delong_test(first, second, high))
        for name, first, second in zip(readings.readers, *readings.ratings, strict=True)
    )
    aucs, covariances = auc_covariances(readings.ratings, high, method=covariance)
    errors = ErrorCovariances.of(covariances)
    return ReaderStudy(
        readers,
        _random_readers(readings.conditions, aucs, errors) if len(readers) > 1 else None,
        _fixed_readers(readings.conditions, aucs, errors),
        _components(aucs, errors, cases=len(readings.cases)),
    )


def compare_groups(
    readings: Readings,
    first: tuple[str, Sequence[str]],
    second: tuple[str, Sequence[str]],
    *,
    covariance: Covariance = "delong",
) -> GroupComparison:
    """Compare the mean AUC of two groups of readers on the same cases, such as juniors and seniors with the model.

    The model is that of Obuchowski and Rockette (1995) with other readers in each group (Hillis 2014). The spread of
    readers is that of their own group, so degrees of freedom are Satterthwaite's (1946).

    Parameters
    ----------
    first, second
        The condition that a group read in, and its readers. No reader is in both: one reader in two conditions is what
        `analyse_readers` compares.
    covariance
        As of `analyse_readers`.

    Raises
    ------
    BadInputError
        If a condition or reader is not in the study, or a reader is in both groups.
    TooFewCasesError
        As `analyse_readers`.
    """
    if both := sorted(set(first[1]) & set(second[1])):
        raise BadInputError(f"reader {both[0]} is in both groups; put each reader into one of them")
    for _, readers in (first, second):
        _some(readers)
    ratings = readings.in_condition(*first), readings.in_condition(*second)
    several = min(len(first[1]), len(second[1])) > 1
    return _compare(ratings, (first[0], second[0]), readings.high, covariance, random=several)


def compare_with_model(
    readings: Readings,
    group: tuple[str, Sequence[str]],
    model: tuple[str, NDArray[np.float64]],
    *,
    covariance: Covariance = "delong",
) -> GroupComparison:
    """Compare the mean AUC of readers with that of a model that read the same cases alone: the model's less theirs.

    As `compare_groups`, but the model is the one that it is: readers alone vary beyond the sample of cases.

    Parameters
    ----------
    group
        The condition that the readers read in, and the readers.
    model
        Its name, and its scores in the order of the cases, (cases,).
    covariance
        As of `analyse_readers`.

    Raises
    ------
    BadInputError
        If the condition or a reader is not in the study, or there is not a score for each case.
    TooFewCasesError
        As `analyse_readers`.
    """
    name, scores = model
    if scores.shape != readings.high.shape:
        raise BadInputError(
            f"{scores.size} scores of the model are given for {readings.high.size} cases; give each one"
        )
    _some(group[1])
    ratings = readings.in_condition(*group), scores[None]
    return _compare(ratings, (group[0], name), readings.high, covariance, random=len(group[1]) > 1)


def _compare(
    ratings: tuple[NDArray[np.float64], NDArray[np.float64]],
    names: tuple[str, str],
    high: NDArray[np.bool_],
    covariance: Covariance,
    *,
    random: bool,
) -> GroupComparison:
    """Compare two groups by their ratings, (readers, cases) each."""
    aucs, covariances = auc_covariances(np.concatenate(ratings)[None], high, method=covariance)
    parts = slice(0, len(ratings[0])), slice(len(ratings[0]), None)
    groups = [_Group(name, aucs[0, at], covariances[0, at, 0, at]) for name, at in zip(names, parts, strict=True)]
    across = float(covariances[0, parts[0], 0, parts[1]].mean())
    means = [_mean(group.condition, group.aucs, float(group.covariances.mean()), math.inf) for group in groups]
    fixed = _compared(means, sum(float(group.covariances.mean()) for group in groups) - 2 * across, math.inf)
    return GroupComparison(_random_groups(groups, across) if random else None, fixed)


@dataclass(frozen=True)
class _Group:
    """Readers in one condition, or a model: AUCs, (readers,), and the covariances of these, (readers, readers)."""

    condition: str
    aucs: NDArray[np.float64]
    covariances: NDArray[np.float64]

    @property
    def spread(self) -> float:
        """The variance of their mean over other readers; a model has no others."""
        return 0.0 if self.aucs.size == 1 else float(self.aucs.var(ddof=1)) / self.aucs.size

    @property
    def shared(self) -> float:
        """The covariance of two of them, or the variance of the one."""
        if self.aucs.size == 1:
            return float(self.covariances[0, 0])
        pairs = self.aucs.size * (self.aucs.size - 1)
        return float(self.covariances.sum() - self.covariances.trace()) / pairs


def _random_groups(groups: list[_Group], across: float) -> MeanComparison:
    means = []
    for group in groups:
        total = group.spread + max(group.shared, 0.0)
        means.append(_mean(group.condition, group.aucs, total, _degrees(total, group.spread, group.aucs.size - 1)))
    total = sum(group.spread for group in groups) + max(sum(group.shared for group in groups) - 2 * across, 0.0)
    squares = sum(group.spread**2 / (group.aucs.size - 1) for group in groups if group.aucs.size > 1)
    return _compared(means, total, total**2 / squares if squares > 0 else math.inf)


def _answer(random: MeanComparison | None, fixed: MeanComparison) -> MeanComparison:
    def width(one: MeanComparison) -> float:
        return 0.0 if one.interval is None else one.interval[1] - one.interval[0]

    return random if random is not None and width(random) >= width(fixed) else fixed


def _some(readers: Sequence[str]) -> None:
    if not readers:
        raise TooFewCasesError("there is no reader to analyse; give the readings of one at least")


def _interaction(aucs: NDArray[np.float64]) -> float:
    """Give the mean square of condition by reader; two readers at least."""
    away = aucs - aucs.mean(axis=0) - aucs.mean(axis=1, keepdims=True) + aucs.mean()
    return float(np.square(away).sum() / ((aucs.shape[0] - 1) * (aucs.shape[1] - 1)))


def _components(aucs: NDArray[np.float64], errors: ErrorCovariances, *, cases: int) -> VarianceComponents:
    """Estimate the model's variances (Hillis, Obuchowski and Berbaum 2011)."""
    reader = interaction = 0.0
    if aucs.shape[1] > 1:
        between, square = float(aucs.mean(axis=0).var(ddof=1)) * aucs.shape[0], _interaction(aucs)
        reader = (between - square) / aucs.shape[0] - errors.covariance_1 + errors.covariance_3
        interaction = square - errors.error + errors.covariance_1 + errors.between_readers
    return VarianceComponents(
        reader,
        interaction,
        errors.error,
        errors.covariance_1,
        errors.covariance_2,
        errors.covariance_3,
        cases,
    )


def _random_readers(conditions: tuple[str, str], aucs: NDArray[np.float64], errors: ErrorCovariances) -> MeanComparison:
    readers = aucs.shape[1]
    square = _interaction(aucs)
    term = square + readers * errors.between_readers  # the error term of F
    means = []
    for condition, of_readers, shared in zip(conditions, aucs, errors.covariance_2_of, strict=True):
        spread = float(of_readers.var(ddof=1))
        total = spread + readers * max(float(shared), 0.0)
        means.append(_mean(condition, of_readers, total / readers, _degrees(total, spread, readers - 1)))
    return _compared(means, 2 / readers * term, _degrees(term, square, readers - 1))


def _fixed_readers(conditions: tuple[str, str], aucs: NDArray[np.float64], errors: ErrorCovariances) -> MeanComparison:
    others = aucs.shape[1] - 1
    means = [
        _mean(condition, of_readers, float(error + others * max(shared, 0.0)) / aucs.shape[1], math.inf)
        for condition, of_readers, error, shared in zip(
            conditions, aucs, errors.error_of, errors.covariance_2_of, strict=True
        )
    ]
    term = errors.error - errors.covariance_1 + others * errors.between_readers
    return _compared(means, 2 / aucs.shape[1] * term, math.inf)


def _degrees(total: float, part: float, degrees: int) -> float:
    """Degrees of freedom of a sum of which one part is a mean square and the rest is known (Hillis 2007)."""
    return degrees * (total / part) ** 2 if part > 0 else math.inf


def _mean(condition: str, aucs: NDArray[np.float64], variance: float, degrees: float) -> ConditionMean:
    mean = float(aucs.mean())
    half = _t_quantile(degrees) * math.sqrt(max(variance, 0.0))  # rounding can leave less than none
    return ConditionMean(condition, mean, with_width((max(0.0, mean - half), min(1.0, mean + half))))


def _compared(means: list[ConditionMean], variance: float, degrees: float) -> MeanComparison:
    from scipy.stats import t  # slow to import

    first, second = means
    difference = second.auc - first.auc
    if variance < _NO_VARIANCE:
        return MeanComparison((first, second), difference, None, None, degrees, None if difference else 1.0)
    half = _t_quantile(degrees) * math.sqrt(variance)
    p = 2 * float(t.sf(abs(difference) / math.sqrt(variance), degrees))
    limits = with_width((difference - half, difference + half))
    return MeanComparison((first, second), difference, limits, difference**2 / variance, degrees, p)


def _t_quantile(degrees: float) -> float:
    from scipy.stats import t  # slow to import

    return float(t.ppf(0.975, degrees))
