"""Training by nnU-Net's own command, with our trainer found, every checkpoint looked at first, and a record left."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nnunet_amt.base.json_file import read_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import (
    RunInput,
    RunNotes,
    number_of_parameters,
    read_runs,
    recorded_run,
    shareable_words,
)
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.folder import (
    checkpoint_to_continue_from,
    may_continue,
    model_folder,
    require_plans_of_model,
    require_state,
)
from nnunet_amt.models.plans import (
    BEST_CHECKPOINT,
    CONFIGURATION,
    DEFAULT_TRAINER,
    FAST,
    FINAL_CHECKPOINT,
    PAPER,
    RECIPES,
    SPLITS,
    read_plans,
    recipe_of,
    require_amt_plans,
    require_fold,
)
from nnunet_amt.nnunet import process
from nnunet_amt.nnunet.commands import train_command, train_options, with_whole_path
from nnunet_amt.nnunet.environment import dataset_name, folder_from_environment, require_device, require_known_trainer
from nnunet_amt.trainers.seeding import SEED_VARIABLE, agreed_seed

NNUNET_EPOCHS = 1000
TrainingState = Literal["not begun", "begun", "trained", "finished"]

_SPLITS = "splits_final.json"
_CHECKPOINTS = (BEST_CHECKPOINT, FINAL_CHECKPOINT)
_EPOCH = re.compile(r": Epoch (\d+)\s*$")
_BATCH = re.compile(r"Batch (\d+)/\d+")
_TUNING_DICE = re.compile(r"Tuning Dice ([\d.]+)")


@dataclass(frozen=True)
class TrainingLength:
    """Epochs of a training, and steps of an epoch."""

    epochs: int
    iterations: int


_ITERATIONS = 250
_SHORT_TRAINERS = {
    **{f"{recipe.trainer}_1epoch": TrainingLength(1, 5) for recipe in (PAPER, FAST)},
    f"{DEFAULT_TRAINER}_demo": TrainingLength(20, 50),
}


@dataclass(frozen=True)
class TrainedFold:
    """What a training left on disk: the model's folder, the fold's in it and its checkpoints.

    `was_finished` says that there was nothing left to do.
    """

    model: Path
    fold_folder: Path
    checkpoints: tuple[Path, ...]
    was_finished: bool


def train(
    dataset_id: int,
    *,
    fold: str = "0",
    trainer: str = DEFAULT_TRAINER,
    options: Sequence[str] = (),
    restart: bool = False,
    seed: int | None = None,
    device: str = "auto",
    log_file: Path | None = None,
    progress: Progress = silent,
    show: Callable[[str], None] = lambda command: None,
) -> TrainedFold:
    """Train our plans of a dataset by ``nnUNetv2_train``; run again, it goes on where it stopped.

    Parameters
    ----------
    fold
        ``0``, the split of the cohort, or ``all``.
    trainer
        One of our trainers, or one from elsewhere that can train our plans.
    options
        Further words for ``nnUNetv2_train``, such as ``--npz`` or ``-num_gpus 2``.
    restart
        Begin anew where a training could be continued or is finished.
    seed
        What weights and batches are drawn from, see `nnunet_amt.trainers.seeding`; a training that is gone on with
        keeps its own. None leaves the draws to nnU-Net, and every training is another one.
    log_file
        Where nnU-Net's output goes, while `progress` is told of the batches; without one it is left on the terminal.
    show
        Told the command before it runs.

    Raises
    ------
    BadInputError
        If plans, fold, trainer, device or options cannot be used, or a checkpoint is damaged, of other plans, of
        another seed, or would run code.
    WorkFailedError
        If nnU-Net fails.
    """
    asked = train_options(options)
    device = require_device(device, asked.num_gpus)
    preprocessed, model = _planned_dataset(dataset_id, fold, trainer)
    plans = recipe_of(trainer).plans
    fold_folder = model / f"fold_{fold}"
    if not restart:
        seed = _agreed_seed(seed, asked, fold_folder)
    if not restart and _nothing_left(asked, fold_folder):
        require_plans_of_model(model, preprocessed / f"{plans}.json")
        if log_file is not None:
            epochs = epochs_of(trainer)
            progress(epochs, epochs, "training")
        return TrainedFold(model, fold_folder, _checkpoints(fold_folder), was_finished=True)
    words = list(options)
    if not restart and not asked.c and may_continue(words, fold_folder):
        asked.c = True
        words.append("--c")
    _require_files_to_load(asked, fold_folder, trainer, dataset_id)
    if asked.c:
        require_plans_of_model(model, preprocessed / f"{plans}.json")
    command = train_command(
        dataset_id, fold=fold, trainer=trainer, plans=plans, device=device,
        options=with_whole_path(words, asked.pretrained_weights),
    )  # fmt: skip
    show(shlex.join(command))
    on_line = None if log_file is None else _epoch_lines(epochs_of(trainer), batches_of(trainer), progress)
    environment = {**process.cpu_friendly_environment(device), SEED_VARIABLE: "" if seed is None else str(seed)}
    with recorded_training(
        preprocessed, model, trainer=trainer, fold=fold, options=words, seed=seed, device=device
    ) as notes:
        notes.cost["peak_memory_bytes"] = process.run_stock_command(
            command, environment, on_line=on_line, log_file=log_file
        )
    return TrainedFold(model, fold_folder, _checkpoints(fold_folder), was_finished=False)


def training_state(fold_folder: Path) -> TrainingState:
    """Say how far the training in a fold's folder is, ours or nnU-Net's own.

    ``begun`` has a checkpoint to continue from, ``trained`` is at the last epoch, ``finished`` is validated too.
    """
    checkpoint = checkpoint_to_continue_from(fold_folder)
    if checkpoint is None:
        return "not begun"
    if checkpoint.name != FINAL_CHECKPOINT:
        return "begun"
    return "finished" if (fold_folder / "validation" / "summary.json").is_file() else "trained"


def length_of_ours(trainer: str) -> TrainingLength | None:
    """Tell how long one of our trainers trains, by its name, without importing it; None of others."""
    if trainer in (PAPER.trainer, FAST.trainer):
        return TrainingLength(NNUNET_EPOCHS, _ITERATIONS)
    if trainer in _SHORT_TRAINERS:
        return _SHORT_TRAINERS[trainer]
    named = re.fullmatch(rf"(?:{PAPER.trainer}|{FAST.trainer})_(\d+)epochs", trainer)
    return TrainingLength(int(named[1]), _ITERATIONS) if named else None


def epochs_of(trainer: str) -> int:
    """Give the number of epochs of a trainer, as far as it is known: of others' than ours by their names."""
    from nnunet_amt.nnunet.hook import amt_trainers

    ours = getattr(amt_trainers, trainer, None)
    if ours is not None:
        return int(ours.epochs)
    named = re.search(r"_(\d+)epochs?\b", trainer)
    return int(named[1]) if named else NNUNET_EPOCHS


def batches_of(trainer: str) -> int:
    """Give the batches of an epoch that a trainer tells of: one, the whole epoch, for others than ours."""
    from nnunet_amt.nnunet.hook import amt_trainers

    ours = getattr(amt_trainers, trainer, None)
    return 1 if ours is None else int(ours.iterations_per_epoch)


@contextmanager
def recorded_training(
    preprocessed: Path,
    model: Path,
    *,
    trainer: str,
    fold: str,
    plans: str | None = None,
    options: Sequence[str] = (),
    seed: int | None = None,
    device: str,
) -> Iterator[RunNotes]:
    """Record a training that the block runs, if it ends well; one that goes on with an earlier adds a run.

    The record is in the folder of the fold in that of the `model`; `plans` are those of the trainer's recipe if not
    given. Without a `seed` nnU-Net draws its own, which
    nobody knows.
    """
    fold_folder, splits = model / f"fold_{fold}", preprocessed / _SPLITS
    plans = plans or recipe_of(trainer).plans
    settings = {
        "trainer": trainer,
        "plans": plans,
        "configuration": CONFIGURATION,
        "fold": fold,
        "device": device,
        "options": shareable_words(options),
    }
    inputs: dict[str, Path | RunInput] = {
        "preprocessed": RunInput(preprocessed, "names_and_sizes"),
        "plans": preprocessed / f"{plans}.json",
        "splits": splits,
    }
    arrays = preprocessed / f"{plans}_{CONFIGURATION}"
    if arrays.is_dir():  # nnU-Net's own plans may share those of others
        inputs["arrays"] = RunInput(arrays, "names_and_sizes")
    with recorded_run(
        fold_folder, "train", settings=settings, seed=seed, inputs=inputs, outputs=_CHECKPOINTS, device=device,
        in_children=True,
    ) as notes:  # fmt: skip
        yield notes
        written = [fold_folder / name for name in _CHECKPOINTS if (fold_folder / name).is_file()]
        if written:
            notes.cost["parameters"] = number_of_parameters(read_checkpoint(written[0])["network_weights"])
        notes.counts.update(_cases_of_fold(splits, fold))


def _planned_dataset(dataset_id: int, fold: str, trainer: str) -> tuple[Path, Path]:
    """Give the folders of the preprocessed dataset and of the model, having seen that plans, fold and trainer fit."""
    preprocessed = folder_from_environment("nnUNet_preprocessed")
    name = dataset_name(dataset_id, preprocessed, f"nnunet_amt plan -d {dataset_id}")
    recipe = recipe_of(trainer)
    plans_file = preprocessed / name / f"{recipe.plans}.json"
    if not plans_file.is_file():
        chosen = "" if recipe == PAPER else f" --recipe {recipe.key}"
        others = [other for other in RECIPES.values() if plans_file.with_name(f"{other.plans}.json").is_file()]
        there = "".join(f"{other.plans} are there, for --trainer {other.trainer}; or " for other in others)
        raise BadInputError(
            f"{plans_file}: no such plans; {there}make them with: nnunet_amt plan -d {dataset_id}{chosen}"
        )
    require_amt_plans(read_plans(plans_file), CONFIGURATION, recipe)
    if fold != "all":
        if not fold.isdigit():
            raise BadInputError(f"--fold {fold}: must be 0, the split of the cohort, or 'all'")
        require_fold(preprocessed / name / _SPLITS, int(fold))
    require_known_trainer(trainer)
    results = folder_from_environment("nnUNet_results")
    return preprocessed / name, model_folder(results, dataset=name, trainer=trainer)


def _agreed_seed(seed: int | None, asked: argparse.Namespace, fold_folder: Path) -> int | None:
    """Give the seed of the training that is gone on with or stands there; of a new one the seed that is asked for."""
    checkpoint = None if asked.pretrained_weights else checkpoint_to_continue_from(fold_folder)
    return seed if checkpoint is None else agreed_seed(seed, read_checkpoint(checkpoint), checkpoint)


def _nothing_left(asked: argparse.Namespace, fold_folder: Path) -> bool:
    """Whether nnU-Net would only repeat the validation that it ended its training with."""
    if any((asked.c, asked.val, asked.npz, asked.pretrained_weights)) or training_state(fold_folder) != "finished":
        return False
    # validated by the last checkpoint, unless the best was asked for
    runs = [run for run in read_runs(fold_folder) if run["stage"] == "train"]
    return not asked.val_best or bool(runs and "--val_best" in runs[-1]["settings"]["options"])


def _require_files_to_load(asked: argparse.Namespace, fold_folder: Path, trainer: str, dataset_id: int) -> None:
    """Look into every checkpoint that nnU-Net will load, before it can run what they hold."""
    weights = asked.pretrained_weights
    if weights and not Path(weights).is_file():
        raise BadInputError(f"-pretrained_weights {weights}: no such file; give a checkpoint of nnU-Net's")
    if asked.val and not (fold_folder / FINAL_CHECKPOINT).is_file():
        raise BadInputError(
            f"--val: {fold_folder} holds no {FINAL_CHECKPOINT}, its training is not finished; go on with: "
            f"nnunet_amt train {dataset_id}"
        )
    loaded = (
        Path(weights) if weights else None,
        checkpoint_to_continue_from(fold_folder) if asked.c else None,
        fold_folder / FINAL_CHECKPOINT if asked.val else None,
        fold_folder / "checkpoint_best.pth" if asked.val_best else None,
    )
    for path in loaded:
        if path is not None and path.is_file():
            content = read_checkpoint(path)
            if path.parent == fold_folder:
                require_state(path, content, trainer)


def _epoch_lines(epochs: int, batches: int, progress: Progress) -> Callable[[str], None]:
    """Make what turns nnU-Net's lines, and ours of the batches of an epoch, into progress."""
    epoch, dice = 0, ""

    def training(batch: int) -> None:
        within = f", batch {batch} of {batches}" if batch else ""
        progress(epoch * batches + batch, epochs * batches, f"training: epoch {epoch + 1} of {epochs}{within}{dice}")

    def on_line(line: str) -> None:
        nonlocal epoch, dice
        if found := _TUNING_DICE.search(line):
            dice = f", tuning Dice {found[1]}"
        if found := _EPOCH.search(line):
            epoch = int(found[1])
            training(0)
        elif found := _BATCH.fullmatch(line.strip()):
            training(int(found[1]))
        elif "Training done" in line:
            progress(epochs * batches, epochs * batches, f"training: {epochs} epochs{dice}")
            progress(0, 1, "validating")
        elif "Validation complete" in line:
            progress(1, 1, "validating")

    progress(0, 1, "starting nnU-Net")  # a step of its own: the time that it takes says nothing of that of an epoch
    return on_line


def _checkpoints(fold_folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(fold_folder.glob("checkpoint_*.pth")))


def _cases_of_fold(splits_file: Path, fold: str) -> dict[str, int]:
    """Count the cases of a fold as nnU-Net will take them: ``all`` trains and tunes on every one."""
    if not splits_file.is_file():  # nnU-Net needs none for "all"
        return {}
    splits = read_json(splits_file, form=SPLITS, advice="plan the dataset again")
    if fold == "all":
        cases = len({case for split in splits[:1] for case in (*split["train"], *split["val"])})
        return {"training": cases, "tuning": cases}
    chosen = splits[int(fold)]
    return {"training": len(chosen["train"]), "tuning": len(chosen["val"])}
