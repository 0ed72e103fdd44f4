"""The model behind the evaluated predictions: the run records that lead to it, and what its files say of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt.base.files import read_record
from nnunet_amt.base.run_record import file_sha256, input_path, newest_run, read_runs
from nnunet_amt.study.facts import ModelFacts
from nnunet_amt.study.study import Study
from nnunet_amt.study.study_files import PLANS, read_part

if TYPE_CHECKING:
    from nnunet_amt.evaluation.comparison.costs import TrainingTime

Run = Mapping[str, Any]

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
    def trainings(self) -> list[list[Run]]:
        """Of each fold the recorded training, newest run first; empty unless every fold has that of its checkpoint."""
        found = [_last_training(fold) for fold in self.folds]
        return found if all(found) and not self.trained_anew else []

    @property
    def trained_anew(self) -> bool:
        """Whether the fold of the checkpoint that predicted has written another one since."""
        checkpoint = self.input("checkpoint")
        path, hashed = str(checkpoint.get("path") or ""), checkpoint.get("sha256")
        fold, name = path.rpartition("/")[0].rpartition("/")[2], _last_name(path)
        runs = next((_last_training(folder) for folder in self.folds if folder.name == fold), [])
        written = _sha256(runs[0]["outputs"], name) if runs and name else None
        return None not in (written, hashed) and written != hashed

    @property
    def trained(self) -> list[Run]:
        """The runs of `trainings`."""
        return [run for runs in self.trainings for run in runs]

    @property
    def recorded_whole(self) -> bool:
        """Whether the trainings are recorded from their beginning: a run that was killed left no record."""
        return bool(self.trainings) and all("--c" not in _options(runs[-1]).split() for runs in self.trainings)

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
    """Find the newest prediction of the evaluated label maps, the folder of its model, and the folds that were used."""
    predictions = study.evaluation.predictions
    evaluated = newest_run(study.evaluation.path, "evaluate")
    hashed = _sha256(evaluated["inputs"], "predictions") if evaluated else None
    made = (run for run in reversed(_runs_in([predictions])) if run["stage"] == "predict")
    # label maps that another model wrote over them since, or that somebody edited before, are not those of the record
    predicted = next((run for run in made if hashed in (None, _sha256(run["outputs"], ".") or hashed)), None)
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
    pretrained = _given(trained, "pretrained_weights")
    times = [] if model.trained_anew else _training_times(model.folds)
    return ModelFacts(
        trainer=trainer,
        plans=plans_name,
        configuration=configuration,
        folds=model.fold_names,
        network_class=architecture.get("network_class_name"),
        features=_features(architecture.get("arch_kwargs", {})),
        spacing=tuple(settings.get("spacing", ())),
        patch_size=tuple(settings.get("patch_size", ())),
        batch_size=settings.get("batch_size"),
        intensities=_rescaled_range(plans),
        window_chosen=_window_chosen(plans),
        normalisation=next(iter(settings.get("normalization_schemes", ())), None),
        parameters=_parameters(model),
        epochs=times[0].epochs if len(times) == 1 else None,
        steps_per_epoch=_steps_per_epoch(model.folds),
        checkpoint=_last_name(checkpoint.get("path") or (model.predicted or {}).get("settings", {}).get("checkpoint")),
        checkpoint_sha256=checkpoint.get("sha256"),
        trained=bool(trained),
        same_split=_same_split(trained, plans, study.dataset),
        seed=_seed(trained),
        pretrained=pretrained if pretrained or model.recorded_whole else None,
        training_seconds=sum(time.seconds for time in times) if times else None,
        training_device=_device(trained),
        region=bool(plans.get("mediastinal_region")),
        asked_in_part=((model.predicted or {}).get("counts") or {}).get("cases_asked_in_part"),
        usual_window=_given([model.predicted] if model.predicted else [], "step_size") is False,
    )


def _features(design: Mapping[str, Any]) -> tuple[int, ...]:
    """Give the channels of the levels: of the paper's network, or of one of nnU-Net's own with a number a level."""
    features = design.get("features_per_level") or design.get("features_per_stage") or ()
    return tuple(features)


def _last_training(fold: Path) -> list[Run]:
    """Give the last recorded training of a fold, and the earlier ones that it went on from, newest first."""
    runs: list[Run] = []
    for run in reversed([run for run in read_runs(fold) if run["stage"] == "train"]):
        words = _options(run).split()
        if "--val" in words:  # validated what was trained before
            continue
        runs.append(run)
        if "--c" not in words:
            break
    return runs


def _same_split(trained: Sequence[Run], plans: Mapping[str, Any], dataset: Path | None) -> bool | None:
    """Whether the recorded trainings read the splits_final.json that the dataset has now, of a dataset of its name."""
    here = None if dataset is None else file_sha256(dataset / "splits_final.json")
    read = {_sha256(run["inputs"], "splits") for run in trained}
    if dataset is None or here is None or not read or None in read:
        return None
    return read == {here} and plans.get("dataset_name", dataset.name) == dataset.name


def _sha256(entries: Mapping[str, Any], name: str) -> str | None:
    """Give the hash that a record has of what a run read or wrote; None where it has none."""
    entry = entries.get(name)
    found = entry.get("sha256") if isinstance(entry, Mapping) else None
    return found if isinstance(found, str) else None


def _seed(trained: Sequence[Run]) -> int | None:
    """Give the one seed of the recorded trainings."""
    seeds = {run.get("seed") for run in trained}
    seed = seeds.pop() if len(seeds) == 1 else None
    return seed if isinstance(seed, int) else None


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


def _training_times(folds: Sequence[Path]) -> list[TrainingTime]:
    """Read the epochs and their time from the training logs; empty unless every fold has one."""
    from nnunet_amt.evaluation.comparison.costs import training_time  # the comparison brings scipy along

    times = [time for time in map(training_time, folds) if time is not None]
    return times if len(times) == len(folds) else []


def _steps_per_epoch(folds: Sequence[Path]) -> int | None:
    """Read the steps from what nnU-Net's trainer wrote of itself, as text; None for several folds."""
    steps = read_record(folds[0] / "debug.json").get("num_iterations_per_epoch") if len(folds) == 1 else None
    return int(str(steps)) if re.fullmatch(r"\d{1,9}", str(steps)) else None


def _given(runs: Sequence[Run], option: str) -> bool | None:
    """Whether an option was given to any of the runs; None if what they were given is not recorded.

    Of a stage that a whole study ran the command tells nothing: its options stood in ``study.toml``.
    """
    if any(option in _options(run) or option in str(run.get("command", "")) for run in runs):
        return True
    known = [
        "options" in run["settings"] or str(run.get("command", "")).startswith(f"{_PROGRAM}{run['stage']} ")
        for run in runs
    ]
    return False if known and all(known) else None


def _options(run: Run) -> str:
    """Give the further words for nnU-Net's command, as they were recorded."""
    options = run["settings"].get("options", ())
    return " ".join(map(str, options)) if isinstance(options, (list, tuple)) else str(options)


def _device(trained: Sequence[Run]) -> str | None:
    machine = trained[0].get("machine", {}) if trained else {}
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
