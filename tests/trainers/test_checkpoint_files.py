"""What a killed training left behind is cleared away, but nothing that someone still writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from nnunet_amt.trainers.training_files import best_dice_in, remove_leftovers


def test_half_written_files_of_dead_processes_go(tmp_path: Path) -> None:
    """One of a process that ended, one of our number (a container's every run has it), one of a living process."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = [f".partial-{os.getppid()}-checkpoint_best.pth", ".partial-notes", "checkpoint_best.pth"]
    for name in (f".partial-{ended.pid}-checkpoint_best.pth", f".partial-{os.getpid()}-checkpoint_latest.pth", *kept):
        (tmp_path / name).touch()
    assert remove_leftovers(tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_best_dice_is_read_from_the_file(tmp_path: Path) -> None:
    assert best_dice_in(tmp_path) is None
    torch.save({"_best_ema": 0.75}, tmp_path / "checkpoint_best.pth")
    assert best_dice_in(tmp_path) == 0.75
