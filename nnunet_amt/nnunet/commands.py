"""The words of the stock nnU-Net commands: built as one would type them, and read as nnU-Net will read them.

What nnU-Net takes by itself is left out of a command, as its documentation does. What our own options decide, such as
the model and its checkpoint, is not passed on a second time: nnU-Net would take the second, and what was checked would
not be what is loaded.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import CONFIGURATION, DEFAULT_TRAINER, STOCK_PLANS, require_sample_for_every_gpu

# What nnU-Net's commands take where nothing is given.
STOCK_PLANNER = "ExperimentPlanner"
STOCK_TRAINER = "nnUNetTrainer"

# nnU-Net's option, and what to do instead
_OWN_OF_TRAIN = {
    "-tr": "give --trainer",
    "-p": "leave it out, --trainer says which plans",
    "-device": "give --device",
}
_OWN_OF_PREDICT = {
    "-i": "give --input",
    "-o": "give --output",
    "-d": "give the number of the dataset alone",
    "-c": "leave it out, it is 3d_fullres",
    "-f": "give --fold",
    **_OWN_OF_TRAIN,
    "-chk": "give --checkpoint",
}


def plan_and_preprocess_command(
    dataset_id: int, *, planner: str = STOCK_PLANNER, options: Sequence[str] = (), jobs: int | None = None
) -> list[str]:
    """Plan and preprocess; nnU-Net keeps a fingerprint that is there."""
    words = ["nnUNetv2_plan_and_preprocess", "-d", str(dataset_id), "-c", CONFIGURATION]
    words += [*_unless(STOCK_PLANNER, "-pl", planner), *options]
    return words if jobs is None else [*words, "-npfp", str(jobs), "-np", str(jobs)]


def plan_command(dataset_id: int, *, planner: str = STOCK_PLANNER, options: Sequence[str] = ()) -> list[str]:
    """Plan only, where arrays of the same kind are there: nnU-Net's planners share them for 3d_fullres."""
    return ["nnUNetv2_plan_experiment", "-d", str(dataset_id), *_unless(STOCK_PLANNER, "-pl", planner), *options]


def preprocess_command(dataset_id: int, *, plans: str = STOCK_PLANS, jobs: int | None = None) -> list[str]:
    """Preprocess only, by plans that are there."""
    named, workers = _unless(STOCK_PLANS, "-plans_name", plans), [] if jobs is None else ["-np", str(jobs)]
    return ["nnUNetv2_preprocess", "-d", str(dataset_id), *named, "-c", CONFIGURATION, *workers]


def train_command(
    dataset_id: int,
    *,
    fold: str = "0",
    trainer: str = STOCK_TRAINER,
    plans: str = STOCK_PLANS,
    options: Sequence[str] = (),
    device: str | None = None,
) -> list[str]:
    """Train, by ours on no more GPUs than they can use; without a device nnU-Net takes CUDA."""
    if trainer.startswith(DEFAULT_TRAINER) and (gpus := re.search(r"-num_gpus[ =](\d+)", " ".join(options))):
        require_sample_for_every_gpu(int(gpus[1]))
    return ["nnUNetv2_train", str(dataset_id), CONFIGURATION, fold, *_model(trainer, plans, None, device), *options]


def predict_command(
    images: Path,
    output: Path,
    *,
    dataset_id: int,
    fold: str = "0",
    trainer: str = STOCK_TRAINER,
    plans: str = STOCK_PLANS,
    checkpoint: str | None = None,
    options: Sequence[str] = (),
    device: str | None = None,
) -> list[str]:
    """Predict; nnU-Net takes ``checkpoint_final.pth``, mirroring and CUDA where nothing else is given."""
    return [
        "nnUNetv2_predict", "-i", str(images), "-o", str(output), "-d", str(dataset_id), "-c", CONFIGURATION,
        "-f", fold, *_model(trainer, plans, checkpoint, device), *options,
    ]  # fmt: skip


def _model(trainer: str, plans: str, checkpoint: str | None, device: str | None) -> list[str]:
    words = [*_unless(STOCK_TRAINER, "-tr", trainer), *_unless(STOCK_PLANS, "-p", plans)]
    return [*words, *_unless(None, "-chk", checkpoint), *_unless(None, "-device", device)]


def _unless(stock: str | None, option: str, value: str | None) -> list[str]:
    """Give the option where nnU-Net would not take its value by itself."""
    return [] if value is None or value == stock else [option, value]


class _Reader(argparse.ArgumentParser):
    """Read options by nnU-Net's rules, abbreviations too, and tell of errors in one line."""

    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{self.prog}: {message}; its options are in: {self.prog} -h")


def train_options(extra: Sequence[str]) -> argparse.Namespace:
    """Read options for ``nnUNetv2_train``, refusing one that nnU-Net does not know or that is ours to give."""
    reader = _Reader("nnUNetv2_train", add_help=False)
    reader.add_argument("-pretrained_weights")
    reader.add_argument("-num_gpus", type=int, default=1)
    for flag in ("--npz", "--c", "--val", "--val_best", "--disable_checkpointing"):
        reader.add_argument(flag, action="store_true")
    options = _read(reader, extra, _OWN_OF_TRAIN)
    if options.c and (options.val or options.pretrained_weights):
        raise BadInputError("--c goes on with a training; give it without --val and -pretrained_weights")
    if options.num_gpus < 1:
        raise BadInputError(f"-num_gpus {options.num_gpus}: must be 1 or more")
    return options


def predict_options(extra: Sequence[str]) -> argparse.Namespace:
    """Read options for ``nnUNetv2_predict``, refusing one that nnU-Net does not know or that is ours to give."""
    reader = _Reader("nnUNetv2_predict", add_help=False)
    reader.add_argument("-step_size", type=float, default=0.5)
    reader.add_argument("-npp", type=int)
    reader.add_argument("-nps", type=int)
    reader.add_argument("-prev_stage_predictions")
    reader.add_argument("-num_parts", type=int, default=1)
    reader.add_argument("-part_id", type=int, default=0)
    for flag in (
        "disable_tta", "verbose", "save_probabilities", "continue_prediction", "disable_progress_bar", "not_on_device"
    ):  # fmt: skip
        reader.add_argument(f"--{flag}", action="store_true")
    options = _read(reader, extra, _OWN_OF_PREDICT)
    if not 0 <= options.part_id < options.num_parts:
        raise BadInputError(
            f"-part_id {options.part_id}: of {options.num_parts} parts (-num_parts) the ids are 0 to "
            f"{options.num_parts - 1}"
        )
    if options.num_parts > 1 and options.npp == options.nps == 0:
        raise BadInputError("-num_parts: nnU-Net does not heed it with -npp 0 -nps 0; give -npp 1 -nps 1")
    if not 0 < options.step_size <= 1:
        raise BadInputError(f"-step_size {options.step_size:g}: must be above 0, at most 1")
    return options


def without_parts(options: argparse.Namespace) -> list[str]:
    """List what of the options of a prediction changes its result: all but the division of labour."""
    labour = {"num_parts", "part_id", "npp", "nps", "verbose", "continue_prediction", "disable_progress_bar"}
    return sorted(f"{name}={value}" for name, value in vars(options).items() if name not in labour)


def with_whole_path(words: Sequence[str], path: str | None) -> list[str]:
    """Make a path among options absolute: nnU-Net does not run in the folder that it was given in."""
    if path is None:
        return list(words)
    whole = str(Path(path).absolute())
    return [word.removesuffix(path) + whole if word == path or word.endswith(f"={path}") else word for word in words]


def _read(reader: _Reader, extra: Sequence[str], own: dict[str, str]) -> argparse.Namespace:
    for name in own:
        reader.add_argument(name, nargs="+", dest=name)
    options = reader.parse_args(list(extra))
    for name, instead in own.items():
        if getattr(options, name) is not None:
            raise BadInputError(f"{name} is given to nnU-Net by this command; {instead}")
        delattr(options, name)
    return options
