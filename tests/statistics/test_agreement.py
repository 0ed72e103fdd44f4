"""ICC(A,1) and Cohen's kappa, against the worked examples of the literature and on paper."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.agreement import cohen_kappa, icc_agreement

# Shrout and Fleiss (1979), Table 2: six targets, four judges
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_published_example() -> None:
    """ICC(2,1) is .29 (Shrout and Fleiss 1979), from .019 to .76 (R's psych::ICC on the same table)."""
    found = icc_agreement(SHROUT_FLEISS)
    assert found.icc.shape == ()
    assert (found.icc, found.low, found.high) == (
        pytest.approx(0.290, abs=5e-4),
        pytest.approx(0.019, abs=5e-4),
        pytest.approx(0.76, abs=5e-3),
    )


def test_its_mean_squares_on_paper() -> None:
    """Between targets 11.24, judges 32.49, residual 1.02: (11.24 - 1.02) / (11.24 + 3 x 1.02 + 4/6 (32.49 - 1.02))."""
    expected = (11.2417 - 1.0194) / (11.2417 + 3 * 1.0194 + 4 / 6 * (32.4861 - 1.0194))
    assert icc_agreement(SHROUT_FLEISS).icc == pytest.approx(expected, abs=1e-4)


def test_two_readers_on_paper() -> None:
    """1, 2, 3 against 2, 3, 4: mean squares 2, 1.5 and 0, so 2 / (2 + 2/3 x 1.5) = 2/3; consistency would be 1."""
    found = icc_agreement(np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]))
    assert found.icc == pytest.approx(2 / 3)
    assert found.low < 2 / 3 < found.high


def test_many_features_are_those_one_by_one() -> None:
    """(cases, readers, features): each feature has the value that it has alone, whatever its scale."""
    generator = np.random.default_rng(4)
    features = generator.normal(size=(12, 2, 5)) + 2 * generator.normal(size=(12, 1, 5))
    features[:, :, 3] = 1e6 + 1e-3 * features[:, :, 3]
    together = icc_agreement(features)
    assert together.icc.shape == (5,)
    for feature in range(5):
        alone = icc_agreement(features[:, :, feature])
        for name in ("icc", "low", "high"):
            assert getattr(together, name)[feature] == pytest.approx(float(getattr(alone, name)), rel=1e-6)
    assert (together.low < together.icc).all() and (together.icc < together.high).all()


def test_readers_who_agree_in_all_have_one_and_a_constant_feature_has_none() -> None:
    """Where nothing varies there is nothing to agree on: NaN, which is over no limit."""
    same = np.repeat(np.array([[1.0], [2.0], [4.0]]), 2, axis=1)
    features = np.stack([same, np.full((3, 2), 7.0), np.full((3, 2), 0.1)], axis=2)
    found = icc_agreement(features)
    assert (found.icc[0], found.low[0], found.high[0]) == (1.0, 1.0, 1.0)
    assert np.isnan([found.icc[1:], found.low[1:], found.high[1:]]).all()


def test_features_at_odds_are_below_zero() -> None:
    """1, 2, 3 against 3, 2, 1: mean squares 0, 0 and 2, so -2 / (2 - 2/3 x 2) = -3: an estimate, no correlation.

    The degrees of freedom of its interval are 0 / 0.
    """
    found = icc_agreement(np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]))
    assert found.icc == pytest.approx(-3.0)
    assert np.isnan([found.low, found.high]).all()


def test_bad_ratings_are_refused() -> None:
    with pytest.raises(TooFewCasesError, match=r"2 cases.*3"):
        icc_agreement(np.ones((2, 2)))
    with pytest.raises(TooFewCasesError, match=r"1 reader .*2"):
        icc_agreement(np.ones((5, 1, 3)))
    with pytest.raises(BadInputError, match="case 2, reader 1, feature 3"):
        icc_agreement(np.where(np.arange(24).reshape(4, 2, 3) == 8, np.nan, 1.0))
    with pytest.raises(BadInputError, match="shape"):
        icc_agreement(np.ones(4))


def test_kappa_on_paper() -> None:
    """Of 50, 20 both yes and 15 both no, 5 and 10 apart: 0.7 observed, 0.5 expected, so kappa is 0.4."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa(first, first) == 1.0


def test_weighted_kappa_counts_how_far_apart() -> None:
    """1, 1, 2, 3 against 1, 2, 2, 3: one of 4 is apart, by one step; by chance it is any of the 16 pairs."""
    first, second = [1, 1, 2, 3], [1, 2, 2, 3]
    expected = sum(abs(a - b) for a in first for b in second) / 16
    assert cohen_kappa(first, second, weights="linear") == pytest.approx(1 - 0.25 / expected)
    squares = sum((a - b) ** 2 for a in first for b in second) / 16
    assert cohen_kappa(first, second, weights="quadratic") == pytest.approx(1 - 0.25 / squares)


def test_kappa_of_one_answer_is_undefined() -> None:
    """Both always say yes: they agree by chance alone, and there is no more to be had."""
    assert cohen_kappa(["yes"] * 4, ["yes"] * 4) is None
    assert cohen_kappa(["yes"] * 4, ["no"] * 4) == 0.0


def test_bad_answers_are_refused() -> None:
    with pytest.raises(BadInputError, match="3 and 2"):
        cohen_kappa([1, 2, 3], [1, 2])
    with pytest.raises(TooFewCasesError, match="no case"):
        cohen_kappa([], [])
    with pytest.raises(BadInputError, match="numbers"):
        cohen_kappa(["a", "b"], ["a", "b"], weights="linear")
