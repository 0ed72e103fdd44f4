"""Logistic regression without a penalty, and whether what is added to one tells more (likelihood ratio)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnunet_amt.statistics.roc import checked_high

_MOST_STEPS = 100
_NO_STEP, _SMALLEST_STEP = 1e-10, 1e-12
_SEPARATES = 1e-7  # of the linear program's optimum, which is 0 or at least 1 in theory


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """A regression: coefficients and their standard errors, (columns,), and the log-likelihood."""

    coefficients: NDArray[np.float64]
    errors: NDArray[np.float64]
    log_likelihood: float


@dataclass(frozen=True, eq=False)
class NestedTest:
    """What columns add to a regression that has others.

    `statistic` is twice the gain in log-likelihood, of chi-squared with `degrees` degrees of freedom if they add
    nothing, and `p` its p-value. `coefficients` and `errors` are of the columns added, (added,).
    """

    statistic: float
    degrees: int
    p: float
    coefficients: NDArray[np.float64]
    errors: NDArray[np.float64]


def logistic_fit(
    columns: NDArray[np.float64], outcome: NDArray[np.bool_], *, offset: NDArray[np.float64] | None = None
) -> LogisticFit:
    """Fit by Newton's method with steps halved until the likelihood rises.

    Parameters
    ----------
    columns : numpy.ndarray of float, (cases, columns)
        With one of ones where there is to be an intercept; none may follow from the others, and they must not tell the
        classes apart without error (`can_be_separated`).
    outcome : numpy.ndarray of bool, (cases,)
        Both classes.
    offset : numpy.ndarray of float, (cases,)
        Of the logits; 0 if not given.
    """
    start = np.zeros(len(columns)) if offset is None else offset

    def surprise(coefficients: NDArray[np.float64]) -> float:
        logits = start + columns @ coefficients
        return float(np.logaddexp(0, np.where(outcome, -logits, logits)).sum())

    coefficients = np.zeros(columns.shape[1])
    for _ in range(_MOST_STEPS):
        fitted = 1 / (1 + np.exp(-(start + columns @ coefficients)))
        information = columns.T @ (columns * (fitted * (1 - fitted))[:, None])
        step = np.linalg.solve(information, columns.T @ (outcome - fitted))
        while surprise(coefficients + step) > surprise(coefficients) and np.abs(step).max() > _SMALLEST_STEP:
            step = step / 2
        coefficients = coefficients + step
        if np.abs(step).max() < _NO_STEP:
            break
    return LogisticFit(coefficients, np.sqrt(np.linalg.inv(information).diagonal()), -surprise(coefficients))


def can_be_separated(columns: NDArray[np.float64], outcome: NDArray[np.bool_]) -> bool:
    """Tell whether some weighted sum of the columns is never on the wrong side of 0 and not 0 throughout.

    Then a logistic regression on them has no finite coefficients (Albert and Anderson 1984); found by linear
    programming (Konis 2007).
    """
    from scipy.optimize import linprog  # slow to import

    towards = np.where(outcome, 1.0, -1.0)[:, None] * columns
    limits = np.concatenate([np.zeros(len(columns)), np.ones(len(columns))])
    found = linprog(-towards.sum(axis=0), A_ub=np.vstack([-towards, towards]), b_ub=limits, bounds=(None, None))
    return found.fun is None or -float(found.fun) > _SEPARATES


def likelihood_ratio_test(base: ArrayLike, added: ArrayLike, outcome: ArrayLike) -> NestedTest | None:
    """Test whether columns tell more of the outcome than others do alone (Wilks 1938).

    Parameters
    ----------
    base, added
        (cases, columns) each; both regressions have an intercept too.
    outcome
        (cases,), true or false.

    Returns
    -------
    NestedTest or None
        None where there is no finite regression: one class is missing, a column follows from the others, or the
        columns tell the classes apart without error.

    Raises
    ------
    BadInputError
        If the outcomes are not as many as the cases, or neither true nor false.
    """
    first, more = np.asarray(base, np.float64), np.asarray(added, np.float64)
    of_outcome = checked_high(outcome, cases=len(first))
    smaller = np.column_stack([np.ones(len(first)), first])
    larger = np.column_stack([smaller, more])
    full_rank = np.linalg.matrix_rank(larger) == larger.shape[1]
    if not full_rank or of_outcome.all() or not of_outcome.any() or can_be_separated(larger, of_outcome):
        return None
    from scipy.stats import chi2  # slow to import

    without, with_added = logistic_fit(smaller, of_outcome), logistic_fit(larger, of_outcome)
    statistic = max(0.0, 2 * (with_added.log_likelihood - without.log_likelihood))
    degrees = more.shape[1]
    p = float(chi2.sf(statistic, degrees))
    return NestedTest(statistic, degrees, p, with_added.coefficients[-degrees:], with_added.errors[-degrees:])
