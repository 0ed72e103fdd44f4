"""A folder of predictions that is filled in several runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_amt.errors import BadInputError
from nnunet_amt.files import read_record, write_json
from nnunet_amt.image_integrity import file_damage

__all__ = ["keep_finished_predictions", "require_images"]

_IMAGE_ENDING = "_0000.nii.gz"
_RECORD = "nnunet_amt_prediction.json"


def require_images(folder: Path) -> list[str]:
    """List the cases of a folder of images for nnU-Net.

    Raises
    ------
    BadInputError
        If the folder is not there or holds no ``<case>_0000.nii.gz``.
    """
    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder; give the images with --input")
    cases = sorted(path.name.removesuffix(_IMAGE_ENDING) for path in folder.glob(f"*{_IMAGE_ENDING}"))
    if not cases:
        raise BadInputError(f"{folder}: holds no image named <case>{_IMAGE_ENDING}; nnU-Net takes no other names")
    return cases


def keep_finished_predictions(images: Path, output: Path, checkpoint: Path, options: Sequence[str] = ()) -> int:
    """Prepare a prediction folder for ``--continue_prediction``.

    What stays is finished, of this model, these options and these images; everything else that nnU-Net would
    take for finished is removed. What the folder is for is written beside the predictions.

    Parameters
    ----------
    images
        Folder of ``<case>_0000.nii.gz``.
    output
        Folder of predictions, ``<case>.nii.gz``.
    checkpoint
        In its fold's folder, with the model's ``plans.json`` one up.
    options
        Further options of the prediction.

    Returns
    -------
    int
        Number of predictions that stay.

    Raises
    ------
    BadInputError
        If the folder holds label maps of these cases that were not made by this command.
    """
    cases = require_images(images)
    # by content: training again rewrites these files, and a model may come from another machine
    model = [_digest(checkpoint), _digest(checkpoint.parents[1] / "plans.json"), *options]
    record: dict[str, Any] = {
        "model": hashlib.sha256(json.dumps(model).encode()).hexdigest(),
        "images": {case: _state(images / f"{case}{_IMAGE_ENDING}") for case in cases},
    }
    path = output / _RECORD
    old = read_record(path)
    _refuse_foreign_label_maps(output, cases, old)
    kept = 0
    for case in cases:
        prediction = output / f"{case}.nii.gz"
        if not prediction.is_file():
            continue
        same = old.get("model") == record["model"] and old.get("images", {}).get(case) == record["images"][case]
        if same and file_damage(prediction) is None:
            kept += 1
        else:
            prediction.unlink()
    write_json(path, record)
    return kept


def _refuse_foreign_label_maps(output: Path, cases: Sequence[str], record: dict[str, Any]) -> None:
    """Refuse a folder whose label maps another hand put there: references, or predictions of plain nnU-Net."""
    if output.exists() and not output.is_dir():
        raise BadInputError(f"{output}: is a file; give a folder for the predictions with --output")
    if record:
        return
    foreign = [case for case in cases if (output / f"{case}.nii.gz").is_file()]
    if foreign:
        raise BadInputError(
            f"{output}: holds {len(foreign)} label maps that this command did not make ({foreign[0]}.nii.gz); they "
            "would be overwritten; give another folder with --output, or move them away"
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _state(path: Path) -> list:
    return [str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns]
