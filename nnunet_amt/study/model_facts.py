"""The model behind the evaluated predictions: the run records that lead to it, and what its files say of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import read_record
from nnunet_amt.base.run_record import input_path, read_runs
from nnunet_amt.study.facts import ModelFacts
from nnunet_amt.study.study import Study
from nnunet_amt.study.study_files import PLANS, read_part

Run = Mapping[str, Any]

_EPOCH = re.compile(r": Epoch (\d{1,9})\s*$")
_EPOCH_DONE = "Epoch time:"
_PROGRAM = "nnunet_amt "


@dataclass(frozen=True)
class ModelRuns:
    """The model behind the evaluated predictions, as far as run records lead to it.

    Attributes
    ----------
    predicted
        The newest prediction.
    folder
        nnU-Net's folder of the model.
    folds
        Folders of its trainings that were used.
    """

    predicted: Run | None = None
    folder: Path | None = None
    folds: tuple[Path, ...] = ()

    @property
    def trained(self) -> list[Run]:
        """Recorded trainings of the folds."""
        return [run for run in _runs_in(self.folds) if run["stage"] == "train"]

    @property
    def fold_names(self) -> tuple[str, ...]:
        """The folds that predicted: as the record says, or as its checkpoint lies, or the only one of the model."""
        named = _recorded_folds(self.predicted)
        return named or (tuple(map(_fold_name, self.folds)) if len(self.folds) == 1 else ())

    def input(self, name: str) -> Mapping[str, Any]:
        """Give what the record of the prediction says of one of its inputs; empty where it says nothing."""
        entry = self.predicted["inputs"].get(name) if self.predicted else None
        return entry if isinstance(entry, Mapping) else {}


def model_runs(study: Study) -> ModelRuns:
    """Find the newest prediction, the folder of its model, and the folds that are in it and were used."""
    predictions = study.evaluation.predictions
    predicted = next((run for run in reversed(_runs_in([predictions])) if run["stage"] == "predict"), None)
    if predicted is None or predictions is None:
        return ModelRuns()
    folder = input_path(predictions, predicted, "model")
    if folder is None:
        return ModelRuns(predicted)
    used = _recorded_folds(predicted)
    folds = (fold for fold in sorted(folder.glob("fold_*")) if not used or _fold_name(fold) in used)
    return ModelRuns(predicted, folder, tuple(folds))


def chain_of_runs(study: Study) -> list[Run]:
    """Give the runs that the evaluation rests on, of no other model, in order of time.

    These are the runs beside the dataset, the plans, the trained network, the predictions, the evaluation, and beside
    what looks further into it.
    """
    folds = model_runs(study).folds
    trainings = [(fold, run) for fold in folds for run in read_runs(fold) if run["stage"] == "train"]
    read = [input_path(fold, run, name) for fold, run in trainings for name in ("plans", "preprocessed")]
    prepared = [path if path.is_dir() else path.parent for path in read if path is not None]
    folders = [study.dataset, *folds, study.evaluation.predictions, study.evaluation.path]
    folders += [study.failures, study.comparison, *prepared]
    once = {folder.resolve(): folder for folder in folders if folder is not None}
    return sorted(_runs_in(once.values()), key=lambda run: str(run["started"]))


def model_facts(study: Study) -> ModelFacts | None:
    """Describe the model behind the evaluated predictions; None where nothing leads to it."""
    model = model_runs(study)
    plans = _plans(model.folder, study.evaluation.predictions)
    if model.predicted is None and not plans:
        return None
    trainer, plans_name, configuration = _names(model, plans)
    settings = plans.get("configurations", {}).get(configuration, {})
    architecture = settings.get("architecture", {})
    checkpoint = model.input("checkpoint")
    trained = model.trained
    return ModelFacts(
        trainer=trainer,
        plans=plans_name,
        configuration=configuration,
        folds=model.fold_names,
        network_class=architecture.get("network_class_name"),
        features=tuple(architecture.get("arch_kwargs", {}).get("features_per_level", ())),
        spacing=tuple(settings.get("spacing", ())),
        patch_size=tuple(settings.get("patch_size", ())),
        batch_size=settings.get("batch_size"),
        intensities=_rescaled_range(plans),
        window_chosen=_window_chosen(plans),
        normalisation=next(iter(settings.get("normalization_schemes", ())), None),
        parameters=_parameters(model),
        epochs=_epochs(model.folds),
        steps_per_epoch=_steps_per_epoch(model.folds),
        checkpoint=_last_name(checkpoint.get("path") or (model.predicted or {}).get("settings", {}).get("checkpoint")),
        checkpoint_sha256=checkpoint.get("sha256"),
        pretrained=_given(trained, "pretrained_weights"),
        training_seconds=sum(float(run.get("seconds", 0.0)) for run in trained) if trained else None,
        training_device=_device(trained),
        usual_window=_given([model.predicted] if model.predicted else [], "step_size") is False,
    )


def _plans(model: Path | None, predictions: Path | None) -> dict[str, Any]:
    """Read the plans of the model, of which nnU-Net leaves a copy beside its predictions."""
    for folder in (model, predictions):
        if folder is not None and (plans := read_part(folder / "plans.json", PLANS, "predict")):
            return dict(plans)
    return {}


def _names(model: ModelRuns, plans: Mapping[str, Any]) -> tuple[str | None, str | None, str]:
    """Give trainer, plans and configuration, of which the model's folder is named."""
    folder = model.folder.name if model.folder is not None else _last_name(model.input("model").get("path"))
    parts = (folder or "").split("__")
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    configurations = list(plans.get("configurations", {}))
    return None, plans.get("plans_name"), configurations[0] if len(configurations) == 1 else ""


def _last_name(path: object) -> str | None:
    return str(path or "").rpartition("/")[2] or None


def _rescaled_range(plans: Mapping[str, Any]) -> tuple[float, float] | None:
    """Give the range that is rescaled to 0 to 1, if that is what the plans say; see `nnunet_amt.nnunet.planning`."""
    channel = plans.get("foreground_intensity_properties_per_channel", {}).get("0", {})
    try:
        low, high = float(channel["percentile_00_5"]), float(channel["percentile_99_5"])
        rescales = channel["mean"] == low and channel["std"] == high - low
    except (KeyError, TypeError, ValueError):
        return None
    return (low, high) if rescales else None


def _window_chosen(plans: Mapping[str, Any]) -> bool:
    """Whether the range that is rescaled is another than that of the dataset, which the plans name too."""
    channel = plans.get("foreground_intensity_properties_per_channel", {}).get("0", {})
    rescaled, whole = _rescaled_range(plans), (channel.get("min"), channel.get("max"))
    return rescaled is not None and None not in whole and rescaled != whole


def _parameters(model: ModelRuns) -> int | None:
    for run in (model.predicted, *reversed(model.trained)):
        if run is not None and isinstance(number := run["cost"].get("parameters"), (int, float)):
            return int(number)
    return None


def _epochs(folds: Sequence[Path]) -> int | None:
    """Count the epochs that the training logs of one fold end; None for several folds or without a log."""
    logs = sorted(folds[0].glob("training_log_*.txt")) if len(folds) == 1 else []
    done: set[int] = set()
    epoch = -1
    for log in logs:
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if found := _EPOCH.search(line):
                epoch = int(found[1])
            elif _EPOCH_DONE in line and epoch >= 0:
                done.add(epoch)
    return len(done) or None


def _steps_per_epoch(folds: Sequence[Path]) -> int | None:
    """Read the steps from what nnU-Net's trainer wrote of itself, as text; None for several folds."""
    steps = read_record(folds[0] / "debug.json").get("num_iterations_per_epoch") if len(folds) == 1 else None
    return int(str(steps)) if re.fullmatch(r"\d{1,9}", str(steps)) else None


def _given(runs: Sequence[Run], option: str) -> bool | None:
    """Whether an option was given to any of the runs; None if their commands are not known."""
    commands = [str(run.get("command", "")) for run in runs]
    if any(option in command for command in commands):
        return True
    return False if commands and all(command.startswith(_PROGRAM) for command in commands) else None


def _device(trained: Sequence[Run]) -> str | None:
    machine = trained[-1].get("machine", {}) if trained else {}
    device = machine.get("gpu") or machine.get("device")
    if device == "cpu":
        return f"{machine['cores']} CPU cores" if "cores" in machine else "the CPU"
    return str(device) if device else None


def _runs_in(folders: Iterable[Path | None]) -> list[Run]:
    return [run for folder in folders if folder is not None for run in read_runs(folder)]


def _recorded_folds(predicted: Run | None) -> tuple[str, ...]:
    """Name the folds that predicted, as the record says, or as its checkpoint lies."""
    settings = predicted["settings"] if predicted else {}
    folds = settings.get("folds", settings.get("fold"))
    if isinstance(folds, list) and folds:
        return tuple(str(fold) for fold in folds)
    if isinstance(folds, (str, int)):
        return (str(folds),)
    checkpoint = ModelRuns(predicted).input("checkpoint").get("path")
    found = re.search(r"fold_(\w+)/[^/]+$", str(checkpoint or ""))
    return (found[1],) if found else ()


def _fold_name(fold: Path) -> str:
    return fold.name.removeprefix("fold_")
