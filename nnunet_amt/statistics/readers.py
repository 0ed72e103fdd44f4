"""Reader studies: every reader rates every case in two conditions, without and with the model (Obuchowski-Rockette).

Which of the two is better is asked of the AUC averaged over readers. With random readers the answer holds for readers
like these, with fixed ones for these alone. Ratings may be graded, or 1 and 0 for yes and no.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.intervals import with_width
from nnunet_amt.statistics.reader_table import CONDITIONS, Readings
from nnunet_amt.statistics.roc import AucDifference, AucInterval, checked_high, delong, delong_test, placements

Covariance = Literal["delong", "jackknife"]


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
    """The AUC averaged over readers in one condition, with its 95% interval; None without a width."""

    condition: str
    auc: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class MeanComparison:
    """The two conditions compared: second less first.

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
class ReaderStudy:
    """The analysis of a reader study. `random_readers` is None of one reader, who tells nothing of others."""

    readers: tuple[ReaderComparison, ...]
    random_readers: MeanComparison | None
    fixed_readers: MeanComparison
    components: VarianceComponents


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
    if not readings.readers:
        raise TooFewCasesError("there is no reader to analyse; give the readings of one at least")
    high = readings.high
    readers = tuple(
        ReaderComparison(name, delong(first, high), delong(second, high), delong_test(first, second, high))
        for name, first, second in zip(readings.readers, *readings.ratings, strict=True)
    )
    aucs, covariances = auc_covariances(readings.ratings, high, method=covariance)
    errors = _Errors.of(covariances)
    return ReaderStudy(
        readers,
        _random_readers(readings.conditions, aucs, errors) if len(readers) > 1 else None,
        _fixed_readers(readings.conditions, aucs, errors),
        _components(aucs, errors, cases=len(readings.cases)),
    )


def auc_covariances(
    ratings: ArrayLike, high: ArrayLike, *, method: Covariance = "delong"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the AUC of each condition and reader, and the covariances of all of them over samples of cases.

    Parameters
    ----------
    ratings : array of float, (conditions, readers, cases)
    high
        (cases,), whether each is high risk.

    Returns
    -------
    aucs : numpy.ndarray of float, (conditions, readers)
    covariances : numpy.ndarray of float, (conditions, readers, conditions, readers)

    Raises
    ------
    BadInputError, TooFewCasesError
        As `nnunet_amt.statistics.roc.delong`.
    """
    values = np.asarray(ratings, np.float64)
    is_high = checked_high(high, cases=values.shape[-1])
    pairs = [placements(one, is_high) for one in values.reshape(-1, values.shape[-1])]
    of_high, of_low = (np.array(one) for one in zip(*pairs, strict=True))  # (conditions x readers, cases of a class)
    aucs = of_high.mean(axis=1)
    counts = of_high.shape[1], of_low.shape[1]
    if method == "delong":
        covariances = sum(np.atleast_2d(np.cov(one)) / n for one, n in zip((of_high, of_low), counts, strict=True))
    else:  # the AUC without a case follows from the placement of the case
        without = np.hstack(
            [(n * aucs[:, None] - one) / (n - 1) for one, n in zip((of_high, of_low), counts, strict=True)]
        )
        away = without - without.mean(axis=1, keepdims=True)
        covariances = away @ away.T * (sum(counts) - 1) / sum(counts)
    shape = values.shape[:-1]
    return aucs.reshape(shape), np.asarray(covariances).reshape(*shape, *shape)


@dataclass(frozen=True)
class _Errors:
    """Covariances averaged over what the model takes for alike, and the two that each condition has alone."""

    error: float
    covariance_1: float
    covariance_2: float
    covariance_3: float
    error_of: NDArray[np.float64]  # (conditions,)
    covariance_2_of: NDArray[np.float64]  # (conditions,)

    @classmethod
    def of(cls, covariances: NDArray[np.float64]) -> _Errors:
        """Average covariances of (conditions, readers, conditions, readers); those between readers are 0 of one."""
        conditions, readers = covariances.shape[:2]
        one_reader = np.einsum("irjr->ij", covariances)  # summed over readers, as is the next
        two_readers = np.einsum("irjs->ij", covariances) - one_reader
        pairs = max(1, readers * (readers - 1))
        across = ~np.eye(conditions, dtype=bool)
        error_of, covariance_2_of = one_reader.diagonal() / readers, two_readers.diagonal() / pairs
        return cls(
            float(error_of.mean()),
            float(one_reader[across].mean() / readers),
            float(covariance_2_of.mean()),
            float(two_readers[across].mean() / pairs),
            error_of,
            covariance_2_of,
        )

    @property
    def between_readers(self) -> float:
        """How much more two readers share in one condition than across; a negative estimate counts as none."""
        return max(self.covariance_2 - self.covariance_3, 0.0)


def _interaction(aucs: NDArray[np.float64]) -> float:
    """Give the mean square of condition by reader; two readers at least."""
    away = aucs - aucs.mean(axis=0) - aucs.mean(axis=1, keepdims=True) + aucs.mean()
    return float(np.square(away).sum() / ((aucs.shape[0] - 1) * (aucs.shape[1] - 1)))


def _components(aucs: NDArray[np.float64], errors: _Errors, *, cases: int) -> VarianceComponents:
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


def _random_readers(conditions: tuple[str, str], aucs: NDArray[np.float64], errors: _Errors) -> MeanComparison:
    readers = aucs.shape[1]
    square = _interaction(aucs)
    term = square + readers * errors.between_readers  # the error term of F
    means = []
    for condition, of_readers, shared in zip(conditions, aucs, errors.covariance_2_of, strict=True):
        spread = float(of_readers.var(ddof=1))
        total = spread + readers * max(float(shared), 0.0)
        means.append(_mean(condition, of_readers, total / readers, _degrees(total, spread, readers - 1)))
    return _compared(means, 2 / readers * term, _degrees(term, square, readers - 1))


def _fixed_readers(conditions: tuple[str, str], aucs: NDArray[np.float64], errors: _Errors) -> MeanComparison:
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
    half = _t_quantile(degrees) * math.sqrt(variance)
    return ConditionMean(condition, mean, with_width((max(0.0, mean - half), min(1.0, mean + half))))


def _compared(means: list[ConditionMean], variance: float, degrees: float) -> MeanComparison:
    from scipy.stats import t  # slow to import

    first, second = means
    difference = second.auc - first.auc
    if variance <= 0:
        return MeanComparison((first, second), difference, None, None, degrees, None if difference else 1.0)
    half = _t_quantile(degrees) * math.sqrt(variance)
    p = 2 * float(t.sf(abs(difference) / math.sqrt(variance), degrees))
    limits = with_width((difference - half, difference + half))
    return MeanComparison((first, second), difference, limits, difference**2 / variance, degrees, p)


def _t_quantile(degrees: float) -> float:
    from scipy.stats import t  # slow to import

    return float(t.ppf(0.975, degrees))
