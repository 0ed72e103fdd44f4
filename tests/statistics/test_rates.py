"""Counts of a threshold and their rates, against the paper's Tables 2 and 3."""

from __future__ import annotations

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.statistics.intervals import wilson_interval
from nnunet_amt.statistics.rates import Confusion, Rate, confusion


def test_a_case_at_the_threshold_is_called_high() -> None:
    counts = confusion([0.2, 0.5, 0.5, 0.9], [True, True, False, False], threshold=0.5)
    assert counts == Confusion(true_positives=1, false_negatives=1, false_positives=2, true_negatives=0)


def test_published_rates_of_the_best_network() -> None:
    """ResNet 101 on the external cases: 36 of 41 high-risk and 14 of 20 low-risk ones are right."""
    counts = Confusion(true_positives=36, false_negatives=5, false_positives=6, true_negatives=14)
    rates = counts.rates()
    assert list(rates) == ["accuracy", "sensitivity", "specificity", "ppv", "npv"]  # the order of the paper's columns
    assert [round(rate.value or 0, 3) for rate in rates.values()] == [0.820, 0.878, 0.700, 0.857, 0.737]
    assert rates["sensitivity"] == Rate(36, 41)
    assert rates["sensitivity"].interval == wilson_interval(36, 41)
    assert counts.cases == 61


def test_a_rate_of_nothing_is_undefined() -> None:
    """Where no case is called high risk there is no positive predictive value; its n, 0, says why."""
    rates = confusion([0.1, 0.2], [True, False], threshold=0.5).rates()
    assert (rates["ppv"].value, rates["ppv"].interval, rates["ppv"].n) == (None, None, 0)
    assert rates["npv"].value == 0.5


def test_one_class_has_its_rate() -> None:
    """A subgroup of low-risk cases only has a specificity."""
    rates = confusion([0.1, 0.9], [False, False], threshold=0.5).rates()
    assert (rates["specificity"].value, rates["sensitivity"].value) == (0.5, None)


@pytest.mark.parametrize(
    ("scores", "high", "threshold", "message"),
    [
        ([0.1], [True, False], 0.5, "1 score.* 2 cases"),
        ([0.1, float("nan")], [True, False], 0.5, "score 2 of 2 is nan"),
        ([0.1, 0.2], [True, False], float("nan"), "threshold"),
        ([0.1, 0.2], [3, 0], 0.5, "3"),
    ],
)
def test_bad_input(scores: list[float], high: list[int], threshold: float, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        confusion(scores, high, threshold=threshold)
