"""How long a training took, from the logs that nnU-Net's trainers write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# nnU-Net 2.8.1, nnUNetTrainer: "<date> <time>: Epoch 12 " and "<date> <time>: Epoch time: 34.5 s "
_EPOCH = re.compile(r": +Epoch (\d+)\s*$", re.MULTILINE)
_EPOCH_TIME = re.compile(r": +Epoch time: ([0-9.]+) s\s*$", re.MULTILINE)


@dataclass(frozen=True)
class TrainingTime:
    """What the logs of one training say.

    Attributes
    ----------
    seconds
        Sum of all epochs that ended, those too that a continued training did again.
    epochs
        Number of the last one, counted from 1: how far the training came.
    logs
        Files that were read: one for each start.
    """

    seconds: float
    epochs: int
    logs: int


def training_time(fold_folder: Path) -> TrainingTime | None:
    """Sum the epochs' times in ``training_log_*.txt`` of a fold; None without any.

    A log that begins with epoch 0 is of a training from the start: what stands in earlier ones did not make this model.
    Start-up, the validation after the last epoch, and an epoch that was cut short are in no log.
    """
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in _logs(fold_folder)]
    texts = [text for text in texts if _EPOCH_TIME.search(text)]
    starts = [i for i, text in enumerate(texts) if next(_epochs(text), 0) == 0]
    texts = texts[starts[-1] if starts else 0 :]
    if not texts:
        return None
    seconds = sum(float(found) for text in texts for found in _EPOCH_TIME.findall(text))
    last = max(epoch for text in texts for epoch in (*_epochs(text), 0))
    return TrainingTime(seconds, last + 1, len(texts))


def _epochs(text: str) -> Iterator[int]:
    """Give the numbers of the epochs that ended."""
    begun: int | None = None
    for line in text.splitlines():
        if found := _EPOCH.search(line):
            begun = int(found[1])
        elif begun is not None and _EPOCH_TIME.search(line):
            yield begun
            begun = None


def _logs(folder: Path) -> list[Path]:
    """In order of time; the numbers in nnU-Net's names are not all padded with zeros."""
    return sorted(folder.glob("training_log_*.txt"), key=lambda path: [int(n) for n in re.findall(r"\d+", path.stem)])
