"""The stock commands as nnU-Net's documentation writes them: nothing is given that nnU-Net takes by itself."""

from __future__ import annotations

from pathlib import Path

from nnunet_amt.baseline.settings import BaselineSettings
from nnunet_amt.baseline.stock_models import DEFAULT_PLANNER, DEFAULT_PLANS, DEFAULT_STOCK_TRAINER, StockModel
from nnunet_amt.models.plans_names import CONFIGURATION


def plan_and_preprocess_command(settings: BaselineSettings, model: StockModel) -> list[str]:
    """Plan and preprocess; nnU-Net keeps a fingerprint that is there."""
    jobs = [] if settings.jobs is None else ["-npfp", str(settings.jobs), "-np", str(settings.jobs)]
    return [
        "nnUNetv2_plan_and_preprocess", "-d", str(settings.dataset_id), "-c", CONFIGURATION,
        *_planner(model), *settings.planning_options(), *jobs,
    ]  # fmt: skip


def plan_command(settings: BaselineSettings, model: StockModel) -> list[str]:
    """Plan only, where arrays of the same kind are there: nnU-Net's planners share them for 3d_fullres."""
    return [
        "nnUNetv2_plan_experiment", "-d", str(settings.dataset_id), *_planner(model), *settings.planning_options(),
    ]  # fmt: skip


def preprocess_command(settings: BaselineSettings, model: StockModel) -> list[str]:
    """Preprocess only, by plans that are there."""
    plans = [] if model.plans == DEFAULT_PLANS else ["-plans_name", model.plans]
    jobs = [] if settings.jobs is None else ["-np", str(settings.jobs)]
    return ["nnUNetv2_preprocess", "-d", str(settings.dataset_id), *plans, "-c", CONFIGURATION, *jobs]


def train_command(settings: BaselineSettings, model: StockModel, flag: str | None = None) -> list[str]:
    """Train; `flag` is ``--c`` to go on, or ``--val`` for the validation alone."""
    return [
        "nnUNetv2_train", str(settings.dataset_id), CONFIGURATION, settings.fold,
        *_model(settings, model), *([flag] if flag else []),
    ]  # fmt: skip


def predict_command(
    settings: BaselineSettings, model: StockModel, images: Path, output: Path, keep: bool = False
) -> list[str]:
    """Predict with checkpoint_final.pth and mirroring, nnU-Net's defaults; `keep` skips what is predicted."""
    return [
        "nnUNetv2_predict", "-i", str(images), "-o", str(output), "-d", str(settings.dataset_id),
        "-c", CONFIGURATION, "-f", settings.fold, *_model(settings, model),
        *(["--continue_prediction"] if keep else []),
    ]  # fmt: skip


def _planner(model: StockModel) -> list[str]:
    return [] if model.planner == DEFAULT_PLANNER else ["-pl", model.planner]


def _model(settings: BaselineSettings, model: StockModel) -> list[str]:
    words = [] if settings.trainer == DEFAULT_STOCK_TRAINER else ["-tr", settings.trainer]
    words += [] if model.plans == DEFAULT_PLANS else ["-p", model.plans]
    return words + ([] if settings.device == "cuda" else ["-device", settings.device])
