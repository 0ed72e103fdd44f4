"""Tests of pairs, of groups and of counts, against p-values that can be counted on paper or are published."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from nnunet_amt.statistics.tests import (
    count_test,
    group_test,
    hodges_lehmann,
    holm,
    kruskal_wallis,
    mann_whitney,
    mcnemar_p,
    permutation_p,
    wilcoxon_p,
)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3, 4, 5], 2 / 32),  # all up or all down, of 32 signs
        ([0, 0, 1, 2, 3, 4, 5], 2 / 32),  # a zero changes no mean
        ([-5, 1, 1], 1.0),  # sum 3 down; 3, 5, 5 and 7 either way are all there is
        ([4, 2, -1], 4 / 8),  # sum 5; as far are 5 and 7 either way, 1 and 3 are not
        ([0.3 - 0.2, -(0.2 - 0.1)], 1.0),
        ([0, 0], 1.0),
        ([], None),
    ],
)
def test_permutation_counts_all_changes_of_sign(differences: list[float], p: float | None) -> None:
    found = permutation_p(np.array(differences, dtype=float))
    assert found == (None if p is None else pytest.approx(p))


def test_permutation_of_many_draws_changes_of_sign() -> None:
    """Of 30 differences of 1, 20 up: P(at least 20 or at most 10 heads of 30) = 0.0987; 3 SD of 100,000 are 0.0028."""
    from scipy.stats import binom

    p = permutation_p(np.array([1.0] * 20 + [-1.0] * 10))
    assert p == pytest.approx(2 * binom.sf(19, 30, 0.5), abs=0.0028)
    assert p == permutation_p(np.array([1.0] * 20 + [-1.0] * 10))


def test_mean_and_ranks_may_disagree() -> None:
    """Better by 0.01 in 33 of 36 cases, worse by 0.7 in 3: the mean is down by 0.049, the shift up by 0.01.

    Ranks alone would call that a clear gain. A mean of the other sign that three cases make is no clear loss either:
    only changes of sign with those three on one side are as far, a quarter of all.
    """
    differences = np.array([0.01] * 33 + [-0.7] * 3)
    assert differences.mean() < 0 < (hodges_lehmann(differences) or 0)
    assert (wilcoxon_p(differences) or 1) < 0.001
    assert permutation_p(differences) == pytest.approx(0.25, abs=0.01)


def test_hodges_lehmann_is_the_median_of_the_means_of_pairs() -> None:
    """Of 1, 2 and 6 these are 1, 1.5, 2, 3.5, 4 and 6."""
    assert hodges_lehmann(np.array([1.0, 2.0, 6.0])) == 2.75
    assert hodges_lehmann(np.array([])) is None


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3, 4, 5], 2 / 32),  # all up or all down, of 32 signs
        ([-1, -2, -3, -4, -5], 2 / 32),
        ([0, 1, 2, 3, 4, 5], 2 / 32),  # a zero has a rank, but no sign
        ([1, 1, 1, 1, 1], 2 / 32),
        # Pratt: the zero has rank 1, the others 2 to 5. Negative ranks add up to 4; so or less do {}, {2}, {3} and {4}.
        # Without the zero it would be 3, of ranks 1 to 4: also {1, 2}, and p = 10/16.
        ([0, 1, 2, -3, 4], 2 * 4 / 16),
        # 0.3 - 0.2 is not 0.2 - 0.1 in binary; on paper they tie, and of ranks 1.5 and 1.5 the sum is never surprising
        ([0.3 - 0.2, -(0.2 - 0.1)], 1.0),
        ([0, 0, 0], 1.0),
        ([], None),
    ],
)
def test_wilcoxon(differences: list[float], p: float | None) -> None:
    found = wilcoxon_p(np.array(differences, dtype=float))
    assert found == (None if p is None else pytest.approx(p))


def test_wilcoxon_of_many_is_a_normal_approximation_without_continuity_correction() -> None:
    """60 differences of 1, 40 up: ranks 30.5, W 1220 against 915, variance 60 x 61 x 121 / 24 less (60^3 - 60) / 48."""
    differences = np.array([1.0] * 40 + [-1.0] * 20)
    z = (1220 - 915) / np.sqrt(60 * 61 * 121 / 24 - (60**3 - 60) / 48)
    from scipy.stats import norm

    assert wilcoxon_p(differences) == pytest.approx(2 * norm.sf(z))


@pytest.mark.parametrize(
    ("only_first", "only_other", "p"),
    [
        (0, 5, 2 / 32),
        (5, 0, 2 / 32),
        (1, 6, 2 * (1 + 7) / 128),
        (3, 3, 1.0),
        (0, 0, 1.0),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_mcnemar_is_exact(only_first: int, only_other: int, p: float) -> None:
    assert mcnemar_p(only_first, only_other) == pytest.approx(p)


def test_groups_apart() -> None:
    """3 against 3 without overlap: 2 of the 20 ways to draw 3 of 6 are as extreme, so p = 0.1."""
    p, probability = mann_whitney(np.array([1, 2, 3]), np.array([4, 5, 6]))
    assert (p, probability) == (pytest.approx(2 / len(list(combinations(range(6), 3)))), 1)


def test_one_out_of_order() -> None:
    """Of the 9 pairs 8 have the larger value in the other group; 4 of 20 draws are as extreme."""
    p, probability = mann_whitney(np.array([1, 2, 4]), np.array([3, 5, 6]))
    assert (p, probability) == (pytest.approx(4 / 20), pytest.approx(8 / 9))


def test_ties_count_half_and_all_equal_is_no_difference() -> None:
    assert mann_whitney(np.array([1, 2]), np.array([2, 3]))[1] == pytest.approx(3.5 / 4)
    assert mann_whitney(np.array([7, 7, 7]), np.array([7, 7])) == (1.0, 0.5)
    assert mann_whitney(np.array([]), np.array([1, 2])) == (None, None)


def test_holm() -> None:
    """The smallest of three is tripled, the next doubled, none below its forerunner, none above 1."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_is_that_of_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = [0.003, 0.025, 0.009, 0.42, 0.33, 0.025]
    assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1].tolist())


def test_normal_values_are_compared_by_welch() -> None:
    """Means 3 and 6, variances 2.5 both, 5 each: t = -3 at 8 degrees of freedom, whose p-value is 0.0171 in tables."""
    first, other = np.array([1.0, 2, 3, 4, 5]), np.array([4.0, 5, 6, 7, 8])
    found = group_test(first, other)
    assert found.name == "Welch's t"
    assert found.p == pytest.approx(0.0171, abs=5e-5)


def test_values_that_are_not_normal_are_compared_by_ranks() -> None:
    skewed = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 50.0, 900.0])
    found = group_test(skewed, skewed[:5] + 0.05)
    assert found.name == "Mann-Whitney U"
    assert found.p == mann_whitney(skewed, skewed[:5] + 0.05)[0]


@pytest.mark.parametrize("few", [[], [1.0], [1.0, 2.0], [3.0, 3.0, 3.0]])
def test_too_few_or_equal_values_are_no_evidence_of_normality(few: list[float]) -> None:
    """Shapiro and Wilk take three values that are not all the same."""
    found = group_test(np.array(few), np.array([1.0, 2.0, 3.0, 4.0]))
    assert found.name == "Mann-Whitney U"
    assert (found.p is None) == (not few)


# Table 1 of the paper: characteristics by low and high risk, with the p-values of Pearson's chi-squared test.
@pytest.mark.parametrize(
    ("counts", "published"),
    [
        ([[27, 85], [34, 59]], 0.052),  # sex, training
        ([[52, 105], [9, 39]], 0.057),  # calcification, training
        ([[36, 106], [25, 38]], 0.038),  # enhancement pattern, training
        ([[52, 44], [9, 100]], 0.000),  # margin, training
        ([[19, 15], [1, 26]], 0.000),  # margin, test
    ],
)
def test_published_p_values_of_counts(counts: list[list[int]], published: float) -> None:
    found = count_test(counts)
    assert found.name == "chi-squared"
    assert found.p == pytest.approx(published, abs=5e-4)


def test_few_expected_cases_are_compared_exactly() -> None:
    """Calcification of the test centre: 3.3 low-risk cases expected, so Fisher's .144 and not the paper's .093."""
    counts = [[19, 32], [1, 9]]
    found, as_published = count_test(counts), count_test(counts, exact=False)
    assert (found.name, found.p) == ("Fisher's exact", pytest.approx(0.1440, abs=5e-5))
    assert (as_published.name, as_published.p) == ("chi-squared", pytest.approx(0.093, abs=5e-4))


def test_fisher_on_paper() -> None:
    """3 of 3 against 0 of 3: 2 of the 20 ways are as rare.

    Of three values with two cases each and three cases a group, 2, 0, 1 and its like (6 of them) have a chance of 2/20
    each, and 1, 1, 1 has 8/20.
    """
    assert count_test([[3, 0], [0, 3]]).p == pytest.approx(2 / 20)
    assert count_test([[2, 0], [0, 2], [1, 1]], exact=True).p == pytest.approx(12 / 20)
    assert count_test([[1, 1], [1, 1], [1, 1]], exact=True).p == pytest.approx(1.0)


def test_fisher_is_that_of_scipy() -> None:
    from scipy.stats import fisher_exact

    for counts in ([[8, 2], [1, 5]], [[19, 32], [1, 9]], [[3, 11], [0, 7]]):
        assert count_test(counts, exact=True).p == pytest.approx(fisher_exact(np.array(counts)).pvalue)


def test_a_large_table_with_few_expected_falls_back_to_chi_squared() -> None:
    """Going through every table would take for ever: what was done is in the name."""
    counts = [[60, 61]] * 6 + [[1, 0]]
    assert count_test(counts, exact=True).name == "chi-squared"
    assert count_test([[900, 880], [0, 9]]).name == "Fisher's exact"  # 1781 x 10 tables


def test_counts_of_three_groups_are_compared_by_chi_squared() -> None:
    """Of 10, 10 and 10 cases 2, 5 and 8 have it: (9 + 0 + 9) / 5, twice, is 7.2; of 2 degrees of freedom p = exp(-3.6).

    A group without a case is passed over; small counts are compared so too, and the name says it.
    """
    found = count_test([[2, 5, 8], [8, 5, 2]])
    assert (found.name, found.p) == ("chi-squared", pytest.approx(np.exp(-3.6)))
    assert count_test([[2, 5, 0, 8], [8, 5, 0, 2]]).p == found.p
    assert count_test([[1, 0, 0], [0, 1, 1]]).name == "chi-squared"


def test_kruskal_and_wallis_on_paper() -> None:
    """Ranks 1, 2 / 3, 4 / 5, 6: H = 12 / (6 * 7) * (9 + 49 + 121) / 2 - 3 * 7 = 32 / 7, p = exp(-16 / 7)."""
    groups = [np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0])]
    found = kruskal_wallis(groups)
    assert (found.name, found.p) == ("Kruskal-Wallis", pytest.approx(np.exp(-16 / 7)))
    two = kruskal_wallis([groups[0], np.zeros(0), groups[2]])  # 2 of the 6 ways are as far apart
    assert (two.name, two.p) == ("Mann-Whitney U", pytest.approx(2 / 6))
    assert kruskal_wallis([groups[0], np.zeros(0)]).p is None
    assert kruskal_wallis([np.ones(2)] * 3).p == 1.0


@pytest.mark.parametrize("counts", [[[3, 4]], [[3, 0], [4, 0]], [[0, 0], [1, 2]], []])
def test_counts_that_do_not_differ_have_no_p(counts: list[list[int]]) -> None:
    """One value only, or one group: there is nothing to compare."""
    assert count_test(counts).p is None
