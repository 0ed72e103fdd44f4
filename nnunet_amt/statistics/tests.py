"""Tests, two-sided: of pairs, of two groups and of their counts; Holm for many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, lgamma

import numpy as np

SIGNIFICANT_P = 0.05  # p-values below it are called significant
_DECIMALS = 12  # differences that are equal on paper, such as 0.3 - 0.2 and 0.2 - 0.1, must be ties
_MOST_EXACT = 20  # differences of which all changes of sign are gone through: a million
_BLOCK_SIGNS = 4_000_000  # signs held at once: 4 MB, whatever the number of differences
_NORMAL = 0.05  # p-value of Shapiro and Wilk from which values are taken for normal
_FEWEST_SHAPIRO = 3
_FEWEST_EXPECTED, _FEWEST_IN_ANY, _MOST_FEW = 5, 1, 0.2  # Cochran's rule
_MOST_TABLES = 1_000_000  # that Fisher's test goes through


@dataclass(frozen=True)
class GroupTest:
    """Which test was made of two groups, and its two-sided p-value; None where there is nothing to compare."""

    name: str
    p: float | None


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


def smallest_rank_p(group_size: int) -> float:
    """Give the smallest exact p-value of two groups of so many values: that of groups that lie apart.

    With ties `mann_whitney` is asymptotic, and may give a smaller one that nothing vouches for.
    """
    return 2 / comb(2 * group_size, group_size)


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


def group_test(first: np.ndarray, other: np.ndarray) -> GroupTest:
    """Compare a measurement of two groups: by Welch's t test (1947) where both look normal, else by Mann and Whitney's.

    Normal is what Shapiro and Wilk's test (1965) does not call otherwise, at 0.05; it takes three values that differ.

    Parameters
    ----------
    first, other : numpy.ndarray of float, (values,)
        Defined ones of each group.
    """
    from scipy.stats import shapiro, ttest_ind  # slow to import

    groups = first, other
    if all(
        group.size >= _FEWEST_SHAPIRO and np.ptp(group) > 0 and shapiro(group).pvalue >= _NORMAL for group in groups
    ):
        return GroupTest("Welch's t", float(ttest_ind(first, other, equal_var=False).pvalue))
    return GroupTest("Mann-Whitney U", mann_whitney(first, other)[0])


def kruskal_wallis(groups: Sequence[np.ndarray]) -> GroupTest:
    """Compare a measurement of several groups by ranks (Kruskal and Wallis 1952); of two by Mann and Whitney's test.

    Parameters
    ----------
    groups : numpy.ndarray of float, (values,)
        Defined ones of each group; groups without a value are passed over.

    Returns
    -------
    GroupTest
        Its p-value is None if fewer than two groups have values.
    """
    known = [group for group in groups if group.size]
    if len(known) == 2:
        return GroupTest("Mann-Whitney U", mann_whitney(*known)[0])
    if len(known) < 2:
        return GroupTest("Kruskal-Wallis", None)
    if np.ptp(np.concatenate(known)) == 0:  # no order at all, which the test cannot divide by
        return GroupTest("Kruskal-Wallis", 1.0)
    from scipy.stats import kruskal  # slow to import

    return GroupTest("Kruskal-Wallis", float(kruskal(*known).pvalue))


def count_test(counts: Sequence[Sequence[int]], *, exact: bool | None = None) -> GroupTest:
    """Compare how often groups have each value of a characteristic: chi-squared (Pearson 1900) or Fisher (1935).

    Parameters
    ----------
    counts : (values, groups)
        Cases of each group, of which there are two or more; groups without a case are passed over.
    exact
        Fisher's test, of more than two values that of Freeman and Halton (1951), or Pearson's, which has no correction
        for continuity, as in the paper. If not given, Fisher's where Cochran's rule (1954) forbids the other: an
        expected count under 1, or over a fifth of them under 5. Where Fisher's would go through more than a million
        tables, and for more than two groups, Pearson's is made whatever is asked for: the name says which it was.

    Returns
    -------
    GroupTest
        Its p-value is None where there is one value only, or one group with a case.
    """
    table = np.atleast_2d(np.asarray(counts, dtype=np.int64))
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:
        return GroupTest("Fisher's exact" if exact else "chi-squared", None)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    if exact is None:
        exact = bool(expected.min() < _FEWEST_IN_ANY or np.mean(expected < _FEWEST_EXPECTED) > _MOST_FEW)
    if exact and table.shape[1] == 2 and np.prod(table.sum(axis=1) + 1.0) <= _MOST_TABLES:
        return GroupTest("Fisher's exact", _fisher_p(table))
    from scipy.stats import chi2  # slow to import

    statistic = (np.square(table - expected) / expected).sum()
    return GroupTest("chi-squared", float(chi2.sf(statistic, (len(table) - 1) * (table.shape[1] - 1))))


def _fisher_p(table: np.ndarray) -> float:
    """Add up the chances of all tables with the same sums that are no likelier than this one."""
    of_value, drawn = table.sum(axis=1), int(table[:, 0].sum())
    chances = np.zeros(1)  # logarithms, but for a constant, of each way to fill the rows so far ...
    taken = np.zeros(1, dtype=np.int64)  # ... and how many cases of the first group these hold
    for number in of_value:
        ways = np.array([_log_ways(int(number), k) for k in range(number + 1)])
        chances, taken = (chances[:, None] + ways).ravel(), (taken[:, None] + np.arange(number + 1)).ravel()
    chances = chances[taken == drawn]
    observed = sum(_log_ways(int(number), int(k)) for number, k in zip(of_value, table[:, 0], strict=True))
    as_rare = chances <= observed + 1e-9  # equal ones but for rounding too
    chances = np.exp(chances - chances.max())
    return float(chances[as_rare].sum() / chances.sum())


def _log_ways(number: int, k: int) -> float:
    """Give the logarithm of how many ways there are to choose `k` of a number."""
    return lgamma(number + 1) - lgamma(k + 1) - lgamma(number - k + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number by Holm's step-down method."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    stepped = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors))
    corrected = np.empty(len(order))
    corrected[order] = stepped
    return [float(p) for p in corrected]
