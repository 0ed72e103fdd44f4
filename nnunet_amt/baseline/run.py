"""Stock nnU-Net from its plans to the evaluation, one stock command after the other."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.baseline import commands
from nnunet_amt.baseline.dataset import BaselineDataset, find_dataset, put_split_in_place
from nnunet_amt.baseline.planned import PlanningRecord
from nnunet_amt.baseline.records import record_baseline, record_prediction, record_training
from nnunet_amt.baseline.settings import BaselineSettings
from nnunet_amt.baseline.stock_models import StockModel
from nnunet_amt.baseline.trained import CHECKPOINT, require_stock_checkpoint, training_state
from nnunet_amt.errors import WorkFailedError
from nnunet_amt.evaluation import evaluate
from nnunet_amt.evaluation.comparison import ComparisonResult, compare
from nnunet_amt.nnunet.commands import cpu_friendly_environment, run_stock_command
from nnunet_amt.nnunet.predictions import (
    keep_finished_predictions,
    require_output,
    require_predictions,
    require_room,
)

if TYPE_CHECKING:
    from nnunet_amt.evaluation import EvaluationResult


@dataclass(frozen=True)
class BaselineResult:
    """What stands on disk of one stock model.

    Attributes
    ----------
    model
        Which one.
    model_folder
        nnU-Net's folder of it.
    predictions, evaluation_folder
        Label maps of the external test set, and their evaluation.
    evaluation
        Its content.
    """

    model: StockModel
    model_folder: Path
    predictions: Path
    evaluation_folder: Path
    evaluation: EvaluationResult


def run_baseline(
    settings: BaselineSettings,
    progress: Progress = silent,
    show: Callable[[str], None] = lambda command: None,
) -> tuple[BaselineResult, ...]:
    """Plan, train, predict and evaluate nnU-Net's own models; run again, it goes on where it stopped.

    Parameters
    ----------
    settings
        What is asked for.
    progress
        Told of the steps of the evaluation; nnU-Net's own output is left as it is.
    show
        Told every command before it runs.

    Returns
    -------
    tuple of BaselineResult
        One for each model.

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
        require_output(predictions_folder(settings, model), dataset.images)
    with record_baseline(dataset, settings):
        plan_and_preprocess(dataset, settings, show)
        results = []
        for model in settings.models:
            folder = train(dataset, settings, model, show)
            predictions = predict(dataset, settings, model, folder, show)
            output = evaluation_folder(settings, model)
            evaluation = evaluate(predictions, dataset.references, output, cohort=dataset.cohort, progress=progress)
            results.append(BaselineResult(model, folder.parent, predictions, output, evaluation))
    return tuple(results)


def predictions_folder(settings: BaselineSettings, model: StockModel) -> Path:
    """Folder of a model's label maps."""
    return settings.output / model.key / "predictions"


def evaluation_folder(settings: BaselineSettings, model: StockModel) -> Path:
    """Folder of a model's evaluation."""
    return settings.output / model.key / "evaluation"


def comparison_folder(settings: BaselineSettings) -> Path:
    """Folder of the comparison with ours."""
    return settings.output / "comparison"


def compared_names(settings: BaselineSettings) -> list[str]:
    """Name ours and the stock models, in the order of the comparison."""
    return ["nnunet_amt", *(model.title for model in settings.models)]


def compare_with_ours(settings: BaselineSettings, evaluation: Path, progress: Progress = silent) -> ComparisonResult:
    """Compare the stock models with our evaluation of the same cases, which stands first; see `compare`."""
    evaluations = [evaluation, *(evaluation_folder(settings, model) for model in settings.models)]
    return compare(evaluations, comparison_folder(settings), names=compared_names(settings), progress=progress)


def plan_and_preprocess(dataset: BaselineDataset, settings: BaselineSettings, show: Callable[[str], None]) -> None:
    """Let nnU-Net plan and preprocess what is not; a model that is trained needs neither.

    All models come before the first training: what they cannot agree about shows now, not after a day.
    """
    waiting = [model for model in settings.models if not training_state(dataset, settings, model).finished]
    if not waiting:
        return
    put_split_in_place(dataset)
    record = PlanningRecord(dataset, settings)
    for model in waiting:
        if not record.is_planned(model):
            record.planning(model, finished=False)
            if not record.has_arrays():
                _run(commands.plan_and_preprocess_command(settings, model), settings, show, planning=True)
                record.planning(model, finished=True)
                record.preprocessing_ended(model)
                continue
            _run(commands.plan_command(settings, model), settings, show, planning=True)
            record.planning(model, finished=True)
        if not record.is_preprocessed(model):
            record.preprocessing_begins(model)
            _run(commands.preprocess_command(settings, model), settings, show, planning=True)
            record.preprocessing_ended(model)


def train(dataset: BaselineDataset, settings: BaselineSettings, model: StockModel, show: Callable[[str], None]) -> Path:
    """Train what is left to train; give the folder of the fold."""
    state = training_state(dataset, settings, model)
    if state.finished:
        return state.fold_folder
    with record_training(dataset, settings, model, state.fold_folder, state.flag) as notes:
        command = commands.train_command(settings, model, state.flag)
        notes.cost["peak_memory_bytes"] = _run(command, settings, show)
        if not training_state(dataset, settings, model).finished:
            raise WorkFailedError(f"{state.fold_folder}: nnU-Net ended without a validated {CHECKPOINT}; run again")
    return state.fold_folder


def predict(
    dataset: BaselineDataset,
    settings: BaselineSettings,
    model: StockModel,
    fold_folder: Path,
    show: Callable[[str], None],
) -> Path:
    """Predict the external cases that are not predicted yet; give the folder of the label maps."""
    checkpoint, output = fold_folder / CHECKPOINT, predictions_folder(settings, model)
    require_stock_checkpoint(checkpoint, settings.trainer)
    kept, total = keep_finished_predictions(dataset.images, output, checkpoint), len(dataset.cases.external)
    with record_prediction(dataset, settings, model, checkpoint, output, total - kept) as notes:
        if kept == total:
            return output
        command = commands.predict_command(settings, model, dataset.images, output, keep=kept > 0)
        try:
            notes.cost["peak_memory_bytes"] = _run(command, settings, show)
        except WorkFailedError:
            require_room(output)
            raise
        require_predictions(dataset.images, output)
    return output


def _run(
    command: Sequence[str], settings: BaselineSettings, show: Callable[[str], None], planning: bool = False
) -> int | None:
    show(shlex.join(command))
    environment = cpu_friendly_environment(settings.device)
    if planning and environment.get("nnUNet_n_proc_DA") == "0":
        del environment["nnUNet_n_proc_DA"]  # nnU-Net's planner takes it for a number of threads, of which 0 are none
    return run_stock_command(command, environment)
