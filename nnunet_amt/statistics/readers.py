"""Reader studies: every reader rates every case in two conditions, without and with the model (Obuchowski-Rockette).

Which of the two is better is asked of the AUC averaged over readers. With random readers the answer holds for readers
like these, with fixed ones for these alone. Ratings may be graded, or 1 and 0 for yes and no.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError
from nnunet_amt.statistics.reader_covariances import Covariance, ErrorCovariances, auc_covariances
from nnunet_amt.statistics.reader_means import (
    MeanComparison,
    compare_means,
    condition_mean,
    degrees_of_sum,
    require_readers,
    told_answer,
)
from nnunet_amt.statistics.reader_table import CONDITIONS, Readings
from nnunet_amt.statistics.roc import AucDifference, AucInterval, delong, delong_test


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

    @property
    def answer(self) -> MeanComparison:
        """The one to be told, see `told_answer`."""
        return told_answer(self.random_readers, self.fixed_readers)


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
    require_readers(readings.readers)
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
        means.append(condition_mean(condition, of_readers, total / readers, degrees_of_sum(total, spread, readers - 1)))
    return compare_means(means, 2 / readers * term, degrees_of_sum(term, square, readers - 1))


def _fixed_readers(conditions: tuple[str, str], aucs: NDArray[np.float64], errors: ErrorCovariances) -> MeanComparison:
    others = aucs.shape[1] - 1
    means = [
        condition_mean(condition, of_readers, float(error + others * max(shared, 0.0)) / aucs.shape[1], math.inf)
        for condition, of_readers, error, shared in zip(
            conditions, aucs, errors.error_of, errors.covariance_2_of, strict=True
        )
    ]
    term = errors.error - errors.covariance_1 + others * errors.between_readers
    return compare_means(means, 2 / aucs.shape[1] * term, math.inf)
