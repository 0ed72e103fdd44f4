"""Logistic regression on features some of which are missing."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.risk.logistic import fit_logistic


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
