"""What a training says besides its checkpoints: the log with its plot, its progress, and what a killed run left."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from nnunetv2.training.logging.nnunet_logger import LocalLogger

from nnunet_amt.base.files import PARTIAL_MARK, atomic_path
from nnunet_amt.base.processes import is_running
from nnunet_amt.models.checkpoint_safety import read_checkpoint

# Whether the tuning set was evaluated after an epoch, or its last values are repeated.
TUNING_EVALUATED = "tuning_evaluated"
# Between two lines that say how many batches of an epoch are done.
_SECONDS_BETWEEN_LINES = 5.0
_PARTIAL = re.compile(re.escape(PARTIAL_MARK) + r"(\d+)-")


class ProgressLog(LocalLogger):
    """One value an epoch of everything; nnU-Net's plot would call the tuning Dice a moving average of pseudo Dice."""

    def __init__(self, verbose: bool = False) -> None:
        super().__init__(verbose)
        self.my_fantastic_logging[TUNING_EVALUATED] = []

    def load_checkpoint(self, checkpoint: dict[str, list]) -> None:
        """Take the log of a checkpoint, also of one that does not say which epochs were evaluated."""
        checkpoint.setdefault(TUNING_EVALUATED, [True] * len(checkpoint["mean_fg_dice"]))
        super().load_checkpoint(checkpoint)

    def plot_progress_png(self, output_folder: str) -> None:
        """Plot losses and tuning Dice, the time of the epochs and the learning rate."""
        epochs = min(len(values) for values in self.my_fantastic_logging.values())
        log = {name: values[:epochs] for name, values in self.my_fantastic_logging.items()}
        figure, (top, middle, bottom) = plt.subplots(3, 1, figsize=(10, 12), sharex=True, layout="constrained")
        _plot_losses_and_dice(top, log)
        seconds = [
            end - start for start, end in zip(log["epoch_start_timestamps"], log["epoch_end_timestamps"], strict=True)
        ]
        middle.plot(seconds, color="tab:blue")
        middle.set(ylabel="time of an epoch, with tuning [s]", ylim=(0, None))
        bottom.plot(log["lrs"], color="tab:blue")
        bottom.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
        with atomic_path(Path(output_folder) / "progress.png") as partial:
            figure.savefig(partial, dpi=100)
        plt.close(figure)


def _plot_losses_and_dice(axes: Axes, log: dict[str, list[Any]]) -> None:
    evaluated = [epoch for epoch, is_new in enumerate(log[TUNING_EVALUATED]) if is_new]
    axes.plot(log["train_losses"], color="tab:blue", label="training loss, crops")
    axes.plot(
        evaluated,
        [log["val_losses"][epoch] for epoch in evaluated],
        color="tab:red",
        label="tuning loss, whole volumes",
    )
    axes.set(ylabel="loss (negative soft Dice)")
    right = axes.twinx()
    dice = [log["mean_fg_dice"][epoch] for epoch in evaluated]
    right.plot(evaluated, dice, color="tab:green", marker="o", label="tuning Dice, mean of whole volumes")
    known = [(value, epoch) for value, epoch in zip(dice, evaluated, strict=True) if value == value]  # NaN: undefined
    if known:
        best, epoch = max(known, key=lambda pair: pair[0])
        label = f"checkpoint_best.pth: {best:.3f} after epoch {epoch}"
        right.plot(epoch, best, color="black", marker="*", markersize=14, ls="", label=label)
    right.set(ylabel="tuning Dice", ylim=(-0.02, 1.02))
    handles = [handle for part in (axes, right) for handle in part.get_legend_handles_labels()[0]]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


class BatchLines:
    """Prints ``Batch 12/50`` now and then: nnU-Net says nothing within an epoch. Not for the log, which would grow."""

    def __init__(self) -> None:
        self._done = self._batches = 0
        self._printed = 0.0

    def begin(self, batches: int) -> None:
        """Begin an epoch of so many batches."""
        self._done, self._batches, self._printed = 0, batches, time.monotonic()

    def one_done(self) -> None:
        """Count a batch."""
        self._done += 1
        if self._done < self._batches and time.monotonic() - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = time.monotonic()
            print(f"Batch {self._done}/{self._batches}", flush=True)


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


@dataclass(frozen=True)
class BestSoFar:
    """The highest tuning Dice, and the epoch (from 1) after which it was reached, where that is known."""

    dice: float
    epoch: int | None


def best_in(folder: Path) -> BestSoFar | None:
    """Tell what ``checkpoint_best.pth`` holds; None where there is none.

    Its Dice can be higher than the one the latest checkpoint knows of: a kill may come after the best was written and
    before the latest was.
    """
    path = folder / "checkpoint_best.pth"
    if not path.is_file():
        return None
    content = read_checkpoint(path)
    dice, epoch = content.get("_best_ema"), content.get("current_epoch")
    return BestSoFar(dice, epoch if isinstance(epoch, int) else None) if isinstance(dice, float) else None
