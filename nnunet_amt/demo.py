"""The embedded default: a phantom cohort through every stage, really."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_amt.base.files import require_free_space
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.dataset_conversion import convert
from nnunet_amt.evaluation import EvaluationResult, evaluate
from nnunet_amt.evaluation.failures import analyse_failures
from nnunet_amt.nnunet.environment import folder_from_environment, folders_below
from nnunet_amt.nnunet.planning import plan
from nnunet_amt.nnunet.predict import predict
from nnunet_amt.nnunet.train import train
from nnunet_amt.phantom import CohortDesign, write_phantom_cohort
from nnunet_amt.report import ReportResult, write_report

NEEDED_BYTES = 1_000_000_000


@dataclass(frozen=True)
class DemoSettings:
    """What the demo makes and how long it trains.

    Attributes
    ----------
    design
        The phantom cohort.
    trainer
        Trainer class.
    spacing
        (z, y, x) in mm; coarse enough for two CPU cores, and a tumour of 5 cm is still ten voxels wide.
    patch_size
        (z, y, x) in voxels.
    """

    design: CohortDesign = field(default_factory=CohortDesign)
    trainer: str = "nnUNetTrainerAMT_demo"
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
    manifest = write_phantom_cohort(output / "phantom_cohort", settings.design, progress=progress, jobs=jobs)
    conversion = convert(manifest, raw, settings.dataset_id, settings.dataset_name, jobs=jobs, progress=progress)
    dataset = conversion.dataset_folder
    plan(
        settings.dataset_id,
        spacing=settings.spacing,
        patch_size=settings.patch_size,
        jobs=jobs,
        progress=progress,
    )
    trained = train(
        settings.dataset_id,
        fold=settings.fold,
        trainer=settings.trainer,
        options=["--val_best"],  # nnU-Net's final validation looks at the model that is selected
        device=device,
        log_file=output / "train.log",
        progress=progress,
    )
    predictions = predict(
        dataset / "imagesTs",
        output / "predictions",
        dataset_id=settings.dataset_id,
        fold=settings.fold,
        trainer=settings.trainer,
        device=device,
        jobs=1,
        log_file=output / "predict.log",
        progress=progress,
    ).output
    evaluation_folder = output / "evaluation"
    evaluation = evaluate(
        predictions, dataset / "labelsTs", evaluation_folder, dataset / "cohort.csv", jobs=jobs, progress=progress
    )
    analyse_failures(
        predictions,
        dataset / "labelsTs",
        output / "evaluation_failures",
        dataset / "imagesTs",
        jobs=jobs,
        progress=progress,
    )
    page = write_report(output, output / "report.html", evaluation_folder, progress=progress)
    return DemoResult(manifest, trained.model, evaluation_folder, evaluation, page)
