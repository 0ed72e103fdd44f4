"""ROC: the area under the curve with DeLong's interval and test, its points, and thresholds of it.

A case is called high risk where its score is at the threshold or above. Every function takes scores of which a higher
one speaks for high risk, and which of the cases are high risk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.intervals import percentile_interval, resampled_weights, with_width

Z_95 = NormalDist().inv_cdf(0.975)
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class AucInterval:
    """An AUC with DeLong's variance and 95% interval, which is cut to [0, 1].

    Where all cases are in order, none is, or all have one score, the variance is zero and both limits are the AUC; that
    is no certainty, so `interval` is None there.
    """

    auc: float
    low: float
    high: float
    variance: float

    @property
    def interval(self) -> tuple[float, float] | None:
        """The limits, to be shown; None where they have no width."""
        return with_width((self.low, self.high))


@dataclass(frozen=True)
class AucDifference:
    """The difference of two AUCs, its 95% interval, and the two-sided p-value of it being zero.

    `interval` is None without a variance. So is `p`, unless the difference is zero too: then it is 1.
    """

    difference: float
    interval: tuple[float, float] | None
    p: float | None


@dataclass(frozen=True)
class RocCurve:
    """Points of a ROC curve, (points,) each: from no case called high risk to all of them."""

    thresholds: Floats
    false_positive_rate: Floats
    sensitivity: Floats


def auc(scores: ArrayLike, high: ArrayLike) -> float:
    """Compute the area under the empirical ROC curve (Bamber 1975).

    It is the share of pairs of a high-risk and a low-risk case whose scores are in order; ties count half.

    Parameters
    ----------
    scores
        (cases,), finite.
    high
        (cases,), whether each is high risk.

    Raises
    ------
    BadInputError
        If the scores are not one finite number a case.
    TooFewCasesError
        If all cases are of one class.
    """
    return float(placements(scores, high)[0].mean())


def placements(scores: ArrayLike, high: ArrayLike, *, least: int = 1) -> tuple[Floats, Floats]:
    """Give DeLong's components (DeLong, DeLong and Clarke-Pearson 1988): of each case its share of pairs in order.

    Parameters
    ----------
    least
        Cases of either class: 2 where a variance is to be taken.

    Returns
    -------
    of_high, of_low : numpy.ndarray of float, (high-risk cases,) and (low-risk cases,)
        In the order of the cases. The mean of either is the AUC.

    Raises
    ------
    BadInputError, TooFewCasesError
        As `auc`; if there are not as many cases of either class.
    """
    of_high, of_low = _classes(scores, high, least=least)
    return _share_below(of_high, of_low), _share_below(-of_low, -of_high)


def delong(scores: ArrayLike, high: ArrayLike) -> AucInterval:
    """Compute an AUC with its 95% interval by DeLong, DeLong and Clarke-Pearson (1988).

    The interval is symmetric, as those of the paper, and cut to [0, 1]. Cases are taken for independent: of several
    images of a patient use `bootstrap_auc_interval`.

    Raises
    ------
    BadInputError, TooFewCasesError
        As `auc`; if there are not two cases of either class, of which a variance could be taken.
    """
    of_high, of_low = placements(scores, high, least=2)
    area, variance = float(of_high.mean()), _variance(of_high, of_low)
    half = Z_95 * math.sqrt(variance)
    return AucInterval(area, max(0.0, area - half), min(1.0, area + half), variance)


def delong_test(first: ArrayLike, second: ArrayLike, high: ArrayLike) -> AucDifference:
    """Compare two AUCs on the same cases (DeLong, DeLong and Clarke-Pearson 1988), two-sided.

    Parameters
    ----------
    first, second
        Scores of the same cases in the same order, (cases,) each; they need not have one scale.
    high
        (cases,), whether each is high risk.

    Returns
    -------
    AucDifference
        Of the second's AUC less the first's. Scores of one order have p = 1.

    Raises
    ------
    BadInputError, TooFewCasesError
        As `delong`.
    """
    # case by case, so that equal orders differ by exactly nothing
    pairs = zip(placements(first, high, least=2), placements(second, high, least=2), strict=True)
    of_high, of_low = (other - one for one, other in pairs)
    difference, error = float(of_high.mean()), math.sqrt(_variance(of_high, of_low))
    if not error:
        return AucDifference(difference, None, None if difference else 1.0)
    limits = with_width((difference - Z_95 * error, difference + Z_95 * error))
    return AucDifference(difference, limits, math.erfc(abs(difference) / error / math.sqrt(2)))


def bootstrap_auc_interval(
    scores: ArrayLike, high: ArrayLike, patients: Iterable[object], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """Give the 95% percentile interval of an AUC over patients drawn whole, with all their cases (Efron 1979).

    Parameters
    ----------
    patients
        Of each case.
    resamples, seed
        Of the draws; one without a case of either class is left out.

    Returns
    -------
    tuple or None
        None without a width.

    Raises
    ------
    BadInputError, TooFewCasesError
        As `auc`.
    """
    of_high, of_low = _classes(scores, high)
    is_high = np.asarray(high, bool)
    _, patient = np.unique([str(each) for each in patients], return_inverse=True)
    samples = [
        weighted_auc(of_high, of_low, weights[:, patient[is_high]], weights[:, patient[~is_high]])
        for weights in resampled_weights(int(patient.max()) + 1, resamples=resamples, seed=seed)
    ]
    low, upper = percentile_interval(np.concatenate(samples)[:, None])
    return with_width((float(low[0]), float(upper[0])))


def weighted_auc(of_high: Floats, of_low: Floats, high_weights: Floats, low_weights: Floats) -> Floats:
    """Give an AUC for each row of weights, such as how often a bootstrap drew each case.

    Parameters
    ----------
    of_high, of_low : numpy.ndarray of float, (high-risk cases,) and (low-risk cases,)
        Scores.
    high_weights, low_weights : numpy.ndarray of float, (rows, high-risk cases) and (rows, low-risk cases)
        Of them.

    Returns
    -------
    numpy.ndarray of float, (rows,)
        NaN where either class weighs nothing.
    """
    in_order = (of_high[:, None] > of_low) + 0.5 * (of_high[:, None] == of_low)  # (high-risk cases, low-risk cases)
    pairs = high_weights.sum(axis=1) * low_weights.sum(axis=1)
    with np.errstate(invalid="ignore"):
        areas: Floats = ((high_weights @ in_order) * low_weights).sum(axis=1) / pairs
    return areas


def roc_points(scores: ArrayLike, high: ArrayLike) -> RocCurve:
    """Give the points of the empirical ROC curve (Metz 1978): one for each set of cases that a threshold can call high.

    Returns
    -------
    RocCurve
        The first threshold is infinite, the last the lowest score, and the others lie midway between two neighbouring
        scores: a score that was rounded in a file stays on its side.

    Raises
    ------
    BadInputError, TooFewCasesError
        As `auc`.
    """
    of_high, of_low = _classes(scores, high)
    distinct = np.unique(np.concatenate([of_high, of_low]))
    below, above = distinct[:-1], distinct[1:]
    between = below + (above - below) / 2
    between = np.where(between > below, between, above)  # of neighbouring floats there is none between
    thresholds = np.concatenate([[math.inf], between[::-1], distinct[:1]])
    called = [1 - np.searchsorted(np.sort(one), thresholds) / one.size for one in (of_high, of_low)]
    return RocCurve(thresholds, false_positive_rate=called[1], sensitivity=called[0])


def youden_threshold(scores: ArrayLike, high: ArrayLike) -> float:
    """Find the threshold of the highest sensitivity + specificity - 1 (Youden 1950).

    Of several the lowest is taken, which misses the fewest high-risk cases. Where none is better than chance that is
    the lowest score, which calls all cases high risk.

    Raises
    ------
    BadInputError, TooFewCasesError
        As `auc`.
    """
    curve = roc_points(scores, high)
    # rounded, so that indices that are equal on paper tie
    index = np.round(curve.sensitivity - curve.false_positive_rate, 12)
    return float(curve.thresholds[np.flatnonzero(index == index.max())[-1]])


def sensitivity_threshold(scores: ArrayLike, high: ArrayLike, *, sensitivity: float) -> float:
    """Find the highest threshold with at least this sensitivity, which has the best specificity of those.

    Raises
    ------
    BadInputError, TooFewCasesError
        As `auc`; if the sensitivity is not over 0 and at most 1.
    """
    if not 0 < sensitivity <= 1:
        raise BadInputError(f"a sensitivity of {sensitivity:g} is asked for; it must be over 0 and at most 1")
    curve = roc_points(scores, high)
    return float(curve.thresholds[np.flatnonzero(curve.sensitivity >= sensitivity - 1e-12)[0]])


def checked_scores(scores: ArrayLike) -> Floats:
    """Give scores as an array of float, (cases,).

    Raises
    ------
    BadInputError
        If they have another dimension than the cases, or one of them is no finite number.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 1:
        raise BadInputError(f"scores of shape {values.shape} are given; they must have one dimension, the cases")
    if (undefined := np.flatnonzero(~np.isfinite(values))).size:
        at = int(undefined[0])
        raise BadInputError(f"score {at + 1} of {values.size} is {values[at]}; every case needs a number")
    return values


def checked_high(high: ArrayLike, *, cases: int) -> NDArray[np.bool_]:
    """Give which of the cases are high risk, as an array of bool.

    Raises
    ------
    BadInputError
        If they are not as many as the cases, or something else than true or false, 1 or 0.
    """
    given = np.asarray(high)
    if given.shape != (cases,):
        raise BadInputError(f"there are {cases} scores for {given.size} cases; give one score for each case")
    is_high = given.astype(bool)
    if (other := given[given != is_high]).size:
        raise BadInputError(f"high risk is {other[0]!s} for a case; write 1 where it is and 0 where it is not")
    return is_high


def _classes(scores: ArrayLike, high: ArrayLike, *, least: int = 1) -> tuple[Floats, Floats]:
    """Give the scores of high-risk and of low-risk cases, checked; refuse too few of either."""
    values = checked_scores(scores)
    is_high = checked_high(high, cases=values.size)
    of_high, of_low = values[is_high], values[~is_high]
    if min(of_high.size, of_low.size) < least:
        what = "an AUC takes both" if least == 1 else f"the variance of an AUC takes {least} of each"
        raise TooFewCasesError(
            f"there are {of_high.size} high-risk and {of_low.size} low-risk cases: {what}; give more cases, or leave "
            "this group out"
        )
    return of_high, of_low


def _share_below(scores: Floats, others: Floats) -> Floats:
    """Of each score the share of the others that are below; equal ones count half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")) / (2 * others.size)


def _variance(of_high: Floats, of_low: Floats) -> float:
    """Give the variance of a mean of placements, or of differences of placements."""
    return float(of_high.var(ddof=1) / of_high.size + of_low.var(ddof=1) / of_low.size)
