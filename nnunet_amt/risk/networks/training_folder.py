"""The folder of a training: what a run must agree with to go on in it, and what is done of it.

::

    training.json     settings, and hashes of cases and first weights
    fold_0.json ...   losses, and logits of the held-out cases, of each epoch
    loss_curves.csv   fold, epoch, learning rate, losses
    model/            model.json, weights.pth: what is handed on
    result.json       what the folds chose, and the scores; written last

While a fold is trained, its checkpoint ``fold_0.pth`` stands there; that of the training on all cases is ``all.pth``.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_amt.base.files import read_record, write_csv, write_json
from nnunet_amt.base.json_file import NUMBER, misfit
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks.model_folder import MODEL_FILE

MODEL_FOLDER = "model"
CURVES_FILE = "loss_curves.csv"
RESULT_FILE = "result.json"
ALL_CASES = "all"  # in place of a fold's number
_BEGUN_FILE = "training.json"
_CURVES = ("fold", "epoch", "learning_rate", "training_loss", "held_out_loss")
_FOLD = {"cases": [str], "losses": [NUMBER], "logits": [[NUMBER]]}
_RESULT = {"out_of_fold": {str: NUMBER}, "training": {str: NUMBER}, "details": dict}


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
        If a training about something else has begun there.
    """
    if restart:
        for path in (*output.glob("fold_*.*"), checkpoint_of(output, ALL_CASES), output / RESULT_FILE):
            path.unlink(missing_ok=True)
        shutil.rmtree(output / MODEL_FOLDER, ignore_errors=True)
    path = output / _BEGUN_FILE
    earlier = {} if restart else read_record(path)
    if not earlier:
        write_json(path, dict(about))
        return
    for name, value in about.items():
        if earlier.get(name) != value:
            raise BadInputError(
                f"{output}: holds a training whose {name} is {earlier.get(name)}, now it is {value}; give another "
                "folder, or ask for a restart, which removes it"
            )


def checkpoint_of(output: Path, fold: int | str) -> Path:
    """Where the checkpoint of a fold is."""
    return output / (f"{fold}.pth" if fold == ALL_CASES else f"fold_{fold}.pth")


def read_fold(output: Path, fold: int, *, cases: Sequence[str], epochs: int) -> tuple[list[float], np.ndarray] | None:
    """Give the losses (epochs) and held-out logits (epochs, cases) of a fold that is done; None if it is not."""
    done = read_record(_fold_file(output, fold))
    if misfit(done, _FOLD) or done["cases"] != list(cases) or not len(done["losses"]) == len(done["logits"]) == epochs:
        return None
    return done["losses"], np.array(done["logits"], dtype=float)


def write_fold(output: Path, fold: int, *, cases: Sequence[str], losses: list[float], logits: np.ndarray) -> None:
    """Write what `read_fold` reads, and remove the checkpoint."""
    write_json(_fold_file(output, fold), {"cases": list(cases), "losses": losses, "logits": logits.tolist()})
    checkpoint_of(output, fold).unlink(missing_ok=True)


def read_result(output: Path) -> dict[str, Any] | None:
    """Give the result of a training that is done; None if it is not."""
    result = read_record(output / RESULT_FILE)
    is_done = misfit(result, _RESULT) is None and (output / MODEL_FOLDER / MODEL_FILE).is_file()
    return result if is_done else None


def write_result(output: Path, result: Mapping[str, Any]) -> None:
    """Write what `read_result` reads, and remove the last checkpoint."""
    write_json(output / RESULT_FILE, dict(result))
    checkpoint_of(output, ALL_CASES).unlink(missing_ok=True)


def write_curves(
    output: Path,
    losses: Mapping[int | str, Sequence[float]],
    *,
    held_out: Mapping[int | str, Sequence[float]],
    rates: Sequence[float],
) -> None:
    """Write the losses of each epoch, by fold; the training on all cases holds none out."""
    rows = [
        (fold, place + 1, rates[place], loss, held_out[fold][place] if fold in held_out else None)
        for fold, of_epochs in losses.items()
        for place, loss in enumerate(of_epochs)
    ]
    write_csv(output / CURVES_FILE, _CURVES, rows)


def _fold_file(output: Path, fold: int) -> Path:
    return output / f"fold_{fold}.json"
