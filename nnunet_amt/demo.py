"""The embedded default: a phantom cohort through every stage, really."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.dataset_conversion import convert
from nnunet_amt.environment import folder_from_environment, folders_below
from nnunet_amt.evaluation import EvaluationResult, evaluate
from nnunet_amt.files import require_free_space
from nnunet_amt.nnunet_commands import (
    checkpoint_to_continue_from,
    cpu_friendly_environment,
    keep_finished_predictions,
    model_folder,
    predict_command,
    require_checkpoint,
    require_images,
    run_stock_command,
    train_command,
)
from nnunet_amt.phantom import CohortDesign, write_phantom_cohort
from nnunet_amt.planning import plan
from nnunet_amt.progress import Progress, silent
from nnunet_amt.trainers.plans_names import CONFIGURATION, PLANS_NAME

__all__ = ["DemoResult", "run_demo"]

DATASET_ID = 711
DATASET_NAME = "AMTPhantom"
TRAINER = "nnUNetTrainerAMT_demo"
FOLD = "0"
# Coarse enough for two CPU cores; a tumour of 5 cm is still ten voxels wide.
SPACING_MM = (5.0, 5.0, 5.0)
PATCH_SIZE = (24, 40, 40)
NEEDED_BYTES = 1_000_000_000

_EPOCH = re.compile(r": Epoch (\d+)\s*$")
_TUNING_DICE = re.compile(r"Tuning Dice ([\d.]+)")
_PREDICTED = re.compile(r"^done with ")


@dataclass(frozen=True)
class DemoResult:
    """Where the demo put what.

    Attributes
    ----------
    manifest
        The phantom cohort's manifest.
    model
        nnU-Net's folder of the trained model.
    evaluation_folder
        Tables and figure.
    evaluation
        Their content.
    """

    manifest: Path
    model: Path
    evaluation_folder: Path
    evaluation: EvaluationResult


def run_demo(output: Path, device: str = "cpu", report: Progress = silent) -> DemoResult:
    """Make a phantom cohort, convert, plan, train, predict and evaluate; run again, it goes on where it stopped.

    Parameters
    ----------
    output
        Folder for everything; nnU-Net's three folders are made in it.
    device
        ``cpu`` or ``cuda``.
    report
        Told of every step of every stage.

    Raises
    ------
    DiskFullError
        If less than 1 GB is free.
    """
    require_free_space(output, NEEDED_BYTES, "the demo")
    jobs = os.cpu_count() or 1
    os.environ.update(folders_below(output))
    raw = folder_from_environment("nnUNet_raw")
    manifest = write_phantom_cohort(output / "phantom_cohort", CohortDesign(), report=report, jobs=jobs)
    dataset = convert(manifest, raw, DATASET_ID, DATASET_NAME, jobs=jobs, report=report).dataset_folder
    plan(DATASET_ID, SPACING_MM, PATCH_SIZE, jobs=jobs, report=report)
    model = model_folder(folder_from_environment("nnUNet_results"), dataset.name, TRAINER, PLANS_NAME, CONFIGURATION)
    _train(model, device, output / "train.log", report)
    predictions = _predict(dataset, model, device, output, report)
    evaluation_folder = output / "evaluation"
    evaluation = evaluate(
        predictions, dataset / "labelsTs", evaluation_folder, dataset / "cohort.csv", jobs=jobs, report=report
    )
    return DemoResult(manifest, model, evaluation_folder, evaluation)


def _train(model: Path, device: str, log_file: Path, report: Progress) -> None:
    from nnunet_amt.trainers.nnUNetTrainerAMT_variants import DEMO_EPOCHS

    fold_folder = model / f"fold_{FOLD}"
    if (fold_folder / "checkpoint_final.pth").is_file() and (fold_folder / "validation" / "summary.json").is_file():
        report(DEMO_EPOCHS, DEMO_EPOCHS, "training")
        return
    # the model that is selected is the one that nnU-Net's final validation looks at
    extra = ["--val_best", *(["--c"] if checkpoint_to_continue_from(fold_folder) else [])]
    command = train_command(DATASET_ID, CONFIGURATION, FOLD, TRAINER, PLANS_NAME, device, extra)
    dice = ""

    def on_line(line: str) -> None:
        nonlocal dice
        if found := _TUNING_DICE.search(line):
            dice = f": tuning Dice {found[1]}"
        if found := _EPOCH.search(line):
            report(int(found[1]), DEMO_EPOCHS, f"training{dice}")
        elif "Training done" in line:
            report(DEMO_EPOCHS, DEMO_EPOCHS, f"training{dice}")

    report(0, DEMO_EPOCHS, "training")
    run_stock_command(command, cpu_friendly_environment(device), on_line, log_file)


def _predict(dataset: Path, model: Path, device: str, output: Path, report: Progress) -> Path:
    checkpoint = require_checkpoint(model / f"fold_{FOLD}", "checkpoint_best.pth")
    images, predictions = dataset / "imagesTs", output / "predictions"
    total = len(require_images(images))
    done = keep_finished_predictions(images, predictions, checkpoint)
    report(done, total, "prediction")
    if done == total:
        return predictions
    command = predict_command(
        images, predictions, DATASET_ID, CONFIGURATION, FOLD, TRAINER, PLANS_NAME, checkpoint.name, device,
        ["--continue_prediction", "-npp", "1", "-nps", "1"],
    )  # fmt: skip

    def on_line(line: str) -> None:
        nonlocal done
        if _PREDICTED.match(line):
            done += 1
            report(done, total, "prediction")

    run_stock_command(command, cpu_friendly_environment(device), on_line, output / "predict.log")
    return predictions
