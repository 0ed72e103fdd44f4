"""Wilcoxon, McNemar, Mann-Whitney and Holm, against p-values that can be counted on paper."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from nnunet_amt.statistics.tests import holm, mann_whitney, mcnemar_p, wilcoxon_p


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
