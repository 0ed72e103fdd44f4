"""Stock nnU-Net from its plans to the evaluation, one stock command after the other."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import recorded_run
from nnunet_amt.baseline import commands
from nnunet_amt.baseline.commands import BaselineSettings, StockModel
from nnunet_amt.baseline.dataset import BaselineDataset, find_dataset, put_split_in_place
from nnunet_amt.baseline.planned import (
    PlanningRecord,
    fold_folder_of,
    require_stock_checkpoint,
    stock_training_state,
)
from nnunet_amt.errors import WorkFailedError
from nnunet_amt.evaluation import evaluate
from nnunet_amt.evaluation.comparison import ComparisonResult, ComparisonSettings, compare
from nnunet_amt.models.plans import CONFIGURATION, FINAL_CHECKPOINT, read_plans
from nnunet_amt.nnunet import process
from nnunet_amt.nnunet.predict import run_prediction
from nnunet_amt.nnunet.prediction_record import recorded_prediction
from nnunet_amt.nnunet.predictions import keep_finished_predictions, require_output
from nnunet_amt.nnunet.process import cpu_friendly_environment
from nnunet_amt.nnunet.train import recorded_training

if TYPE_CHECKING:
    from nnunet_amt.evaluation import EvaluationResult


@dataclass(frozen=True)
class BaselineResult:
    """What stands on disk of one stock model: nnU-Net's folder, label maps of the external test set, evaluation."""

    model: StockModel
    model_folder: Path
    predictions: Path
    evaluation_folder: Path
    evaluation: EvaluationResult


def run_baseline(
    settings: BaselineSettings,
    *,
    log_file: Path | None = None,
    progress: Progress = silent,
    show: Callable[[str], None] = lambda command: None,
) -> tuple[BaselineResult, ...]:
    """Plan, train, predict and evaluate nnU-Net's own models; run again, it goes on where it stopped.

    `progress` is told of the steps of the evaluation; nnU-Net's own output goes to `log_file`, without one that of
    planning goes to ``planning.log`` and the rest to the terminal; `show` is told every command before it runs.

    Raises
    ------
    BadInputError
        If dataset, split, plans, checkpoints or predictions are not what they must be.
    WorkFailedError
        If a command of nnU-Net fails.
    """
    settings.require_usable()
    dataset = find_dataset(settings.dataset_id, settings.fold)
    for model in settings.models:
        require_output(settings.predictions_folder(model), dataset.images)
    # recorded in the folder of the results; a run in which nothing new came out is not added
    with recorded_run(
        settings.output,
        "baseline",
        settings={
            "models": [model.title for model in settings.models],
            "trainer": settings.trainer,
            "fold": settings.fold,
            "planning": settings.planning_options(),
        },
        inputs={"splits": dataset.raw / "splits_final.json"},
        outputs=[f"{model.key}/evaluation/summary.json" for model in settings.models],
        device=settings.device,
        in_children=True,
    ):
        plan_and_preprocess(dataset, settings, log_file=log_file, show=show)
        results = []
        for model in settings.models:
            fold_folder = train(dataset, settings, model, log_file=log_file, show=show)
            predictions = predict(dataset, settings, model, fold_folder, log_file=log_file, show=show)
            output = settings.evaluation_folder(model)
            evaluation = evaluate(predictions, dataset.references, output, cohort=dataset.cohort, progress=progress)
            results.append(BaselineResult(model, fold_folder.parent, predictions, output, evaluation))
    return tuple(results)


def compare_with_ours(settings: BaselineSettings, evaluation: Path, *, progress: Progress = silent) -> ComparisonResult:
    """Compare the stock models with our evaluation of the same cases, which stands first; see `compare`.

    Drawn and taken for independent is what was in our evaluation: cases, patients or institutions.
    """
    evaluations = [evaluation, *(settings.evaluation_folder(model) for model in settings.models)]
    chosen = ComparisonSettings(cluster=commands.cluster_of(evaluation))
    return compare(
        evaluations, settings.comparison_folder(), names=settings.compared_names(), settings=chosen, progress=progress
    )


def plan_and_preprocess(
    dataset: BaselineDataset, settings: BaselineSettings, *, log_file: Path | None = None, show: Callable[[str], None]
) -> None:
    """Let nnU-Net plan and preprocess what is not; a model that is trained needs neither.

    All models come before the first training: what they cannot agree about shows now, not after a day.
    """
    waiting = [model for model in settings.models if stock_training_state(dataset, settings, model) != "finished"]
    if not waiting:
        return
    put_split_in_place(dataset)
    record = PlanningRecord(dataset, settings)
    for model in waiting:
        if not record.is_planned(model):
            record.planning(model, finished=False)
            if not record.arrays:
                _run(commands.plan_and_preprocess_command(settings, model), settings, log_file, show, planning=True)
                record.planning(model, finished=True)
                record.preprocessing_ended(model)
                continue
            _run(commands.plan_command(settings, model), settings, log_file, show, planning=True)
            record.planning(model, finished=True)
        if not record.is_preprocessed(model):
            record.preprocessing_begins(model)
            _run(commands.preprocess_command(settings, model), settings, log_file, show, planning=True)
            record.preprocessing_ended(model)


def train(
    dataset: BaselineDataset,
    settings: BaselineSettings,
    model: StockModel,
    *,
    log_file: Path | None = None,
    show: Callable[[str], None],
) -> Path:
    """Train what is left to train; give the folder of the fold."""
    fold_folder, state = fold_folder_of(dataset, settings, model), stock_training_state(dataset, settings, model)
    if state == "finished":
        return fold_folder
    flag = {"begun": "--c", "trained": "--val"}.get(state)
    with recorded_training(
        dataset.preprocessed, fold_folder.parent, trainer=settings.trainer, fold=settings.fold, plans=model.plans,
        options=[flag] if flag else [], device=settings.device,
    ) as notes:  # fmt: skip
        notes.cost["peak_memory_bytes"] = _run(commands.train_command(settings, model, flag), settings, log_file, show)
        if stock_training_state(dataset, settings, model) != "finished":
            raise WorkFailedError(f"{fold_folder}: nnU-Net ended without a validated {FINAL_CHECKPOINT}; run again")
        notes.settings |= _planned(settings, model, fold_folder.parent)
    return fold_folder


def predict(
    dataset: BaselineDataset,
    settings: BaselineSettings,
    model: StockModel,
    fold_folder: Path,
    *,
    log_file: Path | None = None,
    show: Callable[[str], None],
) -> Path:
    """Predict the external cases that are not predicted yet; give the folder of the label maps."""
    checkpoint, output = fold_folder / FINAL_CHECKPOINT, settings.predictions_folder(model)
    require_stock_checkpoint(checkpoint, settings.trainer)
    kept, total = keep_finished_predictions(dataset.images, output, checkpoint), len(dataset.cases.external)
    with recorded_prediction(
        dataset.images, output, checkpoint, trainer=settings.trainer, plans=model.plans,
        cases=total, to_do=total - kept, device=settings.device,
    ) as notes:  # fmt: skip
        notes.settings |= {**_planned(settings, model, checkpoint.parents[1]), "mirroring": True}
        if kept < total:
            images = dataset.images.absolute()
            command = commands.predict_command(settings, model, images, output.absolute(), keep=kept > 0)
            show(shlex.join(command))
            notes.cost["peak_memory_bytes"] = run_prediction(
                command, dataset.images, output, device=settings.device, log_file=log_file
            )
    return output


def _planned(settings: BaselineSettings, model: StockModel, folder: Path) -> dict[str, Any]:
    """Say for a record what nnU-Net has planned for a model."""
    plans = read_plans(folder / "plans.json")["configurations"][CONFIGURATION]
    chosen = {name: plans.get(name) for name in ("spacing", "patch_size", "batch_size")}
    return {"model": model.title, "planning": settings.planning_options(), **chosen}


def _run(
    command: Sequence[str],
    settings: BaselineSettings,
    log_file: Path | None,
    show: Callable[[str], None],
    *,
    planning: bool = False,
) -> int | None:
    shown = shlex.join(command)
    if planning and log_file is None:  # pages of plans, printed
        log_file = settings.output / "planning.log"
        shown += f" >> {shlex.quote(str(log_file))} 2>&1"
    show(shown)
    environment = cpu_friendly_environment(settings.device)
    if planning and environment.get("nnUNet_n_proc_DA") == "0":
        del environment["nnUNet_n_proc_DA"]  # nnU-Net's planner takes it for a number of threads, of which 0 are none
    return process.run_stock_command(command, environment, log_file=log_file)
