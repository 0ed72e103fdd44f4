"""How far readers agree: the intraclass correlation ICC(A,1) of measurements, Cohen's kappa of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnunet_amt.errors import BadInputError, TooFewCasesError

_TAILS = 0.025, 0.975
_FEWEST_CASES, _FEWEST_READERS = 3, 2  # of two cases of two readers the estimate can be 1 / 0
_ROUNDING = 1e-12  # a variance under this share of the squared values is what rounding leaves


@dataclass(frozen=True)
class Agreement:
    """ICC(A,1) of each feature with the limits of its 95% interval; (features,), or () of a single one."""

    icc: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class _MeanSquares:
    """Of a two-way analysis of variance without replicates: between cases, between readers, residual."""

    cases: NDArray[np.float64]
    readers: NDArray[np.float64]
    residual: NDArray[np.float64]


def icc_agreement(ratings: ArrayLike) -> Agreement:
    """Compute ICC(A,1): two-way, absolute agreement, single measurement (McGraw and Wong 1996; Shrout and Fleiss 1979).

    How much of the variance of one reader's measurement is that of the cases: a reader who always measures more lowers
    it. Its estimate is the same whether the readers are random, ICC(2,1), or fixed. The interval is McGraw and Wong's.

    Parameters
    ----------
    ratings : array of float, (cases, readers) or (cases, readers, features)
        All of them there. Masks that were perturbed stand for readers as well.

    Returns
    -------
    Agreement
        All three are 1 where the readers agree in everything, and NaN for a feature that has one value throughout.
        An estimate can be below zero; far below it its limits are NaN.

    Raises
    ------
    TooFewCasesError
        If there are fewer than three cases or two readers.
    BadInputError
        If the ratings have another shape, or one of them is no finite number.
    """
    values = _checked(np.asarray(ratings, np.float64))
    cases, readers = values.shape[:2]
    squares = _mean_squares(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = squares.cases + (readers - 1) * squares.residual
        icc = (squares.cases - squares.residual) / (spread + readers / cases * (squares.readers - squares.residual))
        low, high = _limits(icc, squares, cases=cases, readers=readers)
    perfect = (squares.readers == 0) & (squares.residual == 0)  # the limits are 0 / 0 there
    return Agreement(icc, np.where(perfect, icc, low), np.where(perfect, icc, high))


def cohen_kappa(
    first: Sequence[object], second: Sequence[object], *, weights: Literal["linear", "quadratic"] | None = None
) -> float | None:
    """Compute how far the answers of two readers agree beyond chance (Cohen 1960; weighted: Cohen 1968).

    Parameters
    ----------
    first, second
        Answers on the same cases in the same order.
    weights
        None: answers agree or do not. Of graded answers, which are numbers, "linear" counts how far they are apart,
        "quadratic" its square.

    Returns
    -------
    float or None
        None where both give one and the same answer to every case, so that chance explains all.

    Raises
    ------
    TooFewCasesError
        If there is no case.
    BadInputError
        If the answers are not as many, or weighted ones are no numbers.
    """
    if len(first) != len(second):
        raise BadInputError(f"two readers gave {len(first)} and {len(second)} answers; give those on the same cases")
    if not first:
        raise TooFewCasesError("there is no case that both readers answered; agreement takes one at least")
    if weights is None:
        apart = np.array([[one != other for other in second] for one in first], float)  # (cases, cases)
    else:
        try:
            steps = np.asarray(first, np.float64)[:, None] - np.asarray(second, np.float64)
        except ValueError:
            raise BadInputError(f"{weights} weights take answers that are numbers, such as 1 to 5") from None
        apart = np.abs(steps) if weights == "linear" else steps**2
    by_chance = float(apart.mean())
    return 1 - float(apart.diagonal().mean()) / by_chance if by_chance else None


def _checked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.ndim not in (2, 3):
        raise BadInputError(f"ratings of shape {values.shape} are given; they must be cases x readers (x features)")
    cases, readers = values.shape[:2]
    if cases < _FEWEST_CASES or readers < _FEWEST_READERS:
        raise TooFewCasesError(
            f"an intraclass correlation of {cases} cases and {readers} reader{'s' if readers != 1 else ''} "
            f"is asked for; it takes {_FEWEST_CASES} cases and {_FEWEST_READERS} readers at least"
        )
    if (undefined := np.argwhere(~np.isfinite(values))).size:
        at = ", ".join(
            f"{name} {index + 1}" for name, index in zip(("case", "reader", "feature"), undefined[0], strict=False)
        )
        raise BadInputError(f"the rating of {at} is {values[tuple(undefined[0])]}; every rating must be a number")
    return values


def _mean_squares(values: NDArray[np.float64]) -> _MeanSquares:
    cases, readers = values.shape[:2]
    mean = values.mean(axis=(0, 1))
    of_case, of_reader = values.mean(axis=1) - mean, values.mean(axis=0) - mean  # (cases, ...), (readers, ...)
    residual = values - mean - of_case[:, None] - of_reader[None]
    least = _ROUNDING**2 * np.square(values).mean(axis=(0, 1))

    def mean_square(total: NDArray[np.float64], degrees: int) -> NDArray[np.float64]:
        square: NDArray[np.float64] = total / degrees
        return np.where(square > least, square, 0.0)

    return _MeanSquares(
        mean_square(readers * np.square(of_case).sum(axis=0), cases - 1),
        mean_square(cases * np.square(of_reader).sum(axis=0), readers - 1),
        mean_square(np.square(residual).sum(axis=(0, 1)), (cases - 1) * (readers - 1)),
    )


def _limits(
    icc: NDArray[np.float64], squares: _MeanSquares, *, cases: int, readers: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the 95% limits by McGraw and Wong (1996), Table 7, case 2A; degrees of freedom by Satterthwaite."""
    from scipy.stats import f as f_distribution  # slow to import

    n, k = cases, readers
    of_readers = k * icc / (n * (1 - icc)) * squares.readers
    of_residual = (1 + k * icc * (n - 1) / (n * (1 - icc))) * squares.residual
    degrees = (of_readers + of_residual) ** 2 / (of_readers**2 / (k - 1) + of_residual**2 / ((n - 1) * (k - 1)))
    rest = k * squares.readers + (k * n - k - n) * squares.residual
    above = f_distribution.ppf(_TAILS[1], n - 1, degrees)
    low = n * (squares.cases - above * squares.residual) / (above * rest + n * squares.cases)
    above = f_distribution.ppf(_TAILS[1], degrees, n - 1)
    high = n * (above * squares.cases - squares.residual) / (rest + n * above * squares.cases)
    return low, high
