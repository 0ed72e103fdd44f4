"""The tuning set is evaluated seldom enough to be cheap and often enough to have a choice."""

from __future__ import annotations

import pytest

from nnunet_amt.trainers.tuning import TuningSchedule, describe_interval, tuning_interval


@pytest.mark.parametrize(
    ("tuning", "epoch", "interval", "share"),
    [
        (1.0, 100.0, 1, 1 / 101),
        (10.0, 90.0, 1, 0.1),  # 10 of 100 s
        (12.0, 90.0, 2, 12 / 192),
        (100.0, 90.0, 10, 0.1),
        (0.0, 0.0, 1, 0.0),
    ],
)
def test_selection_takes_at_most_a_tenth_of_the_time(tuning: float, epoch: float, interval: int, share: float) -> None:
    planned, planned_share = tuning_interval(tuning, epoch, epochs=1000)
    assert planned == interval
    assert planned_share == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(("epochs", "interval"), [(1000, 50), (100, 5), (39, 1), (5, 1)])
def test_at_least_twenty_checkpoints_to_choose_from(epochs: int, interval: int) -> None:
    """A tuning set that takes 1000 epochs' time would leave one; 100 epochs by 5 are 20."""
    planned, share = tuning_interval(1000.0, 1.0, epochs)
    assert planned == interval
    assert share == pytest.approx(1000 / (1000 + interval))


def test_schedule_counts_from_the_last_evaluation() -> None:
    """After epochs 0 and 7 with interval 7; it then grows to 8, and epoch 8 is not due although 8 divides it."""
    schedule = TuningSchedule(interval=7)
    assert schedule.is_due(0, 1000)
    schedule.evaluated(0)
    assert [epoch for epoch in range(1, 9) if schedule.is_due(epoch, 1000)] == [7, 8]
    schedule.interval = 8
    schedule.evaluated(7)
    assert [epoch for epoch in range(8, 17) if schedule.is_due(epoch, 1000)] == [15, 16]


def test_last_epoch_is_always_due() -> None:
    assert TuningSchedule(interval=50, next_epoch=50).is_due(9, epochs=10)


def test_log_says_why_it_costs_more_than_a_tenth() -> None:
    assert describe_interval(3, 0.08) == "The tuning set is evaluated every 3 epochs, about 8.0% of the time"
    assert "fewer than 20 checkpoints" in describe_interval(1, 0.4)
