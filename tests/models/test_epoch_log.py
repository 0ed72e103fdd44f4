"""The log of epochs: what counts after a kill, what is no number, and how long the next epoch takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from nnunet_amt.models.epoch_log import EPOCHS_FILE, Pace, pace_of, read_epochs
from tests.models.epochs import epoch, measured, write_epochs


def test_epochs_are_read_as_they_were_written(tmp_path: Path) -> None:
    epochs = (measured(1, 0.5, best=(1, 0.5)), epoch(2, best_epoch=1, best_dice=0.5))
    assert read_epochs(tmp_path) == ()
    assert read_epochs(write_epochs(tmp_path / "fold_0", *epochs)) == epochs


def test_an_epoch_that_is_done_again_takes_the_place_of_the_former(tmp_path: Path) -> None:
    """Killed after the line of epoch 3 and before its checkpoint: epoch 3 is done again, and goes on."""
    again = epoch(3, training_loss=-0.7)
    write_epochs(tmp_path, epoch(1), epoch(2), epoch(3), again, epoch(4))
    assert read_epochs(tmp_path) == (epoch(1), epoch(2), again, epoch(4))


def test_what_an_earlier_run_did_after_the_epoch_gone_on_from_does_not_count(tmp_path: Path) -> None:
    """From the best checkpoint of epoch 1, and then all anew."""
    write_epochs(tmp_path, epoch(1), epoch(2), epoch(3), epoch(2, training_loss=-0.9))
    assert [one.training_loss for one in read_epochs(tmp_path)] == [-0.5, -0.9]
    write_epochs(tmp_path, epoch(1, training_loss=-0.1))
    assert [one.training_loss for one in read_epochs(tmp_path)] == [-0.1]


def test_a_line_that_a_kill_cut_is_passed_over_and_spoils_no_other(tmp_path: Path) -> None:
    write_epochs(tmp_path, epoch(1), epoch(2))
    whole = (tmp_path / EPOCHS_FILE).read_bytes()
    (tmp_path / EPOCHS_FILE).write_bytes(whole[:-20])
    assert read_epochs(tmp_path) == (epoch(1),)
    write_epochs(tmp_path, epoch(2), epoch(3))
    assert read_epochs(tmp_path) == (epoch(1), epoch(2), epoch(3))


def test_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    write_epochs(tmp_path, epoch(1))
    line = json.loads((tmp_path / EPOCHS_FILE).read_text())
    wrong: list[object] = [[], {}, {**line, "epoch": 0}, {**line, "ended": 1.0}, {**line, "training_loss": "low"}]
    with (tmp_path / EPOCHS_FILE).open("a") as file:
        file.writelines(f"{json.dumps(one)}\n" for one in wrong)
    with (tmp_path / EPOCHS_FILE).open("ab") as file:
        file.write(b"[" * 100_000 + b"\n\xff\n")
    assert read_epochs(tmp_path) == (epoch(1),)


def test_what_is_no_number_is_written_as_none(tmp_path: Path) -> None:
    """JSON has no NaN, and a reader of another language would stumble over it."""
    write_epochs(tmp_path, replace(measured(1, float("nan"), best=None), training_loss=float("inf")))
    assert "NaN" not in (tmp_path / EPOCHS_FILE).read_text()
    [read] = read_epochs(tmp_path)
    assert (read.training_loss, read.tuning_loss, read.tuning_dice, read.evaluated) == (None, None, None, True)


def test_the_pace_is_of_both_kinds_of_epochs_as_often_as_they_came() -> None:
    """Three of 10 s, one of 30 s with an evaluation: (3 * 10 + 30) / 4 = 15 s; a pause of a night is nothing."""
    slow = measured(4, 0.5, best=(4, 0.5), ended=1060.0)
    assert slow.seconds == 30
    assert pace_of([epoch(1), epoch(2), epoch(3), slow]) == Pace(15.0, 4)
    assert pace_of([epoch(1), epoch(2), epoch(3, ended=90_000.0)]) == Pace(10.0, 3)
    assert pace_of([epoch(1)]) == Pace(10.0, 1)
    assert pace_of([]) is None


def test_epochs_of_other_work_say_nothing_of_the_pace() -> None:
    """Gone on with on a graphics card: the epochs on the processor no longer count."""
    quick = epoch(3, ended=1021.0, device="cuda", computer="card")
    assert pace_of([epoch(1), epoch(2), quick]) == Pace(1.0, 1)


def test_the_last_twenty_count() -> None:
    """Ten of 50 s long ago."""
    old = [epoch(number, ended=1000.0 + 10 * (number - 1) + 50) for number in range(1, 11)]
    assert pace_of([*old, *(epoch(number) for number in range(11, 31))]) == Pace(10.0, 20)
