"""What a run took of the machine, and how large the network is."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What batch normalisation counts along; no training step changes it by a gradient.
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def peak_memory(of_children: bool = False) -> int | None:
    """Most memory that one process held at a time, in bytes, since it began.

    Parameters
    ----------
    of_children
        The largest single one of the processes that we have started and waited for, or that they have, and not their
        sum: for nnU-Net's commands. It is at least what this process held when it started them (Linux counts it
        along). Otherwise the larger of that and this process.

    Returns
    -------
    int or None
        None where the system does not tell (Windows), or where no child has ended.
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
