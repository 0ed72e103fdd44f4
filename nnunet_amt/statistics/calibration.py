"""Whether scores are the probabilities that they say, and what it is worth to act on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.intervals import wilson_interval
from nnunet_amt.statistics.logistic_fit import logistic_fit
from nnunet_amt.statistics.roc import Z_95, checked_high, checked_scores

BINS = 10
_NEAREST_CERTAIN = 0.001  # of 0 and 1, whose logits are infinite


@dataclass(frozen=True)
class CalibrationFit:
    """Calibration intercept and slope with their 95% intervals (Wald); 0 and 1 are those of a calibrated score.

    `slope` is None where all cases have one score, or where the classes do not overlap. `held` counts the scores that
    were moved to 0.001 or 0.999, because they are nearer to 0 or 1.
    """

    intercept: float
    intercept_interval: tuple[float, float]
    slope: float | None
    slope_interval: tuple[float, float] | None
    held: int


@dataclass(frozen=True)
class ReliabilityBin:
    """The cases with a score from `lower` to under `upper`, and how many of them are high risk."""

    lower: float
    upper: float
    cases: int
    high: int
    mean_score: float

    @property
    def share(self) -> float:
        """Of high-risk cases."""
        return self.high / self.cases

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval of the share (Wilson 1927)."""
        return wilson_interval(self.high, self.cases)


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit per case at each threshold, (thresholds,): of acting on the score, on everyone and on nobody."""

    thresholds: NDArray[np.float64]
    model: NDArray[np.float64]
    everyone: NDArray[np.float64]
    nobody: NDArray[np.float64]


def brier_score(scores: ArrayLike, high: ArrayLike) -> float:
    """Compute the mean squared difference between score and outcome (Brier 1950): 0 is perfect.

    Parameters
    ----------
    scores
        (cases,), from 0 to 1.
    high
        (cases,), whether each is high risk.

    Raises
    ------
    BadInputError
        If the scores are not one number from 0 to 1 a case.
    TooFewCasesError
        If there is no case.
    """
    values, is_high = _checked(scores, high)
    return float(np.square(values - is_high).mean())


def calibration_fit(scores: ArrayLike, high: ArrayLike) -> CalibrationFit:
    """Fit calibration intercept and slope (Cox 1958; Van Calster et al. 2019).

    The slope is that of a logistic regression of the outcome on the logit of the score: under 1 where scores are too
    sure. The intercept is that of the same regression with a slope of 1 ("calibration in the large"): over 0 where
    scores are too low.

    Raises
    ------
    BadInputError, TooFewCasesError
        As `brier_score`; also if all cases are of one class.
    """
    values, is_high = _checked(scores, high)
    if is_high.all() or not is_high.any():
        raise TooFewCasesError(
            f"there are {np.count_nonzero(is_high)} high-risk and {np.count_nonzero(~is_high)} low-risk cases: a "
            "calibration takes both; give cases of both, or leave this group out"
        )
    held = held_from_certainty(values)
    logits = np.log(held / (1 - held))
    ones = np.ones((logits.size, 1))
    at_large = logistic_fit(ones, is_high, offset=logits)
    intercept = float(at_large.coefficients[0])
    slope, slope_interval = None, None
    if _overlap(logits[is_high], logits[~is_high]):
        fit = logistic_fit(np.column_stack([ones, logits]), is_high)
        slope, slope_interval = float(fit.coefficients[1]), _wald(fit.coefficients[1], fit.errors[1])
    return CalibrationFit(
        intercept, _wald(intercept, at_large.errors[0]), slope, slope_interval, int(np.count_nonzero(held != values))
    )


def held_from_certainty(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move scores nearer to 0 or 1 than 0.001 to there: the logits of certainty are infinite."""
    return np.clip(scores, _NEAREST_CERTAIN, 1 - _NEAREST_CERTAIN)


def bin_sums(
    scores: ArrayLike, *, high: ArrayLike, cases: ArrayLike | None = None, bins: int = BINS
) -> NDArray[np.float64]:
    """Sum up cases by their score, in bins of equal width that hold their lower limit; the last holds 1 too.

    Parameters
    ----------
    scores
        From 0 to 1.
    high
        Of each score: whether the case is high risk, or of how many cases with this score that is so.
    cases
        With each score; one if not given.
    bins
        Of them.

    Returns
    -------
    numpy.ndarray of float, (3, bins)
        Cases, the sum of their scores, and those of them that are high risk. Sums of several add up.
    """
    values = np.asarray(scores, np.float64)
    weights = np.ones(values.size) if cases is None else np.asarray(cases, np.float64)
    rows = (weights, weights * values, np.asarray(high, np.float64))
    of_bin = np.minimum((values * bins).astype(int), bins - 1)
    return np.array([np.bincount(of_bin, weights=row, minlength=bins) for row in rows])


def calibration_error(sums: NDArray[np.float64]) -> float | None:
    """Compute the expected calibration error of `bin_sums` (Naeini, Cooper and Hauskrecht 2015).

    It is the mean distance between score and share of high risk of the bins, weighted by their cases; None without any.
    """
    total = sums[0].sum()
    return float(np.abs(sums[1] - sums[2]).sum() / total) if total else None


def reliability_bins(scores: ArrayLike, high: ArrayLike, *, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """Give the points of a reliability diagram (Murphy and Winkler 1977); bins without a case are left out.

    Raises
    ------
    BadInputError, TooFewCasesError
        As `brier_score`; also if there are to be no bins.
    """
    values, is_high = _checked(scores, high)
    if bins < 1:
        raise BadInputError(f"{bins} bins are asked for; give 1 or more")
    sums = bin_sums(values, high=is_high, bins=bins)
    return tuple(
        ReliabilityBin(at / bins, (at + 1) / bins, int(cases), int(of_high), float(total / cases))
        for at, (cases, total, of_high) in enumerate(sums.T)
        if cases
    )


def decision_curve(
    scores: ArrayLike, high: ArrayLike, *, thresholds: Sequence[float] | NDArray[np.float64] | None = None
) -> DecisionCurve:
    """Compute the net benefit of acting on a score (Vickers and Elkin 2006).

    At a threshold p one acts where the score is p or above: true positives less false positives times p / (1 - p), by
    the number of cases.

    Parameters
    ----------
    scores, high
        As `brier_score`.
    thresholds
        Between 0 and 1; 0.01 to 0.99 if not given.

    Raises
    ------
    BadInputError, TooFewCasesError
        As `brier_score`; also if a threshold is not between 0 and 1.
    """
    values, is_high = _checked(scores, high)
    points = np.arange(1, 100) / 100 if thresholds is None else np.asarray(thresholds, np.float64)
    if (outside := points[~((points > 0) & (points < 1))]).size:
        raise BadInputError(f"a threshold of {outside[0]:g} is asked for; net benefit takes those between 0 and 1")
    called = values[:, None] >= points  # (cases, thresholds)
    weight = points / (1 - points)
    share = is_high.mean()
    model = (called & is_high[:, None]).mean(axis=0) - (called & ~is_high[:, None]).mean(axis=0) * weight
    return DecisionCurve(points, model, share - (1 - share) * weight, np.zeros(points.size))


def _checked(scores: ArrayLike, high: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give scores that are probabilities, and which of their cases are high risk."""
    values = checked_scores(scores)
    if not values.size:
        raise TooFewCasesError("there is no case to compare scores with outcomes of; give one at least")
    if (outside := np.flatnonzero((values < 0) | (values > 1))).size:
        at = int(outside[0])
        raise BadInputError(f"score {at + 1} of {values.size} is {values[at]:g}; a probability is from 0 to 1")
    return values, checked_high(high, cases=values.size)


def _overlap(of_high: NDArray[np.float64], of_low: NDArray[np.float64]) -> bool:
    """Whether a logistic regression of the classes on this has a finite slope (Albert and Anderson 1984)."""
    return bool(of_high.min() < of_low.max() and of_low.min() < of_high.max())


def _wald(estimate: float, error: float) -> tuple[float, float]:
    return float(estimate - Z_95 * error), float(estimate + Z_95 * error)
