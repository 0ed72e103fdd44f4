"""The plot shows the tuning Dice by its name, at the epochs that were evaluated; what a kill left behind goes.

But nothing that someone still writes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch

from nnunet_amt.trainers.training_files import (
    TUNING_EVALUATED,
    BatchLines,
    BestSoFar,
    ProgressLog,
    best_in,
    remove_leftovers,
)


def filled(dice: list[float], evaluated: list[bool]) -> ProgressLog:
    log = ProgressLog()
    for epoch, (value, is_new) in enumerate(zip(dice, evaluated, strict=True)):
        for key in log.my_fantastic_logging:
            log.log(key, 0.5, epoch)
        log.my_fantastic_logging["mean_fg_dice"][epoch] = value
        log.my_fantastic_logging[TUNING_EVALUATED][epoch] = is_new
    return log


def test_plot_marks_evaluated_epochs_and_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluated after epochs 0, 2 and 3 with Dice undefined, 0.8 and 0.6: the star stands at (2, 0.8)."""
    figures: list[Any] = []
    monkeypatch.setattr(plt, "close", figures.append)
    log = filled([float("nan"), float("nan"), 0.8, 0.6], [True, False, True, True])
    log.plot_progress_png(str(tmp_path))
    monkeypatch.undo()
    lines = {line.get_label(): line for axes in figures[0].axes for line in axes.get_lines()}
    assert list(lines["tuning Dice, mean of whole volumes"].get_xdata()) == [0, 2, 3]
    star = lines["checkpoint_best.pth: 0.800 after epoch 2"]
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([2], [0.8])
    assert [path.name for path in tmp_path.iterdir()] == ["progress.png"]
    plt.close(figures[0])


def test_log_of_an_older_checkpoint_is_taken(tmp_path: Path) -> None:
    """Written before the log said which epochs were evaluated: all count."""
    old = filled([0.1, 0.2], [True, True]).get_checkpoint()
    del old[TUNING_EVALUATED]
    log = ProgressLog()
    log.load_checkpoint(old)
    log.plot_progress_png(str(tmp_path))
    assert log.get_checkpoint()[TUNING_EVALUATED] == [True, True]


def test_half_written_files_of_dead_processes_go(tmp_path: Path) -> None:
    """One of a process that ended, one of our number (a container's every run has it), one of a living process."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = [f".partial-{os.getppid()}-checkpoint_best.pth", ".partial-notes", "checkpoint_best.pth"]
    for name in (f".partial-{ended.pid}-checkpoint_best.pth", f".partial-{os.getpid()}-checkpoint_latest.pth", *kept):
        (tmp_path / name).touch()
    assert remove_leftovers(tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_best_dice_and_its_epoch_are_read_from_the_file(tmp_path: Path) -> None:
    """A checkpoint of an earlier version may not say the epoch."""
    assert best_in(tmp_path) is None
    for content, epoch in (({"_best_ema": 0.75}, None), ({"_best_ema": 0.75, "current_epoch": 3}, 3)):
        torch.save(content, tmp_path / "checkpoint_best.pth")
        assert best_in(tmp_path) == BestSoFar(0.75, epoch)


def test_batches_are_told_every_five_seconds_and_the_last_by_the_end_of_the_epoch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A batch takes 2 seconds, an epoch has 7 of them: told after 6 and after 12 seconds, and 6 into the next one."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    lines = BatchLines()
    for _ in range(2):
        lines.begin(7)
        for _ in range(7):
            now[0] += 2.0
            lines.one_done()
    assert capsys.readouterr().out.split("\n") == ["Batch 3/7", "Batch 6/7", "Batch 3/7", "Batch 6/7", ""]
