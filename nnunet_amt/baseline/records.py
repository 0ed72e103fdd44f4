"""The run records of stock models, in the form that our own training and prediction leave."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from nnunet_amt.base.run_record import RunNotes, recorded_run
from nnunet_amt.baseline.dataset import BaselineDataset
from nnunet_amt.baseline.settings import BaselineSettings
from nnunet_amt.baseline.stock_models import StockModel
from nnunet_amt.models.plans_check import read_plans
from nnunet_amt.models.plans_names import CONFIGURATION
from nnunet_amt.nnunet.model_records import recorded_prediction, recorded_training


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


@contextmanager
def record_training(
    dataset: BaselineDataset, settings: BaselineSettings, model: StockModel, fold_folder: Path, flag: str | None
) -> Iterator[RunNotes]:
    """Record a training beside its checkpoints, with what nnU-Net has planned for it."""
    options = [flag] if flag else []
    model_folder = fold_folder.parent
    with recorded_training(
        dataset.preprocessed, model_folder, settings.trainer, settings.fold, settings.device, options, model.plans
    ) as notes:
        yield notes
        notes.settings |= _planned(settings, model, model_folder)


@contextmanager
def record_prediction(
    dataset: BaselineDataset, settings: BaselineSettings, model: StockModel, checkpoint: Path, output: Path, to_do: int
) -> Iterator[RunNotes]:
    """Record a prediction beside its label maps."""
    cases = len(dataset.cases.external)
    with recorded_prediction(
        dataset.images, output, checkpoint, settings.trainer, settings.device, cases, to_do, plans=model.plans
    ) as notes:
        yield notes
        notes.settings |= {**_planned(settings, model, checkpoint.parents[1]), "mirroring": True}


def _planned(settings: BaselineSettings, model: StockModel, folder: Path) -> dict[str, Any]:
    plans = read_plans(folder / "plans.json")["configurations"][CONFIGURATION]
    chosen = {name: plans.get(name) for name in ("spacing", "patch_size", "batch_size")}
    return {"model": model.title, "planning": settings.planning_options(), **chosen}
