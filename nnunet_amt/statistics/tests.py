"""Tests, two-sided, of pairs (permutation, Wilcoxon, McNemar) and two groups (Mann-Whitney); Holm for many of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_DECIMALS = 12  # differences that are equal on paper, such as 0.3 - 0.2 and 0.2 - 0.1, must be ties
_MOST_EXACT = 20  # differences of which all changes of sign are gone through: a million
_BLOCK_SIGNS = 4_000_000  # signs held at once: 4 MB, whatever the number of differences


def permutation_p(differences: np.ndarray, *, resamples: int = 100_000, seed: int = 0) -> float | None:
    """Permutation test of a mean of paired differences being zero, two-sided (Fisher 1935).

    Under the null hypothesis the two of a pair could change places, so every difference could as well have the other
    sign. The p-value is the share of changes of sign whose mean is at least as far from zero: of all of them up to 20
    differences, beyond that of `resamples` random ones and the one observed (Phipson and Smyth 2010).

    Parameters
    ----------
    differences : numpy.ndarray of float, (pairs,)
        Defined ones. Where pairs come in clusters, such as patients with several CTs, give the sums of the clusters:
        the pairs of a cluster change places together.
    resamples
        Random changes of sign.
    seed
        Seed of these.

    Returns
    -------
    float or None
        The p-value; None if there are no differences.
    """
    if not differences.size:
        return None
    differences = np.round(differences, _DECIMALS)
    differences = differences[differences != 0]  # their sign changes no mean
    if not differences.size:
        return 1.0
    observed = abs(differences.sum())
    tolerance = 10.0**-_DECIMALS * differences.size
    if differences.size <= _MOST_EXACT:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums + difference, sums - difference])
        return float(np.mean(np.abs(sums) >= observed - tolerance))
    generator = np.random.default_rng(seed)
    as_far = 0
    for start in range(0, resamples, block := max(1, _BLOCK_SIGNS // differences.size)):
        signs = generator.integers(2, size=(min(block, resamples - start), differences.size), dtype=np.int8) * 2 - 1
        as_far += int(np.count_nonzero(np.abs(signs @ differences) >= observed - tolerance))
    return (as_far + 1) / (resamples + 1)


def hodges_lehmann(differences: np.ndarray) -> float | None:
    """Estimate the shift that Wilcoxon's signed ranks test: the median of the means of all pairs of differences.

    Each difference is also paired with itself (Hodges and Lehmann 1963); None if there are none.
    """
    if not differences.size:
        return None
    first, other = np.triu_indices(differences.size)
    return float(np.median((differences[first] + differences[other]) / 2))


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
