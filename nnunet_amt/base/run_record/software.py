"""Which versions ran, and on what kind of machine; the machine's name and its user's are left out."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import Any

from nnunet_amt import __version__

_PACKAGES = (
    *("nnunetv2", "torch", "batchgenerators", "batchgeneratorsv2", "acvl-utils", "SimpleITK", "numpy", "scipy"),
    *("connected-components-3d", "pandas", "matplotlib", "pydicom", "highdicom"),
)
_PATIENCE_SECONDS = 10


def software_versions() -> dict[str, str]:
    """Versions of ours, of Python and of what is installed of the packages that results depend on."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"nnunet_amt": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def describe_machine(device: str | None) -> dict[str, Any]:
    """Say what computed.

    Parameters
    ----------
    device
        ``cpu``, ``cuda`` or ``mps``, as the stage was told; None for a stage that has no choice, which is the CPU.
    """
    machine: dict[str, Any] = {"system": platform.system(), "cores": _usable_cores(), "device": device or "cpu"}
    if device == "cuda" and (name := _gpu_name()):
        machine["gpu"] = name
    return machine


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpu_name() -> str | None:
    """Ask torch where it is loaded already, else the driver's tool; the first device speaks for all."""
    torch = sys.modules.get("torch")
    with suppress(RuntimeError, AttributeError):  # a device that is full or was lost is no reason to lose the record
        if torch is not None and torch.cuda.is_available():
            return str(torch.cuda.get_device_name(0))
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return next((line.strip() for line in told.splitlines() if line.strip()), None)
