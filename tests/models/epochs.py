"""Epochs of a training that was never done, with numbers that one can reckon with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunet_amt.models.epoch_log import Epoch, append_epoch


def epoch(number: int, **changes: Any) -> Epoch:
    """Give an epoch of 10 seconds of 100, each begun when the one before ended; the tuning set was not evaluated."""
    usual: dict[str, Any] = {
        "epoch": number,
        "epochs": 100,
        "started": 1000.0 + 10 * (number - 1),
        "ended": 1000.0 + 10 * number,
        "training_loss": -0.5,
        "tuning_loss": None,
        "tuning_dice": None,
        "evaluated": False,
        "best_epoch": None,
        "best_dice": None,
        "iterations": 250,
        "batch_size": 3,
        "patch_size": (8, 16, 16),
        "features": (32, 64, 128, 256),
        "device": "cpu",
        "computer": "2",
    }
    return Epoch(**{**usual, **changes})


def measured(number: int, dice: float | None, *, best: tuple[int, float] | None, **changes: Any) -> Epoch:
    """Give an epoch after which the tuning cases were measured; `best` is epoch and Dice of the best by then."""
    best_epoch, best_dice = best or (None, None)
    loss = None if dice is None else -dice
    usual = {"evaluated": True, "tuning_dice": dice, "tuning_loss": loss}
    return epoch(number, **usual, best_epoch=best_epoch, best_dice=best_dice, **changes)


def write_epochs(folder: Path, *epochs: Epoch) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for one in epochs:
        append_epoch(folder, one)
    return folder
