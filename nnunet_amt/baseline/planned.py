"""What of a stock model is there already, plans, arrays and training, and whether it is what is asked for.

nnU-Net plans and preprocesses in place: a file that is there need not be whole, nor made with today's options. A
record beside the plans says which were finished, with which options, from which files.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import read_record, write_json
from nnunet_amt.base.json_file import NUMBER, read_json
from nnunet_amt.baseline.commands import BaselineSettings, StockModel
from nnunet_amt.baseline.dataset import BaselineDataset, require_validated_on_split
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.folder import checkpoint_to_continue_from, model_folder
from nnunet_amt.models.plans import CONFIGURATION, read_plans, require_same_plans
from nnunet_amt.nnunet.raw_cases import raw_files_state
from nnunet_amt.nnunet.train import TrainingState, training_state

_RECORD = "nnunet_amt_baseline.json"
_ENDINGS = (".b2nd", "_seg.b2nd", ".pkl")
# What nnU-Net's arrays depend on; patch and batch are not among it, so that its planners share them.
_ARRAY_KEYS = (
    *("preprocessor_name", "spacing", "normalization_schemes", "use_mask_for_norm"),
    *("resampling_fn_data", "resampling_fn_data_kwargs", "resampling_fn_seg", "resampling_fn_seg_kwargs"),
)
_PLAN_KEYS = ("transpose_forward", "foreground_intensity_properties_per_channel")
_PLANNED = {"options": [str], "finished": bool, "fingerprint_sha256": str}
_FORM = {"planned?": {str: _PLANNED}, "arrays?": {str: str}}


def stock_plans(dataset: BaselineDataset, model: StockModel) -> dict[str, Any]:
    """Read the plans that nnU-Net has made for a model.

    Raises
    ------
    WorkFailedError
        If they have no configuration of full resolution.
    """
    plans = read_plans(_plans_file(dataset, model))
    if not isinstance(plans["configurations"].get(CONFIGURATION, {}).get("data_identifier"), str):
        raise WorkFailedError(f"{_plans_file(dataset, model)}: nnU-Net planned no {CONFIGURATION}; are these CTs 2D?")
    return plans


class PlanningRecord:
    """The record of what was planned and preprocessed for the baseline of a dataset.

    Raises
    ------
    BadInputError
        If plans or arrays of other options than these are there, or of somebody else's: nnU-Net would overwrite them
        under the models that were trained with them.
    """

    def __init__(self, dataset: BaselineDataset, settings: BaselineSettings) -> None:
        self.dataset = dataset
        self.options = settings.planning_options()
        self.file = dataset.preprocessed / _RECORD
        advice = f"move it and the plans of its models out of {dataset.preprocessed} to plan anew"
        record = read_json(self.file, form=_FORM, advice=advice) if self.file.is_file() else {}
        self.planned: dict[str, dict[str, Any]] = record.get("planned", {})
        self.arrays: dict[str, str] = record.get("arrays", {})  # those that were finished, for whatever model
        for name, entry in self.planned.items():
            if entry["options"] != self.options:
                self._refuse(name, f"planned with {_words(entry['options'])}, asked for is {_words(self.options)}")
        for model in settings.models:
            self._require_stock(model)

    def is_planned(self, model: StockModel) -> bool:
        """Whether the plans are there, whole, and of the fingerprint that is there."""
        entry = self.planned.get(model.plans)
        if not _plans_file(self.dataset, model).is_file():
            return False
        return entry is None or (entry["finished"] and entry["fingerprint_sha256"] == self._fingerprint())

    def is_preprocessed(self, model: StockModel) -> bool:
        """Whether the arrays are there, all and whole, and of these plans and the raw files."""
        folder, state = self._arrays(model)
        files = (folder / f"{case.case_id}{ending}" for case in self.dataset.cases.training for ending in _ENDINGS)
        return self.arrays.get(folder.name) == state and all(file.is_file() for file in files)

    def planning(self, model: StockModel, finished: bool) -> None:
        """Write that planning begins or has ended."""
        self.planned[model.plans] = {
            "options": self.options,
            "finished": finished,
            "fingerprint_sha256": self._fingerprint() if finished else "",
        }
        self._write()

    def preprocessing_begins(self, model: StockModel) -> None:
        """Write that the arrays are no more to be relied on."""
        self.arrays.pop(self._arrays(model)[0].name, None)
        self._write()

    def preprocessing_ended(self, model: StockModel) -> None:
        """Write that the arrays are whole.

        Raises
        ------
        WorkFailedError
            If a case is missing.
        """
        folder, state = self._arrays(model)
        self.arrays[folder.name] = state
        if not self.is_preprocessed(model):
            del self.arrays[folder.name]
            raise WorkFailedError(f"{folder}: nnU-Net did not preprocess every case; run the same command again")
        self._write()

    def _arrays(self, model: StockModel) -> tuple[Path, str]:
        plans = stock_plans(self.dataset, model)
        settings = plans["configurations"][CONFIGURATION]
        depends = [{key: settings.get(key) for key in _ARRAY_KEYS}, {key: plans.get(key) for key in _PLAN_KEYS}]
        state = json.dumps([*depends, raw_files_state(self.dataset.cases)], sort_keys=True)
        return self.dataset.preprocessed / settings["data_identifier"], hashlib.sha256(state.encode()).hexdigest()

    def _fingerprint(self) -> str:
        file = self.dataset.preprocessed / "dataset_fingerprint.json"
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""

    def _require_stock(self, model: StockModel) -> None:
        """Accept plans that nnU-Net made without us, if they are what it makes with no options."""
        file = _plans_file(self.dataset, model)
        if model.plans in self.planned or not file.is_file():
            return
        plans = stock_plans(self.dataset, model)
        fingerprint = read_record(self.dataset.preprocessed / "dataset_fingerprint.json")
        intensities = "foreground_intensity_properties_per_channel"
        if plans.get("experiment_planner_used") != model.planner:
            self._refuse(model.plans, f"made by {plans.get('experiment_planner_used')}, not by {model.planner}")
        if plans[intensities] != fingerprint.get(intensities):
            self._refuse(model.plans, "made from another fingerprint than there is")
        if self.options:
            self._refuse(model.plans, f"made by somebody else, asked for is {_words(self.options)}")

    def _refuse(self, plans: str, why: str) -> None:
        folder = self.dataset.preprocessed
        raise BadInputError(
            f"{folder / plans}.json: {why}; give the same options, or move nnUNetPlans*, nnUNetResEncUNetMPlans* and "
            f"{_RECORD} out of {folder} to plan anew"
        )

    def _write(self) -> None:
        write_json(self.file, {"planned": self.planned, "arrays": self.arrays})


def _plans_file(dataset: BaselineDataset, model: StockModel) -> Path:
    return dataset.preprocessed / f"{model.plans}.json"


def _words(options: list[str]) -> str:
    return " ".join(options) or "no options"


def fold_folder_of(dataset: BaselineDataset, settings: BaselineSettings, model: StockModel) -> Path:
    """Folder of the fold that is trained."""
    folder = model_folder(dataset.results, dataset=dataset.name, trainer=settings.trainer, plans=model.plans)
    return folder / f"fold_{settings.fold}"


def stock_training_state(dataset: BaselineDataset, settings: BaselineSettings, model: StockModel) -> TrainingState:
    """Look how far a training is; every checkpoint that nnU-Net would load is read safely first.

    Raises
    ------
    BadInputError
        If a checkpoint is damaged, runs code or is another trainer's; if plans or split are not those it was begun
        with.
    """
    fold_folder = fold_folder_of(dataset, settings, model)
    checkpoint = checkpoint_to_continue_from(fold_folder)
    if checkpoint is not None:
        require_stock_checkpoint(checkpoint, settings.trainer)
        _require_plans_unchanged(dataset, model, fold_folder.parent)
    state = training_state(fold_folder)
    if state == "finished":
        require_validated_on_split(dataset, fold_folder, settings.fold)
    return state


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
    begun_with, today = folder / "plans.json", _plans_file(dataset, model)
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
    form = {"configurations": {CONFIGURATION: {"spacing": [NUMBER], "patch_size": [int], "batch_size": int}}}
    plans = read_json(model / "plans.json", form=form, advice="predict again")["configurations"][CONFIGURATION]
    spacing, patch = (" x ".join(f"{edge:g}" for edge in plans[key]) for key in ("spacing", "patch_size"))
    return f"spacing {spacing} mm, patch {patch} voxels (z, y, x), batches of {plans['batch_size']}"
