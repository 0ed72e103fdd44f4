"""Which versions ran on what kind of machine, and what they took of it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
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
        printed = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return next((line.strip() for line in printed.splitlines() if line.strip()), None)


# What batch normalisation counts along; no training step changes it by a gradient.
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def peak_memory(*, of_children: bool = False) -> int | None:
    """Most memory that one process held at a time, in bytes, since it began.

    None where the system does not tell (Windows), or where no child has ended.

    Parameters
    ----------
    of_children
        The largest single one of the processes that we have started and waited for, or that they have, and not their
        sum: for nnU-Net's commands. It is at least what this process held when it started them (Linux counts it
        along). Otherwise the larger of that and this process.
    """
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    if of_children:
        return children or None
    # Linux begins a process's ru_maxrss with that of the process that started it
    return max(children, _peak_by_proc() or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _peak_by_proc() -> int | None:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def number_of_parameters(weights: Mapping[str, Any]) -> int:
    """Count what training adjusts in a checkpoint's ``network_weights``.

    The running statistics of batch normalisation are left out. A tensor that stands there under several names, as in
    nnU-Net's own networks, is counted once.

    Parameters
    ----------
    weights
        Tensors by name.
    """
    tensors = {name: value for name, value in weights.items() if name.rpartition(".")[2] not in _BUFFERS}
    distinct = {(tensor.data_ptr(), tuple(tensor.shape)): tensor.numel() for tensor in tensors.values()}
    return sum(distinct.values())
