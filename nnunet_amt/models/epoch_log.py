"""The epochs of a training as our trainer writes them down: ``epochs.jsonl`` beside the checkpoints, a line an epoch.

A training that was killed does an epoch again, and ``--restart`` all of them: the later line counts, and what an
earlier run did after that epoch does not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

from nnunet_amt.base.json_file import NUMBER, misfit

EPOCHS_FILE = "epochs.jsonl"
# Epochs that the time of the next is reckoned from.
RECENT_EPOCHS = 20

_NUMBER_OR_NOT = (*NUMBER, None)
_LINE = {
    "epoch": int,
    "epochs": int,
    "started": NUMBER,
    "ended": NUMBER,
    "training_loss": _NUMBER_OR_NOT,
    "tuning_loss": _NUMBER_OR_NOT,
    "tuning_dice": _NUMBER_OR_NOT,
    "evaluated": bool,
    "best_epoch": (int, None),
    "best_dice": _NUMBER_OR_NOT,
    "iterations": int,
    "batch_size": int,
    "patch_size": [int],
    "features": [int],
    "device": str,
    "computer": str,
}


@dataclass(frozen=True)
class Epoch:
    """An epoch of a training.

    Attributes
    ----------
    epoch, epochs
        Which one it is, from 1, and of how many.
    started, ended
        In seconds since 1970; the evaluation of the tuning set is within.
    training_loss, tuning_loss
        Minus the soft Dice, of the crops and of whole tuning volumes; None where it was no number.
    tuning_dice
        Mean over whole tuning volumes; None where it was not measured after this epoch, or is undefined.
    evaluated
        Whether the tuning set was evaluated after this epoch.
    best_epoch, best_dice
        What ``checkpoint_best.pth`` holds after this epoch; None where there is none, or nobody knows.
    iterations, batch_size, patch_size, features
        What decides how long it takes: steps, samples a step, voxels (z, y, x) of a sample, channels of the levels.
    device, computer
        ``cpu``, ``cuda`` or ``mps``; and the name of the graphics card, or the number of threads.
    """

    epoch: int
    epochs: int
    started: float
    ended: float
    training_loss: float | None
    tuning_loss: float | None
    tuning_dice: float | None
    evaluated: bool
    best_epoch: int | None
    best_dice: float | None
    iterations: int
    batch_size: int
    patch_size: tuple[int, ...]
    features: tuple[int, ...]
    device: str
    computer: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started

    def costs_as_much_as(self, other: Epoch) -> bool:
        """Whether another epoch did the same work on the same kind of device."""
        work = ("iterations", "batch_size", "patch_size", "features", "device", "computer")
        return all(getattr(self, name) == getattr(other, name) for name in work)


@dataclass(frozen=True)
class Pace:
    """How long an epoch takes, reckoned from so many measured ones: seconds."""

    seconds: float
    measured: int


def append_epoch(folder: Path, epoch: Epoch) -> None:
    """Write an epoch to the log in the folder of its fold; what is no number is written as null."""
    content = {
        name: None if isinstance(value, float) and not isfinite(value) else value
        for name, value in asdict(epoch).items()
    }
    line = json.dumps(content, allow_nan=False).encode() + b"\n"
    with (folder / EPOCHS_FILE).open("ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a line that a kill or a full disk cut
                line = b"\n" + line
        file.write(line)


def read_epochs(folder: Path) -> tuple[Epoch, ...]:
    """Read the epochs of a fold, in their order; empty where there is no log, lines that are none are passed over."""
    try:
        lines = (folder / EPOCHS_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    known: list[Epoch] = []
    for line in lines:
        epoch = _epoch_of(line)
        if epoch is not None:
            while known and known[-1].epoch >= epoch.epoch:  # done again after a kill, or begun anew
                known.pop()
            known.append(epoch)
    return tuple(known)


def _epoch_of(line: bytes) -> Epoch | None:
    try:
        content: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if misfit(content, _LINE) is not None or content["epoch"] < 1 or content["ended"] < content["started"]:
        return None
    values = {field.name: content[field.name] for field in fields(Epoch)}
    return Epoch(**{**values, "patch_size": tuple(values["patch_size"]), "features": tuple(values["features"])})


def pace_of(epochs: Sequence[Epoch]) -> Pace | None:
    """Reckon how long the next epoch takes from the last that did the same work; None where none was measured.

    The median of those after which the tuning set was evaluated and that of the others, each as often as it came:
    a pause of the machine in one epoch counts for nothing, the evaluations count as they should.
    """
    alike = [epoch for epoch in epochs if epoch.costs_as_much_as(epochs[-1])][-RECENT_EPOCHS:]
    if not alike:
        return None
    seconds = 0.0
    for evaluated in (False, True):
        taken = [epoch.seconds for epoch in alike if epoch.evaluated is evaluated]
        seconds += median(taken) * len(taken) / len(alike) if taken else 0.0
    return Pace(seconds, len(alike))
