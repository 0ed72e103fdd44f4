"""Tuning volumes are read ahead, predicted where there is memory, and nothing is written."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nnunet_amt.trainers import tuning as tuning_prediction
from nnunet_amt.trainers.tuning import read_ahead, tuning_overlaps

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
    monkeypatch.setattr(tuning_prediction, "_free_bytes", lambda device: free)
    predictor, lines = Predictor("cuda"), list[str]()
    tuning_overlaps(predictor, Dataset(), CASES, log=lines.append)
    assert predictor.seen == [on_gpu] * 3
    assert len(lines) == 3
    assert "does not fit on the GPU" in lines[0]
