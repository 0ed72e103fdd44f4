"""After kill -9 a training goes on from where its last whole epoch ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import TINY_DATASET, set_nnunet_folders
from tests.trainers.tiny_training import WitnessedTrainer, make, state_of

pytestmark = pytest.mark.slow


def witnessed(file: Path) -> list[dict]:
    lines = file.read_text().splitlines() if file.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def kill_after_epochs(epochs: int, file: Path, log: Path) -> None:
    """Train in a process of its own until that many epochs are written down, and kill it in the next one."""
    with log.open("w") as output:
        command = [sys.executable, "-m", "tests.trainers.tiny_training", TINY_DATASET]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=output, stderr=output)
        deadline = time.monotonic() + 240
        while len(witnessed(file)) < epochs and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        assert process.wait() == -9, log.read_text()[-2000:]


def test_killed_training_goes_on_with_the_same_state(
    planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, both moments and the step of Adam, rate, epoch, best Dice, schedule and log are what they were."""
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    )
    trainer = make(WitnessedTrainer, TINY_DATASET)
    folder = Path(trainer.output_folder)
    kill_after_epochs(3, folder / "witness.jsonl", tmp_path / "log.txt")
    latest = folder / "checkpoint_latest.pth"
    states = {state["current_epoch"]: state for state in witnessed(folder / "witness.jsonl")}
    resumed = torch.load(latest, weights_only=False)["current_epoch"]
    if resumed not in states:  # killed between the checkpoint and the witness of one epoch
        pytest.skip(f"the kill came right between two files of epoch {resumed}")

    trainer.load_checkpoint(str(latest))
    state, expected = state_of(trainer), states[resumed]
    assert resumed >= 3
    assert set(state["steps"]) == {2 * resumed}  # two steps an epoch
    assert {key: state[key] for key in state if key != "best"} == {key: expected[key] for key in state if key != "best"}
    # a best checkpoint may have been written in the epoch that was killed
    assert state["best"] == max(
        expected["best"], torch.load(folder / "checkpoint_best.pth", weights_only=False)["_best_ema"]
    )

    leftover = folder / f".partial-{os.getpid()}-checkpoint_latest.pth"
    leftover.touch()
    trainer.num_epochs = resumed + 1
    trainer.run_training()
    assert not leftover.exists()
    last = state_of(trainer)
    assert last["current_epoch"] == resumed + 1
    assert last["dice"][:resumed] == expected["dice"]
    assert last["losses"][:resumed] == expected["losses"]
    assert set(last["steps"]) == {2 * (resumed + 1)}
