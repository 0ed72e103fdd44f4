"""What an earlier, killed run left in the folder of a fold."""

from __future__ import annotations

import os
import re
from pathlib import Path

from nnunet_amt.base.files import PARTIAL_MARK
from nnunet_amt.base.processes import is_running
from nnunet_amt.models.checkpoint_safety import read_checkpoint

_PARTIAL = re.compile(re.escape(PARTIAL_MARK) + r"(\d+)-")


def remove_leftovers(folder: Path) -> int:
    """Remove half-written files whose process is gone; how many there were."""
    removed = 0
    for path in folder.glob(f"{PARTIAL_MARK}*"):
        writer = _PARTIAL.match(path.name)
        # our own number: in a container every run has the same
        if writer and (int(writer[1]) == os.getpid() or not is_running(int(writer[1]))):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def best_dice_in(folder: Path) -> float | None:
    """Tuning Dice of ``checkpoint_best.pth``; None where there is none.

    It can be higher than the one the latest checkpoint knows of: a kill may come after the best was written and
    before the latest was.
    """
    path = folder / "checkpoint_best.pth"
    if not path.is_file():
        return None
    dice: float | None = read_checkpoint(path)["_best_ema"]
    return dice
