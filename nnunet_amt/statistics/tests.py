"""Tests, two-sided: Wilcoxon's and McNemar's of pairs, Mann and Whitney's of two groups; Holm's correction for many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_DECIMALS = 12  # differences that are equal on paper, such as 0.3 - 0.2 and 0.2 - 0.1, must be ties


def wilcoxon_p(differences: np.ndarray) -> float | None:
    """Wilcoxon's signed rank test, two-sided; zeros are ranked, then left out (Pratt 1959).

    scipy's "auto": exact up to 50 differences if none are equal in size or zero, exact by all changes of sign up to 13
    otherwise, and else by the normal approximation with correction for ties.

    Parameters
    ----------
    differences : numpy.ndarray of float, (pairs,)
        Defined ones.

    Returns
    -------
    float or None
        The p-value: 1 if all differences are zero, None if there are none.
    """
    differences = np.round(differences, _DECIMALS)
    if not differences.size:
        return None
    if not differences.any():
        return 1.0
    from scipy.stats import wilcoxon  # slow to import

    return float(wilcoxon(differences, zero_method="pratt", method="auto").pvalue)


def mcnemar_p(only_first: int, only_other: int) -> float:
    """McNemar's exact test, two-sided: a binomial test of what one of two alone finds; without such p is 1."""
    if not only_first + only_other:
        return 1.0
    from scipy.stats import binomtest  # slow to import

    return float(binomtest(only_first, only_first + only_other).pvalue)


def mann_whitney(first: np.ndarray, other: np.ndarray) -> tuple[float | None, float | None]:
    """Mann and Whitney's U test of two groups, two-sided.

    The p-value is exact if one group has 8 values or fewer and no two values are equal, and asymptotic, with
    corrections for ties and continuity, otherwise.

    Parameters
    ----------
    first, other : numpy.ndarray of float, (values,)
        Defined ones of each group.

    Returns
    -------
    p, probability : float or None
        The p-value, and the probability that a value drawn from `other` is the larger one, ties counted half:
        U / (n1 n2). None if one group has no value.
    """
    if not (first.size and other.size):
        return None, None
    if np.ptp(np.concatenate([first, other])) == 0:  # no order at all, which the asymptotic test cannot divide by
        return 1.0, 0.5
    from scipy.stats import mannwhitneyu  # slow to import

    result = mannwhitneyu(other, first, alternative="two-sided", method="auto")
    return float(result.pvalue), float(result.statistic) / (first.size * other.size)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number by Holm's step-down method."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    stepped = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors))
    corrected = np.empty(len(order))
    corrected[order] = stepped
    return [float(p) for p in corrected]
