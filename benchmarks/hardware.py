"""What a benchmark ran on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

__all__ = ["describe_machine"]


def describe_machine(device: str) -> dict[str, str]:
    """Name of the device, cores, and versions of what the time depends on."""
    packages = ("nnunetv2", "torch", "numpy", "SimpleITK", "batchgeneratorsv2")
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else f"{_processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
