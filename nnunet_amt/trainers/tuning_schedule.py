"""After which epochs the tuning set is evaluated: seldom enough to be cheap, often enough to have a choice."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

# Share of the training time that the selection may take ...
TUNING_TIME_FRACTION = 0.1
# ... unless fewer checkpoints than this would be left to choose from.
MINIMUM_EVALUATIONS = 20


@dataclass
class TuningSchedule:
    """When the tuning set is evaluated next.

    Attributes
    ----------
    interval
        Epochs between two evaluations.
    next_epoch
        The first epoch (from 0) that is due.
    """

    interval: int = 1
    next_epoch: int = 0

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Whether the tuning set is evaluated after `epoch` of `epochs`; after the last one always."""
        return epoch >= self.next_epoch or epoch == epochs - 1

    def evaluated(self, epoch: int) -> None:
        """Note that the tuning set was evaluated after `epoch`."""
        self.next_epoch = epoch + self.interval


def tuning_interval(seconds_tuning: float, seconds_epoch: float, epochs: int) -> tuple[int, float]:
    """Epochs between two evaluations, and the share of the time that the evaluations then take.

    They take at most `TUNING_TIME_FRACTION`, but there are at least `MINIMUM_EVALUATIONS` in a training, or one an
    epoch where it has fewer epochs.

    Parameters
    ----------
    seconds_tuning
        Time of one evaluation of the tuning set.
    seconds_epoch
        Time of one training epoch without it.
    epochs
        Epochs of the training.
    """
    epoch = max(seconds_epoch, 1e-6)
    share = TUNING_TIME_FRACTION / (1.0 - TUNING_TIME_FRACTION)  # of the time of training alone
    cheap = max(1, ceil(seconds_tuning / (share * epoch)))
    interval = min(cheap, max(1, epochs // MINIMUM_EVALUATIONS))
    return interval, seconds_tuning / (seconds_tuning + interval * epoch)


def describe_interval(interval: int, share: float) -> str:
    """Say how often the tuning set is evaluated, what `share` of the time that takes, and why not less."""
    line = f"The tuning set is evaluated every {interval} epochs, about {share:.1%} of the time"
    if share <= TUNING_TIME_FRACTION:
        return line
    return f"{line}; less often would leave fewer than {MINIMUM_EVALUATIONS} checkpoints to choose from"
