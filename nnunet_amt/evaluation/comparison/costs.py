"""What a model costs, from the records that the stages leave and the logs that nnU-Net writes; nothing is guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import require_folder
from nnunet_amt.base.run_record import input_path, newest_run, read_runs
from nnunet_amt.errors import BadInputError

Run = Mapping[str, Any]
# nnU-Net 2.8.1, nnUNetTrainer: "<date> <time>: Epoch 12 " and "<date> <time>: Epoch time: 34.5 s "
_EPOCH = re.compile(r": +Epoch (\d{1,9})\s*$", re.MULTILINE)
_EPOCH_TIME = re.compile(r": +Epoch time: (\d{1,9}(?:\.\d{0,9})?) s\s*$", re.MULTILINE)


@dataclass(frozen=True)
class ModelCost:
    """Costs of one model; None where nothing on disk says it."""

    parameters: int | None = None  # trainable numbers of one network
    # time of all epochs, over all folds that predict together; see `training_time`
    training_seconds: float | None = None
    training_epochs: int | None = None  # epochs that the training came to, of the fold with the most
    # training_device, prediction_device: where they ran
    training_device: str | None = None
    # training_peak_bytes, prediction_peak_bytes: main memory of the largest single process, not that of a GPU
    training_peak_bytes: int | None = None
    seconds_per_case: float | None = None  # of prediction, from file to file, with the program's start
    predicted_cases: int | None = None  # cases that `seconds_per_case` rests on
    prediction_device: str | None = None
    prediction_peak_bytes: int | None = None


@dataclass(frozen=True)
class TrainingTime:
    """What the logs of one training say; there is one for each start.

    `seconds` is the sum of all epochs that ended, those too that a continued training did again; `epochs` is the number
    of the last one, counted from 1: how far the training came.
    """

    seconds: float
    epochs: int
    logs: int


def recorded_cohort(evaluation: Path) -> Path | None:
    """Give the cohort file that an evaluation was made with, if a record says so and it is still there."""
    run = newest_run(evaluation, "evaluate")
    return None if run is None else input_path(evaluation, run, "cohort")


def read_cost(evaluation: Path, *, model_folder: Path | None = None) -> ModelCost:
    """Follow the records from an evaluation to its predictions, and on to the model that made them.

    Parameters
    ----------
    evaluation
        Results of ``evaluate``.
    model_folder
        nnU-Net's folder of the trained model, or of its fold, where no record leads there (plain
        ``nnUNetv2_predict`` leaves none).

    Raises
    ------
    BadInputError
        If `model_folder` holds neither a fold nor the logs of one.
    """
    evaluated = newest_run(evaluation, "evaluate")
    predictions = None if evaluated is None else input_path(evaluation, evaluated, "predictions")
    predicted = [] if predictions is None else _predictions_of_one_model(predictions)
    folds = _folds(predictions, predicted, model_folder)
    trained = [run for run in (newest_run(fold, "train") for fold in folds) if run is not None]
    times = [time for time in map(training_time, folds) if time is not None]
    keys = ("seconds_per_case_with_start", "seconds_per_case")
    by_network = [run for run in predicted if not _of_saved_probabilities(run)]
    timed = [_number(run, "cost", keys[0]) or _number(run, "cost", keys[1]) for run in by_network]
    seconds = [value for value in timed if value is not None]
    cases = [_number(run, "counts", "cases") or 0 for run in by_network]
    whole = len(seconds) == len(cases) and sum(cases) > 0
    return ModelCost(
        parameters=_whole(_first(_number(run, "cost", "parameters") for run in (*trained, *predicted))),
        training_seconds=math.fsum(time.seconds for time in times) if folds and len(times) == len(folds) else None,
        training_epochs=max((time.epochs for time in times), default=None),
        training_device=_first(map(_device, trained)),
        training_peak_bytes=_largest_memory(trained),
        seconds_per_case=math.fsum(map(math.prod, zip(seconds, cases, strict=True))) / sum(cases) if whole else None,
        predicted_cases=int(sum(cases)) if whole else None,
        prediction_device=_first(map(_device, predicted)),
        prediction_peak_bytes=_largest_memory(predicted),
    )


def training_time(fold_folder: Path) -> TrainingTime | None:
    """Sum the epochs' times in ``training_log_*.txt`` of a fold; None without any.

    A log that begins with epoch 0 is of a training from the start: what stands in earlier ones did not make this model.
    Start-up, the validation after the last epoch, and an epoch that was cut short are in no log.
    """
    # in order of time; the numbers in nnU-Net's names are not all padded with zeros
    logs = sorted(fold_folder.glob("training_log_*.txt"), key=lambda path: [*map(int, re.findall(r"\d+", path.stem))])
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in logs]
    texts = [text for text in texts if _EPOCH_TIME.search(text)]
    starts = [i for i, text in enumerate(texts) if next(_ended_epochs(text), 0) == 0]
    texts = texts[starts[-1] if starts else 0 :]
    if not texts:
        return None
    seconds = sum(float(found) for text in texts for found in _EPOCH_TIME.findall(text))
    last = max(epoch for text in texts for epoch in (*_ended_epochs(text), 0))
    return TrainingTime(seconds, last + 1, len(texts))


def _ended_epochs(text: str) -> Iterator[int]:
    begun: int | None = None
    for line in text.splitlines():
        if found := _EPOCH.search(line):
            begun = int(found[1])
        elif begun is not None and _EPOCH_TIME.search(line):
            yield begun
            begun = None


def _predictions_of_one_model(folder: Path) -> list[Run]:
    """Give the predictions of the model that predicted last: several if it was stopped or divided over machines."""

    def checkpoint(run: Run) -> object:
        return run.get("inputs", {}).get("checkpoint", {}).get("sha256")

    predicted = [run for run in read_runs(folder) if run.get("stage") == "predict"]
    return [run for run in predicted if checkpoint(run) == checkpoint(predicted[-1])]


def _folds(predictions: Path | None, predicted: Sequence[Run], model_folder: Path | None) -> list[Path]:
    """Give the folders with the logs of the training: those of the given model, or of the recorded one."""
    if model_folder is not None:
        require_folder(model_folder, "give nnU-Net's folder of the trained model")
        folds = _folds_in(model_folder)
        if not folds:
            raise BadInputError(
                f"{model_folder}: holds no fold_* and no training_log_*.txt; give nnU-Net's folder of the model"
            )
        return folds
    if predictions is None or not predicted:
        return []
    checkpoint = input_path(predictions, predicted[-1], "checkpoint")
    if checkpoint is not None:
        return [checkpoint.parent]
    model = input_path(predictions, predicted[-1], "model")
    return [] if model is None else _folds_in(model)


def _folds_in(folder: Path) -> list[Path]:
    if any(folder.glob("training_log_*.txt")):
        return [folder]
    return sorted(path for path in folder.glob("fold_*") if path.is_dir())


def _device(run: Run) -> str | None:
    """Name the GPU, or say how many cores of a CPU might be used."""
    machine = run.get("machine", {})
    if machine.get("device") == "cpu" and machine.get("cores"):
        return f"{machine['cores']} CPU core{'s' if machine['cores'] > 1 else ''}"
    device = machine.get("gpu") or machine.get("device")
    return str(device) if device else None


def _number(run: Run, part: str, key: str) -> float | None:
    value = run.get(part, {}).get(key)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _of_saved_probabilities(run: Run) -> bool:
    """Whether a prediction made label maps of saved probabilities alone: what it took is not the network's time."""
    return bool(_number(run, "counts", "cases_of_saved_probabilities")) and not _number(run, "counts", "cases")


def _largest_memory(runs: Sequence[Run]) -> int | None:
    return _whole(max((value for run in runs if (value := _number(run, "cost", "peak_memory_bytes"))), default=None))


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)
