"""A device that is not there is told with the reason."""

from __future__ import annotations

import pytest
import torch

from nnunet_amt.errors import BadInputError
from nnunet_amt.nnunet.devices import require_device


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_auto_is_the_cpu_without_cuda(no_cuda: None) -> None:
    assert require_device("auto") == "cpu"


def test_cuda_without_a_driver(no_cuda: None) -> None:
    with pytest.raises(BadInputError, match=r"--device cuda: torch finds no CUDA device; look with nvidia-smi"):
        require_device("cuda")


def test_cuda_hidden_by_its_variable(no_cuda: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(BadInputError, match=r"no CUDA device \(CUDA_VISIBLE_DEVICES is ''\); set that variable"):
        require_device("cuda")


def test_torch_without_cuda(no_cuda: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(BadInputError, match="was built without CUDA; install a stock torch"):
        require_device("cuda")


def test_mps_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(BadInputError, match="--device mps: needs a Mac"):
        require_device("mps")


def test_more_gpus_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert require_device("auto", 1) == "cuda"
    with pytest.raises(BadInputError, match=r"-num_gpus 2: torch can use 1 here; give no more"):
        require_device("cuda", 2)
    with pytest.raises(BadInputError, match="-num_gpus 2: nnU-Net trains on several devices with CUDA only"):
        require_device("cpu", 2)
