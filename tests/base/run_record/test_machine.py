"""Versions, the kind of machine, and what a run took of it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nnunet_amt.base.run_record import number_of_parameters, read_runs
from nnunet_amt.base.run_record.machine import describe_machine, software_versions


def test_versions_are_those_of_the_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnunet_amt.base.run_record.machine._PACKAGES", ("numpy", "no-such-package-of-anybody"))
    versions = software_versions()
    assert list(versions) == ["nnunet_amt", "python", "numpy"]
    assert versions["numpy"] == version("numpy")
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster gives a task fewer than the machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})
    assert describe_machine(None)["cores"] == 3
    assert describe_machine(None)["device"] == "cpu"


def _fake_tool(folder: Path, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def test_gpu_is_named_by_torch_or_else_by_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    _fake_tool(tmp_path, "echo 'NVIDIA One'; echo 'NVIDIA Two'")
    cuda = SimpleNamespace(is_available=lambda: True, get_device_name=lambda _: "NVIDIA Zero")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert describe_machine("cuda")["gpu"] == "NVIDIA Zero"
    cuda.is_available = lambda: False
    assert describe_machine("cuda")["gpu"] == "NVIDIA One"
    assert "gpu" not in describe_machine("cpu")


@pytest.mark.parametrize("script", ["exit 9", "true"])
def test_gpu_that_nobody_can_name_is_left_out(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    _fake_tool(tmp_path, script)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "gpu" not in describe_machine("cuda")


def test_parameters_are_what_training_adjusts() -> None:
    """Convolution of 2 to 3 channels, 3x3x3: 2 * 3 * 27 + 3 = 165; batch normalisation of 3 channels: 3 + 3."""
    layers = torch.nn.Sequential(torch.nn.Conv3d(2, 3, 3), torch.nn.BatchNorm3d(3))
    assert number_of_parameters(layers.state_dict()) == 171


def test_parameters_under_several_names_count_once(tmp_path: Path) -> None:
    """nnU-Net's decoder holds the encoder again; read from a file as well."""
    encoder = torch.nn.Linear(4, 5)  # 25
    network = torch.nn.ModuleDict({"encoder": encoder, "decoder": torch.nn.ModuleDict({"encoder": encoder})})
    assert len(network.state_dict()) == 4
    assert number_of_parameters(network.state_dict()) == 25
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    read = torch.load(tmp_path / "weights.pth", weights_only=True, mmap=True)
    assert number_of_parameters(read) == 25


_SCRIPT = """
import subprocess, sys
from pathlib import Path
from nnunet_amt.base.run_record import recorded_run
for stage, size in (("predict", 200), ("train", 10)):
    with recorded_run(Path(sys.argv[1]), stage, in_children=True):
        subprocess.run([sys.executable, "-c", f"x = bytearray({size}_000_000)"], check=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
def test_memory_of_the_largest_child_is_measured_once(tmp_path: Path) -> None:
    """Of 200 MB and then of 10 MB: the system keeps the largest only, which is not the second run's."""
    subprocess.run([sys.executable, "-c", _SCRIPT, str(tmp_path)], check=True)
    first, second = read_runs(tmp_path)
    assert 200_000_000 <= first["cost"]["peak_memory_bytes"] < 300_000_000
    assert second["cost"] == {}
