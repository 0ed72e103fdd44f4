"""Logistic regressions whose coefficients are those of a table of two by two."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnunet_amt.statistics.logistic_fit import can_be_separated, likelihood_ratio_test, logistic_fit

# 3 of 4 with the sign are malignant, and 1 of 4 without it.
SIGN = np.array([1.0, 1, 1, 1, 0, 0, 0, 0])
MALIGNANT = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
NOTHING = np.zeros((8, 0))


def test_a_sign_has_the_odds_ratio_of_its_table() -> None:
    """Odds 3 with and 1/3 without: ln 9; the variance of its logarithm is 1/3 + 1 + 1 + 1/3."""
    fit = logistic_fit(np.column_stack([np.ones(8), SIGN]), MALIGNANT)
    assert fit.coefficients == pytest.approx([math.log(1 / 3), math.log(9)])
    assert fit.errors[1] == pytest.approx(math.sqrt(8 / 3))
    assert fit.log_likelihood == pytest.approx(6 * math.log(3 / 4) + 2 * math.log(1 / 4))


def test_the_likelihood_ratio_is_that_of_the_table() -> None:
    """Without the sign each case has 1/2: 2 (6 ln 3/4 + 2 ln 1/4 - 8 ln 1/2) = 2.093, with p .148."""
    found = likelihood_ratio_test(NOTHING, SIGN[:, None], MALIGNANT)
    assert found is not None
    assert found.statistic == pytest.approx(2 * (6 * math.log(3 / 4) + 2 * math.log(1 / 4) - 8 * math.log(1 / 2)))
    assert found.p == pytest.approx(0.148, abs=5e-4)
    assert (found.degrees, found.coefficients.tolist()) == (1, pytest.approx([math.log(9)]))


def test_what_says_nothing_adds_nothing() -> None:
    """A column that halves each cell of the table leaves its likelihood as it is."""
    twice = np.tile(SIGN, 2)
    half = np.repeat([0.0, 1.0], 8)
    found = likelihood_ratio_test(twice[:, None], half[:, None], np.tile(MALIGNANT, 2))
    assert found is not None
    assert found.statistic == pytest.approx(0, abs=1e-9)
    assert found.p == pytest.approx(1)


@pytest.mark.parametrize(
    "added",
    [MALIGNANT.astype(float), np.ones(8), np.where(MALIGNANT, 1.0, [0, 0, 0, 1, 0, 0, 0, 0])],
    ids=["tells the classes apart", "is constant", "tells them apart but for ties"],
)
def test_there_is_no_test_without_finite_coefficients(added: np.ndarray) -> None:
    """The larger a coefficient the better the fit, without end, or any will do."""
    assert likelihood_ratio_test(NOTHING, added[:, None], MALIGNANT) is None


def test_two_columns_separate_what_neither_does_alone() -> None:
    """The sum is over 0 in the malignant cases alone."""
    columns = np.array([[2.0, -1], [-1, 2], [1, -2], [-2, 1]])
    malignant = np.array([True, True, False, False])
    ones = np.ones((4, 1))
    assert can_be_separated(np.hstack([ones, columns]), malignant)
    assert not can_be_separated(np.hstack([ones, columns[:, :1]]), malignant)
    assert not can_be_separated(np.hstack([ones, columns[:, 1:]]), malignant)


def test_one_class_alone_has_no_test() -> None:
    assert likelihood_ratio_test(NOTHING, SIGN[:, None], np.ones(8, dtype=bool)) is None
