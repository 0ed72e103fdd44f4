"""Follow the run records from the predictions to the model that made them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_amt.base.run_record import input_path, read_runs
from nnunet_amt.study.study import Study

Run = Mapping[str, Any]


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
    folders = [study.dataset, *folds, study.evaluation.predictions, study.evaluation.path]
    folders += [study.failures, study.comparison, *_prepared_for(folds)]
    once = {folder.resolve(): folder for folder in folders if folder is not None}
    return sorted(_runs_in(once.values()), key=lambda run: str(run["started"]))


def _prepared_for(folds: Sequence[Path]) -> list[Path]:
    """Give the folders of the plans and arrays that the trainings have read."""
    read = [
        input_path(fold, run, name)
        for fold in folds
        for run in read_runs(fold)
        for name in ("plans", "preprocessed")
        if run["stage"] == "train"
    ]
    return [path if path.is_dir() else path.parent for path in read if path is not None]


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
