"""What is known of a study's training: its epochs, its best, how long it takes, and what others took before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from nnunet_amt.app.studies import studies_below
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.epoch_log import EPOCHS_FILE, Epoch, Pace, pace_of, read_epochs
from nnunet_amt.models.folder import trainer_of
from nnunet_amt.models.plans import CONFIGURATION, network_features, read_plans, recipe_of, require_amt_plans
from nnunet_amt.nnunet.train import TrainingState, length_of_ours, training_state
from nnunet_amt.study.settings import StudyFolders, StudySettings

_MOST_ROWS, _LAST_ROWS = 200, 10


@dataclass(frozen=True)
class TrainingView:
    """The training that a study's settings ask for, as far as it has come.

    Attributes
    ----------
    fold_folder
        Where its checkpoints are.
    state
        Whether there is something to go on from.
    epochs
        Those that were written down, in order; none of a training that an earlier version did.
    pace
        How long an epoch takes; None before the first.
    left
        Expected rest of the epochs; None where it is not known, and when all are done.
    """

    fold_folder: Path
    state: TrainingState
    epochs: tuple[Epoch, ...]
    pace: Pace | None
    left: timedelta | None

    @property
    def last(self) -> Epoch | None:
        """Give the last epoch."""
        return self.epochs[-1] if self.epochs else None

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are done, and the model need not be trained further."""
        return self.state in ("trained", "finished")

    @property
    def took(self) -> timedelta:
        """Add up the epochs, without the pauses between them."""
        return timedelta(seconds=sum(epoch.seconds for epoch in self.epochs))

    @property
    def losses_that_are_none(self) -> int:
        """Count the epochs whose training loss was no number."""
        return sum(epoch.training_loss is None for epoch in self.epochs)

    @property
    def measured(self) -> tuple[Epoch, ...]:
        """Give the epochs after which the tuning cases were measured."""
        return tuple(epoch for epoch in self.epochs if epoch.evaluated)

    def ends(self, now: datetime, *, begun: datetime | None) -> datetime | None:
        """Tell when the epochs will be over if the training runs: from the end of the last, or the start of the run."""
        if self.left is None or self.last is None:
            return None
        since = datetime.fromtimestamp(self.last.ended, timezone.utc)
        since = since if begun is None else max(since, begun)
        return max(now, since + self.left)

    def rows(self) -> tuple[Epoch, ...]:
        """Give the epochs for a table: all, or of many those that say most, the measured and the last ones."""
        if len(self.epochs) <= _MOST_ROWS:
            return self.epochs
        step = len(self.epochs) // (_MOST_ROWS // 2) + 1
        most = (*self.epochs[:1], *self.measured[-_MOST_ROWS // 2 :], *self.epochs[-_LAST_ROWS:])
        kept = {self.epochs[-1].best_epoch, *(epoch.epoch for epoch in most)}
        return tuple(epoch for epoch in self.epochs if epoch.epoch in kept or epoch.epoch % step == 0)


@dataclass(frozen=True)
class OtherTraining:
    """A training of the opened folder: the study, trainer and fold that it is of, and its epochs."""

    study: str
    trainer: str
    fold: str
    folder: Path
    epochs: tuple[Epoch, ...]


@dataclass(frozen=True)
class Expected:
    """How long a training will take, by what one like it took: its study, and the pace of its epochs."""

    study: str
    device: str
    computer: str
    pace: Pace
    whole: timedelta


def training_view(folder: Path, settings: StudySettings) -> TrainingView:
    """Look at the training of a study."""
    fold_folder = StudyFolders.of(folder, settings).fold_folder
    epochs = read_epochs(fold_folder)
    state = training_state(fold_folder)
    pace, left = pace_of(epochs), None
    if pace is not None and state not in ("trained", "finished"):
        left = timedelta(seconds=(epochs[-1].epochs - epochs[-1].epoch) * pace.seconds)
    return TrainingView(fold_folder, state, epochs, pace, left)


def trainings_below(folder: Path) -> list[OtherTraining]:
    """Find the trainings in a study's folder that wrote their epochs down."""
    found = []
    for log in sorted((folder / "nnUNet_results").glob(f"*/*/fold_*/{EPOCHS_FILE}")):
        if epochs := read_epochs(log.parent):
            trainer, fold = trainer_of(log.parents[1]), log.parent.name.removeprefix("fold_")
            found.append(OtherTraining(folder.name, trainer, fold, log.parent, epochs))
    return found


def expected_times(opened: Path, folder: Path, settings: StudySettings) -> list[Expected] | None:
    """Reckon what a training will take, by the epochs of trainings in the opened folder that did the same work.

    The same are samples, size of the sections, steps of an epoch and network; of each computer the latest counts.

    Returns
    -------
    list of Expected or None
        None as long as nobody knows how large the sections are: the study is not planned.
    """
    length = length_of_ours(settings.train.trainer)
    work = _planned_work(folder, settings)
    if work is None or length is None:
        return None
    latest: dict[tuple[str, str], OtherTraining] = {}
    for study in studies_below(opened):
        for training in trainings_below(study):
            last = training.epochs[-1]
            alike = (last.batch_size, last.patch_size, last.features, last.iterations) == (*work, length.iterations)
            if not alike or settings.study.device not in ("auto", last.device):
                continue
            key = (last.device, last.computer)
            if key not in latest or last.ended > latest[key].epochs[-1].ended:
                latest[key] = training
    return [_expected(training, length.epochs) for training in latest.values()]


def _expected(training: OtherTraining, epochs: int) -> Expected:
    pace, last = pace_of(training.epochs), training.epochs[-1]
    assert pace is not None  # it has epochs
    return Expected(training.study, last.device, last.computer, pace, timedelta(seconds=pace.seconds * epochs))


def _planned_work(folder: Path, settings: StudySettings) -> tuple[int, tuple[int, ...], tuple[int, ...]] | None:
    """Give batch size, patch size (z, y, x) and channels of the plans that are there."""
    recipe = recipe_of(settings.train.trainer)
    path = StudyFolders.of(folder, settings).preprocessed / f"{recipe.plans}.json"
    if not path.is_file():
        return None
    try:
        plans = read_plans(path)
        require_amt_plans(plans, CONFIGURATION, recipe)
    except BadInputError:
        return None
    planned = plans["configurations"][CONFIGURATION]
    return planned["batch_size"], tuple(planned["patch_size"]), tuple(network_features(plans))
