"""The train command: nnU-Net's own, with our trainer found and every checkpoint looked at first."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import one_line_errors, out, show_command, show_next, show_written
from nnunet_amt.cli.options import DatasetArgument, Device, Fold, Trainer
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans_names import CONFIGURATION, DEFAULT_TRAINER, PLANS_NAME


@one_line_errors
def train(
    context: typer.Context,
    dataset: DatasetArgument,
    fold: Fold = "0",
    trainer: Trainer = DEFAULT_TRAINER,
    device: Device = "auto",
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew where a training could be continued or is finished.")
    ] = False,
) -> None:
    """Run nnUNetv2_train with our trainer found; -num_gpus and its other options are passed on.

    Run again, it goes on where it stopped. A checkpoint that would run code is refused.
    """
    from nnunet_amt.nnunet import commands as stock
    from nnunet_amt.nnunet.devices import require_device
    from nnunet_amt.nnunet.environment import dataset_name, folder_from_environment
    from nnunet_amt.nnunet.model_records import recorded_training
    from nnunet_amt.nnunet.stock_options import train_options

    options = train_options(context.args)
    device = require_device(device, options.num_gpus)
    preprocessed = folder_from_environment("nnUNet_preprocessed")
    name = dataset_name(dataset, preprocessed, f"nnunet_amt plan -d {dataset}")
    plans_file = preprocessed / name / f"{PLANS_NAME}.json"
    _require_plans(plans_file, dataset)
    _require_fold(preprocessed / name / "splits_final.json", fold)
    stock.require_known_trainer(trainer)
    model = stock.model_folder(folder_from_environment("nnUNet_results"), name, trainer, PLANS_NAME, CONFIGURATION)
    fold_folder = model / f"fold_{fold}"
    chosen = "" if trainer == DEFAULT_TRAINER else f" --trainer {trainer}"
    next_command = f"nnunet_amt predict {dataset}{chosen} --output predictions"
    if not restart and _nothing_left(options, fold_folder):
        out.print("this training is finished and validated; --restart trains anew, --val validates once more")
        show_next(next_command)
        return
    extra = list(context.args)
    if not restart and not options.c and stock.may_continue(extra, fold_folder):
        options.c = True
        extra.append("--c")
    _require_files_to_load(options, fold_folder, trainer, dataset)
    if options.c:
        stock.require_plans_of_model(model, plans_file, CONFIGURATION)
    command = stock.train_command(dataset, CONFIGURATION, fold, trainer, PLANS_NAME, device, extra)
    show_command(shlex.join(command))
    with recorded_training(plans_file.parent, model, trainer, fold, device, extra):
        stock.run_stock_command(command, stock.cpu_friendly_environment(device))
    show_written(sorted(fold_folder.glob("checkpoint_*.pth")))
    show_next(next_command)


def _nothing_left(options: argparse.Namespace, fold_folder: Path) -> bool:
    """Whether nnU-Net would only repeat the validation that it ended its training with."""
    asked = (options.c, options.val, options.val_best, options.npz, options.pretrained_weights)
    done = (fold_folder / "checkpoint_final.pth", fold_folder / "validation" / "summary.json")
    return not any(asked) and all(path.is_file() for path in done)


def _require_files_to_load(options: argparse.Namespace, fold_folder: Path, trainer: str, dataset: int) -> None:
    """Look into every checkpoint that nnU-Net will load, before it can run what they hold."""
    from nnunet_amt.models.checkpoint_safety import read_checkpoint
    from nnunet_amt.models.model_check import require_state
    from nnunet_amt.nnunet.commands import loaded_by_training

    weights = options.pretrained_weights
    if weights and not Path(weights).is_file():
        raise BadInputError(f"-pretrained_weights {weights}: no such file; give a checkpoint of nnU-Net's")
    if options.val and not (fold_folder / "checkpoint_final.pth").is_file():
        raise BadInputError(
            f"--val: {fold_folder} holds no checkpoint_final.pth, its training is not finished; go on with: "
            f"nnunet_amt train {dataset}"
        )
    for path in loaded_by_training(options, fold_folder):
        content = read_checkpoint(path)
        if path.parent == fold_folder:
            require_state(path, content, trainer)


def _require_plans(path: Path, dataset: int) -> None:
    from nnunet_amt.models.plans_check import read_plans, require_amt_plans

    if not path.is_file():
        raise BadInputError(f"{path}: no such plans; make them with: nnunet_amt plan -d {dataset}")
    require_amt_plans(read_plans(path), CONFIGURATION)


def _require_fold(splits_file: Path, fold: str) -> None:
    from nnunet_amt.models.plans_check import require_fold

    if fold == "all":
        return
    if not fold.isdigit():
        raise BadInputError(f"--fold {fold}: must be 0, the split of the cohort, or 'all'")
    require_fold(splits_file, int(fold))
