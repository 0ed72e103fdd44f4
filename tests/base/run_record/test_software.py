"""Versions and the kind of machine."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from nnunet_amt.base.run_record.software import describe_machine, software_versions


def test_versions_are_those_of_the_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnunet_amt.base.run_record.software._PACKAGES", ("numpy", "no-such-package-of-anybody"))
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
