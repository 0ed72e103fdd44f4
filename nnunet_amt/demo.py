"""The embedded default: a phantom cohort through every stage, really."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_amt.base.files import require_free_space
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.dataset_conversion import convert
from nnunet_amt.evaluation import EvaluationResult, evaluate
from nnunet_amt.evaluation.failures import analyse_failures
from nnunet_amt.models.plans_names import CONFIGURATION, PLANS_NAME
from nnunet_amt.nnunet.commands import (
    cpu_friendly_environment,
    may_continue,
    model_folder,
    predict_command,
    require_checkpoint,
    require_plans_of_model,
    run_stock_command,
    train_command,
)
from nnunet_amt.nnunet.environment import folder_from_environment, folders_below
from nnunet_amt.nnunet.model_records import recorded_prediction, recorded_training
from nnunet_amt.nnunet.planning import plan
from nnunet_amt.nnunet.predictions import keep_finished_predictions, require_images
from nnunet_amt.phantom import CohortDesign, write_phantom_cohort
from nnunet_amt.report import ReportResult, write_report
from nnunet_amt.trainers.nnUNetTrainerAMT_variants import DEMO_EPOCHS, nnUNetTrainerAMT_demo

NEEDED_BYTES = 1_000_000_000

_EPOCH = re.compile(r": Epoch (\d+)\s*$")
_TUNING_DICE = re.compile(r"Tuning Dice ([\d.]+)")
_PREDICTED = re.compile(r"^done with ")


@dataclass(frozen=True)
class DemoSettings:
    """What the demo makes and how long it trains.

    Attributes
    ----------
    design
        The phantom cohort.
    trainer, epochs
        Trainer class, and its number of epochs for the progress bar.
    spacing
        (z, y, x) in mm; coarse enough for two CPU cores, and a tumour of 5 cm is still ten voxels wide.
    patch_size
        (z, y, x) in voxels.
    """

    design: CohortDesign = field(default_factory=CohortDesign)
    trainer: str = nnUNetTrainerAMT_demo.__name__
    epochs: int = DEMO_EPOCHS
    spacing: tuple[float, float, float] = (5.0, 5.0, 5.0)
    patch_size: tuple[int, int, int] = (24, 40, 40)
    dataset_id: int = 711
    dataset_name: str = "AMTPhantom"
    fold: str = "0"


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
    page
        The report on all of it.
    """

    manifest: Path
    model: Path
    evaluation_folder: Path
    evaluation: EvaluationResult
    page: ReportResult


def run_demo(
    output: Path, device: str = "cpu", progress: Progress = silent, settings: DemoSettings | None = None
) -> DemoResult:
    """Make a phantom cohort and run every stage on it to the report; run again, it goes on where it stopped.

    Parameters
    ----------
    output
        Folder for everything; nnU-Net's three folders are made in it.
    device
        ``cpu`` or ``cuda``.
    progress
        Told of every step of every stage.
    settings
        The embedded default if not given.

    Raises
    ------
    DiskFullError
        If less than 1 GB is free.
    """
    require_free_space(output, NEEDED_BYTES, "the demo")
    settings = settings or DemoSettings()
    jobs = os.cpu_count() or 1
    os.environ.update(folders_below(output))
    raw = folder_from_environment("nnUNet_raw")
    manifest = write_phantom_cohort(output / "phantom_cohort", design=settings.design, jobs=jobs, progress=progress)
    conversion = convert(
        manifest,
        raw,
        dataset_id=settings.dataset_id,
        dataset_name=settings.dataset_name,
        jobs=jobs,
        progress=progress,
    )
    dataset = conversion.dataset_folder
    plan(settings.dataset_id, settings.spacing, settings.patch_size, jobs=jobs, progress=progress)
    results = folder_from_environment("nnUNet_results")
    model = model_folder(results, dataset.name, settings.trainer, PLANS_NAME, CONFIGURATION)
    _train(settings, model, device, output / "train.log", progress)
    predictions = _predict(settings, dataset, model, device, output, progress)
    evaluation_folder = output / "evaluation"
    evaluation = evaluate(
        predictions,
        dataset / "labelsTs",
        evaluation_folder,
        cohort=dataset / "cohort.csv",
        jobs=jobs,
        progress=progress,
    )
    analyse_failures(
        predictions,
        dataset / "labelsTs",
        output / "evaluation_failures",
        images=dataset / "imagesTs",
        jobs=jobs,
        progress=progress,
    )
    page = write_report(output, output / "report.html", evaluation=evaluation_folder, progress=progress)
    return DemoResult(manifest, model, evaluation_folder, evaluation, page)


def _train(settings: DemoSettings, model: Path, device: str, log_file: Path, progress: Progress) -> None:
    epochs, fold_folder = settings.epochs, model / f"fold_{settings.fold}"
    preprocessed = (
        folder_from_environment("nnUNet_preprocessed") / f"Dataset{settings.dataset_id}_{settings.dataset_name}"
    )
    require_plans_of_model(model, preprocessed / f"{PLANS_NAME}.json", CONFIGURATION)
    if (fold_folder / "checkpoint_final.pth").is_file() and (fold_folder / "validation" / "summary.json").is_file():
        progress(epochs, epochs, "training")
        return
    # the model that is selected is the one that nnU-Net's final validation looks at
    extra = ["--val_best"]
    if may_continue(extra, fold_folder):
        extra.append("--c")
    command = train_command(
        settings.dataset_id, CONFIGURATION, settings.fold, settings.trainer, PLANS_NAME, device, extra
    )
    dice = ""

    def on_line(line: str) -> None:
        nonlocal dice
        if found := _TUNING_DICE.search(line):
            dice = f": tuning Dice {found[1]}"
        if found := _EPOCH.search(line):
            progress(int(found[1]), epochs, f"training{dice}")
        elif "Training done" in line:
            progress(epochs, epochs, f"training{dice}")

    progress(0, epochs, "training")
    with recorded_training(preprocessed, model, settings.trainer, settings.fold, device, extra) as notes:
        notes.cost["peak_memory_bytes"] = run_stock_command(
            command, cpu_friendly_environment(device), on_line, log_file
        )


def _predict(settings: DemoSettings, dataset: Path, model: Path, device: str, output: Path, progress: Progress) -> Path:
    checkpoint = require_checkpoint(model / f"fold_{settings.fold}", "checkpoint_best.pth")
    images, predictions = dataset / "imagesTs", output / "predictions"
    total = len(require_images(images))
    done = keep_finished_predictions(images, predictions, checkpoint)
    progress(done, total, "prediction")
    if done == total:
        return predictions
    command = predict_command(
        images, predictions, settings.dataset_id, CONFIGURATION, settings.fold, settings.trainer, PLANS_NAME,
        checkpoint.name, device,
        ["--continue_prediction", "-npp", "1", "-nps", "1"],
    )  # fmt: skip

    def on_line(line: str) -> None:
        nonlocal done
        if _PREDICTED.match(line):
            done += 1
            progress(done, total, "prediction")

    to_do = total - done
    with recorded_prediction(images, predictions, checkpoint, settings.trainer, device, total, to_do) as notes:
        notes.cost["peak_memory_bytes"] = run_stock_command(
            command, cpu_friendly_environment(device), on_line, output / "predict.log"
        )
    return predictions
