"""AUC, DeLong and thresholds, on scores that can be counted on paper and on the published yes/no readings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.roc import (
    auc,
    bootstrap_auc_interval,
    delong,
    delong_test,
    placements,
    roc_points,
    sensitivity_threshold,
    youden_threshold,
)

SCORES = np.array([0.1, 0.4, 0.35, 0.8])
HIGH = np.array([False, False, True, True])


def yes_no(true_positives: int, true_negatives: int, *, high: int = 41, low: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Readings of yes and no by their counts, and which of the cases are high risk."""
    of_high = np.arange(high) < true_positives
    of_low = np.arange(low) >= true_negatives
    return np.concatenate([of_high, of_low]).astype(float), np.arange(high + low) < high


def test_auc_counts_pairs() -> None:
    """Of the pairs 0.35 and 0.8 against 0.1 and 0.4 three of four are in order."""
    assert auc(SCORES, HIGH) == 0.75
    assert auc(-SCORES, HIGH) == 0.25


def test_ties_count_half() -> None:
    """Of 2 and 1 against 1 and 0: in order, in order, tied, in order."""
    assert auc([2, 1, 1, 0], [True, True, False, False]) == 3.5 / 4
    assert auc([3, 3, 3], [True, False, True]) == 0.5


def test_placements_are_the_shares_of_the_other_class_that_a_case_outranks() -> None:
    of_high, of_low = placements(SCORES, HIGH)
    assert of_high.tolist() == [0.5, 1.0]  # 0.35 is over 0.1 only, 0.8 over both
    assert of_low.tolist() == [1.0, 0.5]  # 0.1 is under both, 0.4 under 0.8 only


def test_delong_on_paper() -> None:
    """Placements 0.5 and 1 in either class: variance 0.125 each, over 2 cases each, so 0.125 in all."""
    found = delong(SCORES, HIGH)
    half = 1.959963985 * math.sqrt(0.125)
    assert (found.auc, found.variance) == (0.75, pytest.approx(0.125))
    assert (found.low, found.high) == (pytest.approx(0.75 - half), 1.0)  # cut at 1
    assert found.interval == (found.low, found.high)


# Table 3 of the paper: yes/no readings of 41 high-risk and 20 low-risk cases; true positives and negatives are the only
# whole counts that round to the published sensitivity and specificity. All twelve rows of readers are DeLong's.
TABLE_3 = [
    ("Junior 1", 35, 11, (0.702, 0.5773, 0.8264)),
    ("Junior 2", 34, 12, (0.715, 0.5900, 0.8393)),
    ("Junior 3", 35, 12, (0.727, 0.6038, 0.8498)),
    ("Senior 1", 37, 15, (0.826, 0.7186, 0.9339)),
    ("Senior 2 and 3", 38, 15, (0.838, 0.7330, 0.9438)),
    ("AI-assisted junior 1 and 3", 36, 15, (0.814, 0.7043, 0.9238)),
    ("AI-assisted junior 2", 36, 16, (0.839, 0.7358, 0.9423)),
    ("AI-assisted senior 1", 37, 16, (0.851, 0.7502, 0.9522)),
    ("AI-assisted senior 2 and 3", 38, 16, (0.863, 0.7648, 0.9620)),
]


@pytest.mark.parametrize(("true_positives", "true_negatives", "published"), [row[1:] for row in TABLE_3])
def test_published_intervals_of_readers(
    true_positives: int, true_negatives: int, published: tuple[float, float, float]
) -> None:
    found = delong(*yes_no(true_positives, true_negatives))
    assert (found.low, found.high) == pytest.approx(published[1:], abs=5.1e-5)
    assert found.auc == pytest.approx(published[0], abs=5.1e-4)


def test_one_reading_of_a_yes_no_row_is_not_the_models_own_interval() -> None:
    """The model's row has 36 of 41 and 14 of 20 too, but its .7908 to .9604 are those of its scores."""
    found = delong(*yes_no(36, 14))
    assert (found.low, found.high) == pytest.approx((0.6742, 0.9039), abs=5e-5)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.9, 0.8, 0.2, 0.1], 1.0), ([0.1, 0.2, 0.8, 0.9], 0.0), ([0.5, 0.5, 0.5, 0.5], 0.5)],
)
def test_an_interval_without_a_width_is_none(scores: list[float], expected: float) -> None:
    """All correct, all wrong, or one score for all: DeLong's variance is zero, which is no certainty."""
    found = delong(scores, [True, True, False, False])
    assert (found.auc, found.low, found.high, found.variance) == (expected, expected, expected, 0.0)
    assert found.interval is None


@pytest.mark.parametrize("high", [[True] * 4, [False] * 4])
def test_one_class_is_refused(high: list[bool]) -> None:
    for function in (auc, delong, youden_threshold, roc_points):
        with pytest.raises(TooFewCasesError, match=r"there are [04] high-risk and [04] low-risk cases"):
            function(SCORES, high)


def test_delong_takes_two_cases_of_each_class() -> None:
    assert auc([1, 2, 3], [False, False, True]) == 1.0
    with pytest.raises(TooFewCasesError, match=r"1 high-risk and 2 low-risk.*2 of each"):
        delong([1, 2, 3], [False, False, True])


@pytest.mark.parametrize(
    ("scores", "high", "message"),
    [
        ([0.1, np.nan, 0.3, 0.4], HIGH, "score 2 of 4 is nan"),
        ([0.1, 0.2, np.inf, 0.4], HIGH, "score 3 of 4 is inf"),
        ([0.1, 0.2], HIGH, "2 scores.*4 cases"),
        ([[0.1, 0.2, 0.3, 0.4]], HIGH, "one dimension"),
        (SCORES, [0, 1, 2, 1], "2"),
    ],
)
def test_bad_scores_are_refused(scores: object, high: object, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        auc(scores, high)  # type: ignore[arg-type]


def test_paired_test_on_paper() -> None:
    """Second scores in perfect order: the placements differ by 0.5, 0 in both classes; variance 0.125/2 twice."""
    found = delong_test(SCORES, np.array([0.1, 0.2, 0.7, 0.8]), HIGH)
    z = 0.25 / math.sqrt(0.125)
    assert found.difference == 0.25
    assert found.p == pytest.approx(math.erfc(z / math.sqrt(2)))
    assert found.interval == pytest.approx(
        (0.25 - 1.959963985 * math.sqrt(0.125), 0.25 + 1.959963985 * math.sqrt(0.125))
    )
    other_way = delong_test(np.array([0.1, 0.2, 0.7, 0.8]), SCORES, HIGH)
    assert (other_way.difference, other_way.p) == (-0.25, found.p)


def test_identical_order_is_no_difference() -> None:
    """The same scores, or the same order on another scale: p is 1, not 0 and not NaN."""
    generator = np.random.default_rng(3)
    scores, high = generator.random(40), np.arange(40) < 25
    for second in (scores, np.exp(7 * scores)):
        found = delong_test(scores, second, high)
        assert (found.difference, found.p, found.interval) == (0.0, 1.0, None)


def test_a_difference_without_a_variance_has_no_p() -> None:
    """All right against one score for all: no case varies, so DeLong's method cannot tell how sure that is."""
    found = delong_test([0.5] * 4, [0.1, 0.2, 0.8, 0.9], HIGH)
    assert (found.difference, found.p, found.interval) == (0.5, None, None)


def test_delong_is_about_the_jackknife() -> None:
    """DeLong's variance and that of the AUCs with one case left out agree but for a factor of n/(n-1)."""
    generator = np.random.default_rng(5)
    high = np.arange(200) < 120
    scores = generator.normal(size=200) + high
    left_out = np.array([auc(np.delete(scores, k), np.delete(high, k)) for k in range(200)])
    assert delong(scores, high).variance == pytest.approx(
        199 / 200 * np.square(left_out - left_out.mean()).sum(), rel=0.02
    )


def test_bootstrap_draws_patients() -> None:
    """Three images of each patient that are all alike hold no more than one: the same interval but for the draws."""
    generator = np.random.default_rng(8)
    high = np.arange(60) < 35
    scores = generator.normal(size=60) + 1.2 * high
    one = bootstrap_auc_interval(scores, high, range(60), resamples=4000, seed=1)
    three = bootstrap_auc_interval(
        np.repeat(scores, 3), np.repeat(high, 3), np.repeat(np.arange(60), 3), resamples=4000, seed=1
    )
    assert one is not None and three == pytest.approx(one)
    as_cases = bootstrap_auc_interval(np.repeat(scores, 3), np.repeat(high, 3), range(180), resamples=4000, seed=1)
    assert as_cases is not None and as_cases[1] - as_cases[0] < 0.7 * (one[1] - one[0])
    low, upper = one
    analytic = delong(scores, high)
    assert (low, upper) == pytest.approx((analytic.low, analytic.high), abs=0.03)


def test_bootstrap_of_a_perfect_order_has_no_width() -> None:
    assert bootstrap_auc_interval([1, 2, 3, 4], HIGH, "abcd", resamples=50, seed=0) is None


def test_roc_points_go_from_nobody_to_everybody() -> None:
    """Called from the highest score down: 0.8 high, 0.4 low, 0.35 high, 0.1 low."""
    curve = roc_points(SCORES, HIGH)
    assert curve.false_positive_rate.tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.sensitivity.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.thresholds.tolist() == pytest.approx([math.inf, 0.6, 0.375, 0.225, 0.1])
    steps, heights = np.diff(curve.false_positive_rate), (curve.sensitivity[1:] + curve.sensitivity[:-1]) / 2
    assert (steps * heights).sum() == pytest.approx(auc(SCORES, HIGH))


def test_roc_points_of_ties_are_one_step() -> None:
    curve = roc_points([1, 1, 0, 0], [True, False, True, False])
    assert list(zip(curve.false_positive_rate, curve.sensitivity, strict=True)) == [(0, 0), (0.5, 0.5), (1, 1)]


def test_youden_of_ties_is_the_most_sensitive() -> None:
    """At 0.6 (sensitivity 0.5, specificity 1) and at 0.225 (1 and 0.5) the index is 0.5: missing none is taken."""
    assert youden_threshold(SCORES, HIGH) == pytest.approx(0.225)


def test_youden_is_between_two_scores() -> None:
    """So that a score that is rounded in a file stays on its side."""
    assert youden_threshold([0.2, 0.4, 0.6, 0.9], HIGH) == pytest.approx(0.5)
    assert youden_threshold([0, 0, 1, 1], HIGH) == 0.5


@pytest.mark.parametrize("scores", [[0.3] * 4, [0.9, 0.8, 0.2, 0.1]])
def test_youden_of_scores_that_tell_nothing_calls_all(scores: list[float]) -> None:
    """No threshold is better than chance: all are called high, and the threshold is the lowest score."""
    assert youden_threshold(scores, HIGH) == min(scores)


def test_neighbouring_floats_are_still_told_apart() -> None:
    above = np.nextafter(0.5, 1)
    assert youden_threshold([0.5, 0.5, above, above], HIGH) == above


def test_threshold_of_a_sensitivity_is_the_highest_that_reaches_it() -> None:
    scores, high = [0.1, 0.2, 0.3, 0.4, 0.5], [False, True, True, True, False]
    assert sensitivity_threshold(scores, high, sensitivity=2 / 3) == pytest.approx(0.25)
    assert sensitivity_threshold(scores, high, sensitivity=0.9) == pytest.approx(0.15)
    assert sensitivity_threshold(scores, high, sensitivity=1.0) == pytest.approx(0.15)
    for asked in (0.0, 1.1, math.nan):
        with pytest.raises(BadInputError, match="sensitivity"):
            sensitivity_threshold(scores, high, sensitivity=asked)
