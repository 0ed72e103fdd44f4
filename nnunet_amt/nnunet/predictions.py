"""A folder of predictions that is filled in several runs, or by several machines at once.

A record beside the predictions, a file a case, says which model and image a prediction is of. A case belongs to one
part of a divided prediction only, so that no part writes, reads or removes what is another's.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nnunet_amt.base.files import is_nearly_full, read_record, require_folder, write_json
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError, DiskFullError, WorkFailedError
from nnunet_amt.images.image_integrity import file_damage

_IMAGE_ENDING = "_0000.nii.gz"
_RECORDS = "prediction_records"
_KNOWN_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".dcm", ".zip")


def require_images(folder: Path) -> list[str]:
    """List the cases of a folder of images for nnU-Net.

    Raises
    ------
    BadInputError
        If the folder is not there or holds no ``<case>_0000.nii.gz``.
    """
    require_folder(folder, "give a folder of images with --input")
    cases = sorted(path.name.removesuffix(_IMAGE_ENDING) for path in folder.glob(f"*{_IMAGE_ENDING}"))
    if not cases:
        raise BadInputError(
            f"{folder}: holds no image named <case>{_IMAGE_ENDING}, nnU-Net takes no other names (there are: "
            f"{_endings(folder)}); rename or convert the images"
        )
    return cases


def cases_of_part(cases: Sequence[str], num_parts: int = 1, part_id: int = 0) -> list[str]:
    """Take the cases that nnU-Net predicts in one part of ``-num_parts``: every so many of the sorted ones."""
    return sorted(cases)[part_id::num_parts]


def require_output(output: Path, images: Path) -> None:
    """Refuse a folder for predictions that is the images', a file, or cannot be written; made where missing.

    Raises
    ------
    BadInputError
        Names the folder and the reason.
    """
    if output.exists() and not output.is_dir():
        raise BadInputError(f"{output}: is a file; give a folder for the predictions with --output")
    if output.resolve() == images.resolve():
        raise BadInputError(f"{output}: is the folder of the images; give another one with --output")
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise BadInputError(
            f"{output}: cannot be written ({error.strerror}); give a folder that you may write to with --output"
        ) from error


def keep_finished_predictions(
    images: Path, output: Path, checkpoint: Path, *, options: Sequence[str] = (), num_parts: int = 1, part_id: int = 0
) -> int:
    """Prepare a prediction folder for ``--continue_prediction``.

    What stays is finished, of this model, these options and these images; everything else that nnU-Net would
    take for finished is removed. What each prediction is of is written beside them.

    Parameters
    ----------
    images, output
        Folders of ``<case>_0000.nii.gz`` and ``<case>.nii.gz``.
    checkpoint
        In its fold's folder, with the model's ``plans.json`` one up.
    options
        Further options that change the predictions.
    num_parts, part_id
        Only the cases of this part are looked at.

    Returns
    -------
    int
        Number of predictions that stay.

    Raises
    ------
    BadInputError
        If the folder holds label maps of these cases that were not made by this command.
    """
    cases = cases_of_part(require_images(images), num_parts, part_id)
    require_output(output, images)
    # by content: training again rewrites these files, and a model may come from another machine
    model = [*(file_sha256(path) or "" for path in (checkpoint, checkpoint.parents[1] / "plans.json")), *options]
    digest = hashlib.sha256(json.dumps(model).encode()).hexdigest()
    _refuse_foreign_label_maps(output, cases)
    kept = 0
    for case in cases:
        prediction, record_file = output / f"{case}.nii.gz", _record_file(output, case)
        record = {"model": digest, "image": _state(images / f"{case}{_IMAGE_ENDING}")}
        same = read_record(record_file) == record
        if same and prediction.is_file() and file_damage(prediction) is None:
            kept += 1
            continue
        prediction.unlink(missing_ok=True)
        if not same:
            write_json(record_file, record)
    return kept


def require_predictions(images: Path, output: Path, *, num_parts: int = 1, part_id: int = 0) -> None:
    """See that a prediction that has ended well left a whole label map of every case.

    Raises
    ------
    WorkFailedError
        If one is missing or cut off: on a full disk the writing of images fails without a word.
    DiskFullError
        If the disk has no room left.
    """
    cases = cases_of_part(require_images(images), num_parts, part_id)
    wrong = [case for case in cases if _is_unfinished(output / f"{case}.nii.gz")]
    if not wrong:
        return
    require_room(output)
    raise WorkFailedError(
        f"{output}: {len(wrong)} of {len(cases)} predictions are missing or cut off; run the same command again, what "
        "is finished is kept"
    )


def require_room(output: Path) -> None:
    """Say so if the disk is full: nnU-Net's own words for it are of a worker that is gone.

    Raises
    ------
    DiskFullError
        If less than a label map fits.
    """
    if is_nearly_full(output):
        raise DiskFullError(
            f"{output}: the disk is full; free some space and run the same command again, finished predictions are kept"
        )


def _is_unfinished(prediction: Path) -> bool:
    return not prediction.is_file() or file_damage(prediction) is not None


def _refuse_foreign_label_maps(output: Path, cases: Sequence[str]) -> None:
    """Refuse a folder whose label maps another hand put there: references, or predictions of plain nnU-Net."""
    foreign = [
        case for case in cases if (output / f"{case}.nii.gz").is_file() and not read_record(_record_file(output, case))
    ]
    if foreign:
        raise BadInputError(
            f"{output}: holds {len(foreign)} label maps that this command did not make ({foreign[0]}.nii.gz); they "
            "would be overwritten; give another folder with --output, or move them away"
        )


def _record_file(output: Path, case: str) -> Path:
    return output / _RECORDS / f"{case}.json"


def _endings(folder: Path) -> str:
    """Count the files by their endings: names may be those of patients."""
    files = [path.name.lower() for path in folder.iterdir() if path.is_file()]
    counts = Counter(next((ending for ending in _KNOWN_ENDINGS if name.endswith(ending)), "other") for name in files)
    return ", ".join(f"{count} {ending}" for ending, count in counts.most_common(3)) or "no files"


def _state(path: Path) -> list:
    return [str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns]
