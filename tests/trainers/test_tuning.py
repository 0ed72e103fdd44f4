"""Selection on whole tuning volumes: they are read ahead, predicted where there is memory, and nothing is written.

The tuning set is evaluated seldom enough to be cheap and often enough to have a choice.
"""

from __future__ import annotations

import math
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nnunet_amt.trainers import tuning
from nnunet_amt.trainers.tuning import (
    CaseOverlap,
    TuningSchedule,
    case_overlap,
    describe_interval,
    describe_without_tumour,
    mean_dice,
    mean_soft_dice,
    read_ahead,
    tuning_interval,
    tuning_overlaps,
)

CASES = ["a", "b", "c"]


class Dataset:
    """Volumes of one voxel, the number of the case as its value; says which were read, and by whom."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.readers: set[int] = set()
        self.arrived = {case: threading.Event() for case in CASES}

    def load_case(self, case: str) -> tuple[np.ndarray, np.ndarray, None, dict]:
        self.read.append(case)
        self.readers.add(threading.get_ident())
        self.arrived[case].set()
        number = CASES.index(case)
        return np.full((1, 1, 1, 1), number, np.float32), np.full((1, 1, 1, 1), number % 2, np.int16), None, {}


class Predictor:
    """Says tumour everywhere, on the device it is told."""

    def __init__(self, device: str) -> None:
        self.device = SimpleNamespace(type=device)
        self.perform_everything_on_device: bool | None = None
        self.seen: list[bool | None] = []

    def predict_sliding_window_return_logits(self, image: torch.Tensor) -> torch.Tensor:
        self.seen.append(self.perform_everything_on_device)
        return torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1)


def test_next_case_is_read_while_this_one_is_predicted_and_no_more() -> None:
    """While the first is in hand the second arrives by itself, in another thread, and the third does not."""
    dataset = Dataset()
    volumes = read_ahead(dataset, CASES)
    assert next(volumes)[0].item() == 0
    assert dataset.arrived["b"].wait(timeout=10)
    assert dataset.read == ["a", "b"]
    assert [image.item() for image, _ in volumes] == [1, 2]
    assert threading.get_ident() not in dataset.readers
    assert list(read_ahead(dataset, [])) == []


def test_reading_error_reaches_the_caller() -> None:
    class Broken(Dataset):
        def load_case(self, case: str) -> tuple[np.ndarray, np.ndarray, None, dict]:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(read_ahead(Broken(), CASES))


def test_overlaps_come_in_the_order_of_the_cases() -> None:
    """Tumour is predicted; only the second case has any: Dice 0, 1, 0."""
    predictor = Predictor("cpu")
    overlaps = tuning_overlaps(predictor, Dataset(), CASES)
    assert [overlap.dice for overlap in overlaps] == [0.0, 1.0, 0.0]
    assert predictor.seen == [False] * 3


@pytest.mark.parametrize(("free", "on_gpu"), [(15, False), (16, True)])
def test_volume_too_large_for_the_gpu_is_put_together_in_ram(
    free: int, on_gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One voxel takes 16 bytes. The logits here are always on the CPU, as after nnU-Net's own retreat to it."""
    monkeypatch.setattr(tuning, "_free_bytes", lambda device: free)
    predictor, lines = Predictor("cuda"), list[str]()
    tuning_overlaps(predictor, Dataset(), CASES, log=lines.append)
    assert predictor.seen == [on_gpu] * 3
    assert len(lines) == 3
    assert "does not fit on the GPU" in lines[0]


def test_logits_that_overflow_end_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing counts as predicted then: 0 where there is a tumour, no Dice where there is none; and the log says so."""

    def overflow(_self: Predictor, image: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("Encountered inf in predicted array. Aborting...")

    monkeypatch.setattr(Predictor, "predict_sliding_window_return_logits", overflow)
    lines = list[str]()
    overlaps = tuning_overlaps(Predictor("cpu"), Dataset(), CASES, log=lines.append)
    assert [overlap.dice for overlap in overlaps] == [None, 0.0, None]
    assert len(lines) == 3
    assert "overflowed" in lines[0]


def test_what_else_goes_wrong_with_a_volume_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Predictor, image: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(Predictor, "predict_sliding_window_return_logits", fail)
    with pytest.raises(RuntimeError, match="CUDA error"):
        tuning_overlaps(Predictor("cpu"), Dataset(), CASES)


def logits_of(mask: np.ndarray, certainty: float = 20.0) -> torch.Tensor:
    tumour = torch.from_numpy(np.where(mask > 0, certainty, -certainty))
    return torch.stack((torch.zeros_like(tumour), tumour)).float()


def test_dice_by_hand() -> None:
    """Prediction of 4 voxels, reference of 4, 2 shared: 2 * 2 / 8. Voxels of -1 lie outside and are background."""
    reference, prediction = np.zeros((2, 1, 2, 8), np.int16)
    reference[0, 0, :4], prediction[0, 0, 2:6] = 1, 1
    reference[0, 1, :] = -1
    overlap = case_overlap(logits_of(prediction), reference)
    assert overlap.dice == 0.5
    assert overlap.soft_dice == pytest.approx(0.5, abs=1e-4)


def test_soft_dice_of_an_undecided_network_by_hand() -> None:
    """Probability 1/2 everywhere, 2 of 8 voxels tumour: 2 * (2 * 1/2) / (8 * 1/2 + 2) = 1/3. No voxel is predicted."""
    reference = np.zeros((1, 1, 8), np.int16)
    reference[0, 0, :2] = 1
    overlap = case_overlap(torch.zeros(2, 1, 1, 8), reference)
    assert overlap.soft_dice == pytest.approx(1 / 3)
    assert overlap.dice == 0.0


def test_empty_reference_and_prediction_have_no_dice_and_do_not_count() -> None:
    empty = np.zeros((1, 2, 2), np.int16)
    assert case_overlap(logits_of(empty), empty).dice is None
    assert mean_dice([CaseOverlap(None, 1.0), CaseOverlap(0.5, 0.5), CaseOverlap(1.0, 1.0)]) == 0.75
    assert math.isnan(mean_dice([CaseOverlap(None, 1.0)]))
    assert mean_soft_dice([CaseOverlap(None, 1.0), CaseOverlap(0.5, 0.5)]) == 0.75
    assert math.isnan(mean_soft_dice([]))


def test_volumes_without_a_tumour_are_told_with_the_dice() -> None:
    """A false mark is a Dice of 0, as in the evaluation; the loss curve leaves out what would always be near 0."""
    empty, marked = np.zeros((1, 2, 2), np.int16), np.ones((1, 2, 2), np.int16)
    right, wrong = case_overlap(logits_of(empty), empty), case_overlap(logits_of(marked), empty)
    assert [(overlap.dice, overlap.has_tumour) for overlap in (right, wrong)] == [(None, False), (0.0, False)]
    overlaps = [CaseOverlap(1.0, 0.5), right, wrong]
    assert (mean_dice(overlaps), mean_soft_dice(overlaps)) == (0.5, 0.5)
    expected = "; without a tumour: 2, falsely marked: 1 (Dice 0), the others do not count"
    assert describe_without_tumour(overlaps) == expected
    assert describe_without_tumour(overlaps[:1]) == ""


def test_voxels_that_nobody_annotated_are_left_out() -> None:
    """Of 4 predicted voxels 2 are tumour and 2 ignored: Dice 2 * 2 / (2 + 2)."""
    reference, prediction = np.zeros((2, 1, 1, 8), np.int16)
    reference[0, 0, :2], reference[0, 0, 2:4], prediction[0, 0, :4] = 1, 2, 1
    overlap = case_overlap(logits_of(prediction), reference, ignore_label=2)
    assert overlap.dice == 1.0
    assert overlap.soft_dice == pytest.approx(1.0, abs=1e-4)


def test_slabs_add_up_to_the_whole() -> None:
    """Five planes of four voxels, two planes at a time (the last slab has one): 6 shared, 8 predicted, 10 of tumour."""
    reference, prediction = np.zeros((2, 5, 2, 2), np.int16)
    reference.flat[:10], prediction.flat[4:12] = 1, 1
    overlap = case_overlap(logits_of(prediction), reference, slab_voxels=8)
    assert overlap.dice == pytest.approx(2 * 6 / 18)
    assert overlap.soft_dice == pytest.approx(2 * 6 / 18, abs=1e-4)


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
