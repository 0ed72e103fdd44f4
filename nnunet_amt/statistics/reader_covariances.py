"""How the AUCs of readers on the same cases vary together from one sample of cases to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnunet_amt.statistics.roc import checked_high, placements

Covariance = Literal["delong", "jackknife"]


@dataclass(frozen=True)
class ErrorCovariances:
    """Covariances averaged over what the model of Obuchowski and Rockette (1995) takes for alike.

    `error` is the variance of one AUC; the covariances are of one reader in two conditions (1), of two readers in one
    condition (2) and in two (3). Error and second covariance also stand for each condition, (conditions,).
    """

    error: float
    covariance_1: float
    covariance_2: float
    covariance_3: float
    error_of: NDArray[np.float64]
    covariance_2_of: NDArray[np.float64]

    @classmethod
    def of(cls, covariances: NDArray[np.float64]) -> ErrorCovariances:
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


def auc_covariances(
    ratings: ArrayLike, high: ArrayLike, *, method: Covariance = "delong"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the AUC of each condition and reader, and the covariances of all of them over samples of cases.

    Parameters
    ----------
    ratings : array of float, (conditions, readers, cases)
    high
        (cases,), whether each is high risk.
    method
        Of DeLong (1988), or of leaving out one case at a time: the jackknife (Quenouille 1956).

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
    pairs = [placements(one, is_high, least=2) for one in values.reshape(-1, values.shape[-1])]
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
