"""How far a job is, read from the very lines that the command line prints."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from nnunet_amt.app.job_progress import (
    JobProgress,
    progress_after,
    stage_sentence,
    stage_state,
    step_sentence,
    time_words,
)
from nnunet_amt.app.language import texts
from nnunet_amt.cli import console
from nnunet_amt.cli.console import progress_bars, stage_display
from nnunet_amt.nnunet.train import _epoch_lines
from nnunet_amt.study.stage import Stage
from nnunet_amt.writing.numbers import duration

TRAIN = "4/8 train, 2 min 5 s, about 1 h 3 min left in this step: training: epoch 3 of 100, batch 7 of 250"


def test_a_line_of_a_training() -> None:
    progress = progress_after([f"{TRAIN}, tuning Dice 0.81 507/25000"])
    assert (progress.stage, progress.number, progress.stages) == ("train", 4, 8)
    assert (progress.done, progress.total, progress.left) == (507, 25000, "1 h 3 min")
    assert progress.fraction == 507 / 25000
    assert stage_sentence(progress, texts("en")) == "Step 4 of 8: training the model"
    assert step_sentence(progress, texts("en")) == (
        "epoch 3 of 100, overlap with the outlines of the tuning cases (Dice) 0.81, about 1 h 3 min left in this step"
    )
    assert step_sentence(progress, texts("ja")).endswith("0.81、このステップの残り 約1時間 3分")
    assert [stage_state(number, progress) for number in (3, 4, 5)] == ["done", "running", "waiting"]


def test_lines_that_tell_nothing_leave_it_where_it_was() -> None:
    """And a new stage knows nothing yet of its steps; the purpose of a stage is no step."""
    at = progress_after([f"{TRAIN} 507/25000"])
    assert progress_after(["written", "  /a/b", "error: 3/4"], at) == at
    begun = progress_after(["5/8 predict: prediction of the external test set, as nnUNetv2_predict does it"], at)
    assert begun == JobProgress("predict", 5, 8)
    assert begun.fraction is None
    assert step_sentence(begun, texts("en")) == ""


def test_other_jobs_have_steps_without_stages() -> None:
    progress = progress_after(["reading cases 3/7"])
    assert (progress.stage, progress.what, progress.fraction) == ("", "reading cases", 3 / 7)
    assert stage_sentence(progress, texts("en")) == ""
    assert step_sentence(progress, texts("en")) == "reading the cases: 3 of 7"


def test_what_is_counted_is_named_in_the_reader_s_language() -> None:
    """And what has no words yet stands as the command line has it."""
    of_brightness = JobProgress("plan", 2, 8, "intensities", 9, 9)
    assert step_sentence(of_brightness, texts("en")) == "reading the brightness of the CTs: 9 of 9"
    assert step_sentence(of_brightness, texts("ja")) == "CT値の読み取り：9/9"
    assert step_sentence(JobProgress(what="starting nnU-Net", total=1), texts("ja")) == "学習プログラムの起動：0/1"
    assert step_sentence(JobProgress(what="new work", total=1), texts("en")) == "new work: 0 of 1"


def test_the_command_line_still_prints_them_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a study prints where its output is no terminal: each line is understood."""
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=count(step=10).__next__))  # every line is due
    stage = Stage("train", "nnUNetv2_train with the paper's recipe", Path(), {}, {}, lambda progress: "")
    with stage_display() as (progress, on_stage):
        on_stage(4, 8, stage, False)
        on_line = _epoch_lines(5, 50, progress)
        for line in (
            "2026: Epoch 0\n",
            "Batch 10/50\n",
            "Tuning Dice 0.8123, mean\n",
            "2026: Epoch 1\n",
            "Batch 3/50\n",
        ):
            on_line(line)
    with progress_bars() as lines:
        lines(1, 2, "evaluating cases")
    printed = capsys.readouterr().err.splitlines()
    found = [progress_after([line]) for line in printed]
    assert [(one.stage, one.number, one.stages) for one in found] == [
        *[("train", 4, 8)] * (len(printed) - 1),
        ("", 0, 0),
    ]
    assert (found[-2].what, found[-2].done, found[-2].total) == (
        "training: epoch 2 of 5, batch 3 of 50, tuning Dice 0.8123", 53, 250
    )  # fmt: skip
    assert found[-2].left
    assert (found[-1].what, found[-1].done, found[-1].total) == ("evaluating cases", 1, 2)


@pytest.mark.parametrize(
    ("seconds", "words"), [(5, "5.0秒"), (200, "3分 20秒"), (18_120, "5時間 2分")]
)  # as `duration` writes them
def test_durations_are_written_in_the_language(seconds: float, words: str) -> None:
    assert time_words(duration(seconds), texts("ja")) == words
    assert time_words(duration(seconds), texts("en")) == duration(seconds)
