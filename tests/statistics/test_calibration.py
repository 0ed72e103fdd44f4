"""Calibration and net benefit of scores whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.calibration import (
    bin_sums,
    brier_score,
    calibration_error,
    calibration_fit,
    decision_curve,
    reliability_bins,
)
from nnunet_amt.statistics.intervals import wilson_interval

# 0.2 and 0.8 that should be 1/3 and 2/3: three cases each, one and two of them high risk
TOO_SURE = [0.2, 0.2, 0.2, 0.8, 0.8, 0.8]
ONE_AND_TWO = [1, 0, 0, 1, 1, 0]


def test_brier_is_the_mean_squared_error() -> None:
    assert brier_score([1.0, 0.0, 0.5, 0.2], [1, 0, 1, 1]) == pytest.approx((0 + 0 + 0.25 + 0.64) / 4)


def test_scores_that_are_too_sure_have_a_slope_under_one() -> None:
    """The logits of 0.2 and 0.8 are -ln 4 and ln 4, those of 1/3 and 2/3 -ln 2 and ln 2: half as steep."""
    found = calibration_fit(TOO_SURE, ONE_AND_TWO)
    assert found.slope == pytest.approx(0.5)
    assert found.intercept == pytest.approx(0.0, abs=1e-9)
    # the Fisher information of the slope is 6 cases x 1/3 x 2/3 x (ln 4)^2, as the cases lie evenly about zero
    error = 1 / math.sqrt(6 * 2 / 9 * math.log(4) ** 2)
    assert found.slope_interval == pytest.approx((0.5 - 1.959964 * error, 0.5 + 1.959964 * error))


def test_the_intercept_is_that_of_a_slope_of_one() -> None:
    """0.5 for all, of which 3 of 4 are high risk: too low by ln 3. One score for all has no slope."""
    found = calibration_fit([0.5] * 4, [1, 1, 1, 0])
    assert found.intercept == pytest.approx(math.log(3))
    error = 1 / math.sqrt(4 * 3 / 16)
    assert found.intercept_interval == pytest.approx((math.log(3) - 1.959964 * error, math.log(3) + 1.959964 * error))
    assert (found.slope, found.slope_interval) == (None, None)


def test_what_was_put_in_is_found() -> None:
    """Cases drawn by a logit of 0.4 + 0.7 times the score's: slope 0.7, three standard errors of 4000 about it."""
    generator = np.random.default_rng(6)
    logits = generator.normal(scale=1.5, size=4000)
    high = generator.random(4000) < 1 / (1 + np.exp(-(0.4 + 0.7 * logits)))
    found = calibration_fit(1 / (1 + np.exp(-logits)), high)
    assert found.slope == pytest.approx(0.7, abs=0.11)
    assert found.slope_interval is not None
    assert found.slope_interval[0] < 0.7 < found.slope_interval[1]


@pytest.mark.parametrize("scores", [[0.1, 0.2, 0.7, 0.9], [0.9, 0.8, 0.2, 0.1], [0.1, 0.5, 0.5, 0.9]])
def test_separated_classes_have_no_slope(scores: list[float]) -> None:
    """The likelihood rises for ever, so that any number would only say when the search stopped."""
    assert calibration_fit(scores, [0, 0, 1, 1]).slope is None


def test_certain_scores_are_held_from_infinity_and_counted() -> None:
    """The logit of 1 is infinite: 0 and 1 are taken for 0.001 and 0.999, and it is said how many."""
    found = calibration_fit([0.0, 1.0, 1.0, 0.3, 0.6], [0, 1, 0, 1, 0])
    assert found.held == 3
    as_given = calibration_fit([0.001, 0.999, 0.999, 0.3, 0.6], [0, 1, 0, 1, 0])
    assert (found.intercept, found.slope) == (as_given.intercept, as_given.slope)
    assert as_given.held == 0


def test_reliability_bins_and_their_error() -> None:
    """Two bins: three of 0.2 with one high, three of 0.8 with two: each off by 2/15."""
    bins = reliability_bins(TOO_SURE, ONE_AND_TWO)
    assert [(one.cases, one.high) for one in bins] == [(3, 1), (3, 2)]
    assert [(one.lower, one.upper) for one in bins] == [(0.2, pytest.approx(0.3)), (0.8, pytest.approx(0.9))]
    assert [one.mean_score for one in bins] == pytest.approx([0.2, 0.8])
    assert bins[0].share == pytest.approx(1 / 3)
    assert bins[0].interval == wilson_interval(1, 3)
    assert calibration_error(bin_sums(TOO_SURE, high=ONE_AND_TWO)) == pytest.approx(2 / 15)


def test_a_score_of_one_is_in_the_last_bin_and_limits_in_the_upper() -> None:
    assert [(one.lower, one.cases) for one in reliability_bins([1.0, 0.5, 0.49], [1, 1, 0], bins=2)] == [
        (0.0, 1),
        (0.5, 2),
    ]


def test_bins_of_weighted_scores() -> None:
    """100 voxels of 0.6 of which 30 are tumour, 300 of 0.2 of which all are: (100 x 0.3 + 300 x 0.8) / 400."""
    sums = bin_sums([0.6, 0.2], cases=[100, 300], high=[30, 300])
    assert sums.shape == (3, 10)
    assert calibration_error(sums) == pytest.approx(270 / 400)
    assert calibration_error(np.zeros((3, 10))) is None


def test_net_benefit_on_paper() -> None:
    """At 0.5 the model finds 2 of 3 high-risk cases of 6 and calls 1 of 3 low-risk ones, which weighs 1."""
    curve = decision_curve(TOO_SURE, ONE_AND_TWO, thresholds=[0.1, 0.5, 0.75, 0.9])
    assert curve.thresholds.tolist() == [0.1, 0.5, 0.75, 0.9]
    assert curve.model.tolist() == pytest.approx([0.5 - 0.5 / 9, 2 / 6 - 1 / 6, 2 / 6 - 1 / 6 * 3, 0.0])
    assert curve.everyone.tolist() == pytest.approx([0.5 - 0.5 / 9, 0.0, 0.5 - 0.5 * 3, 0.5 - 0.5 * 9])
    assert curve.nobody.tolist() == [0, 0, 0, 0]


def test_thresholds_of_a_decision_curve_default_to_whole_percents() -> None:
    curve = decision_curve(TOO_SURE, ONE_AND_TWO)
    assert (curve.thresholds[0], curve.thresholds[-1], curve.thresholds.size) == (0.01, 0.99, 99)


def test_bad_input_is_refused() -> None:
    for function in (brier_score, calibration_fit, reliability_bins, decision_curve):
        with pytest.raises(BadInputError, match=r"score 2 of 2 is 1.5.*0 to 1"):
            function([0.5, 1.5], [1, 0])
    with pytest.raises(BadInputError, match=r"score 1 of 1 is nan"):
        brier_score([math.nan], [1])
    with pytest.raises(TooFewCasesError, match="no case"):
        brier_score([], [])
    with pytest.raises(TooFewCasesError, match="2 high-risk and 0 low-risk"):
        calibration_fit([0.5, 0.6], [1, 1])
    with pytest.raises(BadInputError, match="threshold of 1"):
        decision_curve(TOO_SURE, ONE_AND_TWO, thresholds=[0.5, 1.0])
    with pytest.raises(BadInputError, match="0 bins"):
        reliability_bins(TOO_SURE, ONE_AND_TWO, bins=0)
