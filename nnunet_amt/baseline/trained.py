"""How far the training of a stock model is, and whether what is there may be gone on with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_amt.baseline.dataset import BaselineDataset, require_validated_on_split
from nnunet_amt.baseline.planned import stock_plans
from nnunet_amt.baseline.settings import BaselineSettings
from nnunet_amt.baseline.stock_models import StockModel
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.plans_check import read_plans, require_same_plans
from nnunet_amt.models.plans_names import CONFIGURATION
from nnunet_amt.nnunet.commands import checkpoint_to_continue_from, model_folder

# The one that nnUNetv2_predict takes by itself.
CHECKPOINT = "checkpoint_final.pth"


@dataclass(frozen=True)
class TrainingState:
    """How far a training is.

    Attributes
    ----------
    fold_folder
        Folder of the fold.
    finished
        Trained and validated.
    flag
        What ``nnUNetv2_train`` needs to do the rest: ``--c`` after some epochs, ``--val`` where only the validation
        is missing, None from the beginning.
    """

    fold_folder: Path
    finished: bool
    flag: str | None


def training_state(dataset: BaselineDataset, settings: BaselineSettings, model: StockModel) -> TrainingState:
    """Look how far a training is; every checkpoint that nnU-Net would load is read safely first.

    Raises
    ------
    BadInputError
        If a checkpoint is damaged, runs code or is another trainer's; if plans or split are not those it was begun
        with.
    """
    folder = model_folder(dataset.results, dataset.name, settings.trainer, model.plans, CONFIGURATION)
    fold_folder = folder / f"fold_{settings.fold}"
    checkpoint = checkpoint_to_continue_from(fold_folder)
    if checkpoint is None:
        return TrainingState(fold_folder, finished=False, flag=None)
    require_stock_checkpoint(checkpoint, settings.trainer)
    _require_plans_unchanged(dataset, model, folder)
    if checkpoint.name != CHECKPOINT:
        return TrainingState(fold_folder, finished=False, flag="--c")
    if not (fold_folder / "validation" / "summary.json").is_file():
        return TrainingState(fold_folder, finished=False, flag="--val")
    require_validated_on_split(dataset, fold_folder, settings.fold)
    return TrainingState(fold_folder, finished=True, flag=None)


def require_stock_checkpoint(path: Path, trainer: str) -> dict[str, Any]:
    """Read a checkpoint without running anything that it holds.

    Raises
    ------
    BadInputError
        If it cannot be used.
    """
    try:
        content = read_checkpoint(path)
    except BadInputError as error:
        raise BadInputError(f"{error} (nnunet_amt baseline: move {path.parent} away to train anew)") from error
    if content.get("trainer_name") != trainer:
        raise BadInputError(
            f"{path}: was made by {content.get('trainer_name')}, its folder says {trainer}; move {path.parent} away "
            "to train anew"
        )
    return content


def _require_plans_unchanged(dataset: BaselineDataset, model: StockModel, folder: Path) -> None:
    begun_with, today = folder / "plans.json", dataset.preprocessed / f"{model.plans}.json"
    if not begun_with.is_file():
        raise BadInputError(f"{begun_with}: is missing; copy the whole model again, or move {folder} away")
    if not today.is_file():  # the preprocessed data may be elsewhere; a finished model needs none
        return
    try:
        require_same_plans(read_plans(begun_with), stock_plans(dataset, model), CONFIGURATION, str(folder))
    except BadInputError as error:
        what = str(error).partition(";")[0]
        raise BadInputError(f"{what}; move {folder} away to train anew, or make the old plans again") from error


def planned_choices(model: Path) -> str:
    """Say in one line what nnU-Net has chosen for a model: spacing, patch, batch."""
    plans = json.loads((model / "plans.json").read_text(encoding="utf-8"))["configurations"][CONFIGURATION]
    spacing, patch = (" x ".join(f"{edge:g}" for edge in plans[key]) for key in ("spacing", "patch_size"))
    return f"spacing {spacing} mm, patch {patch} voxels (z, y, x), batches of {plans['batch_size']}"
