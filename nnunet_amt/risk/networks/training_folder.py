"""The folder of a training: what a run must agree with to go on in it, and what is done of it.

::

    training.json     settings, and hashes of cases and first weights
    fold_0.json ...   losses, and logits of the held-out cases, of each epoch; with the learning rate in its name
                      where that is one of a grid
    loss_curves.csv   fold, first learning rate, epoch, learning rate, losses
    model/            model.json, weights.pth: what is handed on
    result.json       what the folds chose, and the scores; written last

While a fold is trained, its checkpoint ``fold_0.pth`` stands there; that of the training on all cases is ``all.pth``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_amt.base.files import read_record, write_csv, write_json
from nnunet_amt.base.json_file import NUMBER, misfit
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks.model_folder import MODEL_FILE
from nnunet_amt.risk.networks.settings import CURVES_FILE, MODEL_FOLDER, TrainingSettings

RESULT_FILE = "result.json"
ALL_CASES = "all"  # in place of a fold
_BEGUN_FILE = "training.json"
_CURVES = ("fold", "first_rate", "epoch", "learning_rate", "training_loss", "held_out_loss")
_FOLD = {"cases": [str], "losses": [NUMBER], "logits": [[NUMBER]]}
_RESULT = {"grid": [NUMBER], "out_of_fold": {str: NUMBER}, "training": {str: NUMBER}, "details": dict}


def begin_training(output: Path, about: Mapping[str, Any], *, restart: bool) -> None:
    """Make a folder ready for a training, or for going on with it.

    Parameters
    ----------
    output
        Made where missing.
    about
        What the training follows from, as JSON has it, by names for messages.
    restart
        Remove what stands there.

    Raises
    ------
    BadInputError
        If a training about something else has got somewhere there.
    """
    path = output / _BEGUN_FILE
    done = [*output.glob("fold_*.*"), *output.glob(f"{ALL_CASES}*.pth"), *output.glob(RESULT_FILE)]
    earlier = read_record(path)
    if restart:
        for one in done:
            one.unlink()
        shutil.rmtree(output / MODEL_FOLDER, ignore_errors=True)
    if restart or not done:
        write_json(path, dict(about))
        return
    for name, value in about.items():
        if earlier.get(name) != value:
            raise BadInputError(
                f"{output}: holds a training whose {name} is {earlier.get(name)}, now it is {value}; give another "
                "folder, or ask for a restart, which removes it (nnunet_amt risk train --restart)"
            )


def training_name(fold: int | str, *, rate: float, settings: TrainingSettings) -> str:
    """Name the training of a fold, or of `ALL_CASES`, with a learning rate, for its files."""
    name = ALL_CASES if fold == ALL_CASES else f"fold_{fold}"
    return name if rate == settings.learning_rate else f"{name}_rate_{rate:g}"


def checkpoint_of(output: Path, name: str) -> Path:
    """Where the checkpoint of a training is."""
    return output / f"{name}.pth"


def read_fold(output: Path, name: str, *, cases: Sequence[str], epochs: int) -> tuple[list[float], np.ndarray] | None:
    """Give the losses (epochs) and held-out logits (epochs, cases) of a fold that is done; None if it is not."""
    done = read_record(_fold_file(output, name))
    if misfit(done, _FOLD) or done["cases"] != list(cases) or not len(done["losses"]) == len(done["logits"]) == epochs:
        return None
    return done["losses"], np.array(done["logits"], dtype=float)


def write_fold(output: Path, name: str, *, cases: Sequence[str], losses: list[float], logits: np.ndarray) -> None:
    """Write what `read_fold` reads, and remove the checkpoint."""
    write_json(_fold_file(output, name), {"cases": list(cases), "losses": losses, "logits": logits.tolist()})
    checkpoint_of(output, name).unlink(missing_ok=True)


def read_result(output: Path, *, grid: Sequence[float]) -> dict[str, Any] | None:
    """Give the result of a training that is done, of this grid; None if it is not."""
    result = read_record(output / RESULT_FILE)
    is_done = misfit(result, _RESULT) is None and (output / MODEL_FOLDER / MODEL_FILE).is_file()
    return result if is_done and result["grid"] == list(grid) else None


def write_result(output: Path, result: Mapping[str, Any]) -> None:
    """Write what `read_result` reads, and remove the last checkpoints."""
    write_json(output / RESULT_FILE, dict(result))
    for checkpoint in output.glob(f"{ALL_CASES}*.pth"):
        checkpoint.unlink()


def write_curves(output: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write the losses of each epoch: fold or `ALL_CASES`, first rate, epoch, rate, loss in training, held out."""
    write_csv(output / CURVES_FILE, _CURVES, rows)


def _fold_file(output: Path, name: str) -> Path:
    return output / f"{name}.json"
