"""Share of time in which the GPU was busy, sampled by nvidia-smi."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["gpu_share"]

_COMMAND = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=100")


@contextmanager
def gpu_share(device: str) -> Iterator[list[float]]:
    """Sample while the block runs; the list holds shares from 0 to 1 afterwards, none without a GPU or the program."""
    samples: list[float] = []
    if device != "cuda" or shutil.which(_COMMAND[0]) is None:
        yield samples
        return
    with subprocess.Popen(_COMMAND, stdout=subprocess.PIPE, text=True) as process:
        yield samples
        process.terminate()
        output = process.communicate()[0]
    samples += [float(line) / 100 for line in output.split() if line.isdigit()]
