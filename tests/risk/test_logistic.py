"""Logistic regression on features some of which are missing."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.risk.logistic import fit_logistic, fit_multinomial


def test_one_feature_of_two_values_gives_the_log_odds_of_the_two_groups() -> None:
    """Without a penalty the logits are those of the shares: 1 of 4 high where it is 0, 3 of 4 where it is 1."""
    features = np.array([[0.0]] * 4 + [[1.0]] * 4)
    high = np.array([True, False, False, False, True, True, True, False])
    model = fit_logistic(features, high, inverse_penalty=1e6)
    assert model.logits(np.array([[0.0], [1.0]])) == pytest.approx([-np.log(3), np.log(3)], abs=1e-3)
    assert model.logits(np.array([[np.nan]])) == pytest.approx([0.0], abs=1e-3)  # the mean, .5, lies between


def test_a_feature_of_one_value_or_of_none_has_no_say() -> None:
    features = np.array([[0.0, 7.0, np.nan], [1.0, 7.0, np.nan], [0.0, 7.0, np.nan], [1.0, 7.0, np.nan]])
    model = fit_logistic(features, np.array([False, True, False, True]), inverse_penalty=1.0)
    assert model.coefficients[1:] == pytest.approx([0.0, 0.0])
    assert np.isfinite(model.logits(np.array([[1.0, 9.0, 3.0]]))).all()


def test_a_regression_of_three_classes_gives_the_shares_of_each_group() -> None:
    """Without a penalty: of 8 cases with 0 there are 4, 2, 2 of the classes, of 8 with 1 there are 1, 3, 4."""
    features = np.repeat([[0.0], [1.0]], 8, axis=0)
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, 0, 1, 1, 1, 2, 2, 2, 2])
    model = fit_multinomial(features, labels, classes=3, inverse_penalty=1e6)
    found = model.probabilities(np.array([[0.0], [1.0]]))
    assert found == pytest.approx(np.array([[4, 2, 2], [1, 3, 4]]) / 8, abs=1e-3)


def test_of_two_classes_it_is_the_logistic_regression_and_a_class_without_cases_is_impossible() -> None:
    """Class 1 has no case: of 0 and 2 the probabilities are those of `fit_logistic`, penalty and all."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20, 3))
    features[3, 1] = np.nan
    high = features[:, 0] + generator.normal(size=20) > 0
    model = fit_multinomial(features, np.where(high, 2, 0), classes=3, inverse_penalty=0.5)
    expected = 1 / (1 + np.exp(-fit_logistic(features, high, inverse_penalty=0.5).logits(features)))
    assert model.probabilities(features) == pytest.approx(np.stack((1 - expected, 0 * expected, expected), 1), abs=1e-6)
