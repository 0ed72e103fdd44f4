"""The run records of stock models, in the form that our own training and prediction leave."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nnunet_amt.baseline.dataset import BaselineDataset
from nnunet_amt.baseline.planned import stock_plans
from nnunet_amt.baseline.settings import BaselineSettings
from nnunet_amt.baseline.stock_models import StockModel
from nnunet_amt.run_record import RunInput, RunNotes, number_of_parameters, recorded_run
from nnunet_amt.trainers.plans_names import CONFIGURATION

__all__ = ["note_cost", "record_baseline", "record_prediction", "record_training"]


def record_baseline(dataset: BaselineDataset, settings: BaselineSettings) -> AbstractContextManager[RunNotes]:
    """Record the whole in the folder of the results; a run in which nothing new came out is not added."""
    return recorded_run(
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
    )


def record_training(
    dataset: BaselineDataset, settings: BaselineSettings, model: StockModel, fold_folder: Path
) -> AbstractContextManager[RunNotes]:
    """Record a training beside its checkpoints."""
    plans = stock_plans(dataset, model)["configurations"][CONFIGURATION]
    arrays = dataset.preprocessed / plans["data_identifier"]
    planned = {name: plans.get(name) for name in ("spacing", "patch_size", "batch_size")}
    return recorded_run(
        fold_folder,
        "train",
        settings={**_settings(settings, model), "planning": settings.planning_options(), **planned},
        inputs={
            "preprocessed": RunInput(arrays, by="names_and_sizes"),
            "plans": dataset.preprocessed / f"{model.plans}.json",
            "splits": dataset.preprocessed / "splits_final.json",
        },
        outputs=["checkpoint_best.pth", "checkpoint_final.pth"],
        device=settings.device,
        in_children=True,
    )


def record_prediction(
    dataset: BaselineDataset, settings: BaselineSettings, model: StockModel, checkpoint: Path, output: Path
) -> AbstractContextManager[RunNotes]:
    """Record a prediction beside its label maps."""
    return recorded_run(
        output,
        "predict",
        settings={**_settings(settings, model), "checkpoint": checkpoint.name, "mirroring": True},
        inputs={
            "model": RunInput(checkpoint.parents[1], names=("plans.json", "dataset.json")),
            "checkpoint": checkpoint,
            "images": RunInput(dataset.images, by="names_and_sizes"),
        },
        device=settings.device,
        in_children=True,
    )


def note_cost(notes: RunNotes, checkpoint: Mapping[str, Any], peak: int | None) -> None:
    """Add the size of the network and the memory of the command; what is measured else is of all commands so far."""
    notes.cost["parameters"] = number_of_parameters(checkpoint["network_weights"])
    notes.cost["peak_memory_bytes"] = peak


def _settings(settings: BaselineSettings, model: StockModel) -> dict[str, Any]:
    return {
        "model": model.title,
        "trainer": settings.trainer,
        "plans": model.plans,
        "configuration": CONFIGURATION,
        "fold": settings.fold,
        "device": settings.device,
    }
