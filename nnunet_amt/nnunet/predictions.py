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

from nnunet_amt.base.files import is_nearly_full, read_record, require_folder, why_unreadable, write_json
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError, DiskFullError, WorkFailedError
from nnunet_amt.images.integrity import file_damage

_IMAGE_ENDING = "_0000.nii.gz"
_RECORDS = "prediction_records"
_KNOWN_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".dcm", ".zip")


def require_images(folder: Path) -> list[str]:
    """List the cases of a folder that must hold images for nnU-Net, ``<case>_0000.nii.gz``."""
    require_folder(folder, "give a folder of images with --input")
    images = sorted(folder.glob(f"*{_IMAGE_ENDING}"))
    for path in images:
        if reason := why_unreadable(path):
            raise BadInputError(f"{path}: {reason}")
    if images:
        return [path.name.removesuffix(_IMAGE_ENDING) for path in images]
    # counted by their endings: names may be those of patients
    files = [path.name.lower() for path in folder.iterdir() if path.is_file()]
    counts = Counter(next((ending for ending in _KNOWN_ENDINGS if name.endswith(ending)), "other") for name in files)
    found = ", ".join(f"{count} {ending}" for ending, count in counts.most_common(3)) or "no files"
    raise BadInputError(
        f"{folder}: holds no image named <case>{_IMAGE_ENDING}, nnU-Net takes no other names (there are: {found}); "
        "rename or convert the images"
    )


def cases_of_part(cases: Sequence[str], part: tuple[int, int]) -> list[str]:
    """Take the cases that nnU-Net predicts in one `part`, its number and of how many: every so many of the sorted."""
    number, parts = part
    return sorted(cases)[number::parts]


def require_output(output: Path, images: Path) -> None:
    """Refuse a folder for predictions that is the images', a file, or cannot be written; made where missing."""
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
    images: Path, output: Path, checkpoint: Path, *, options: Sequence[str] = (), part: tuple[int, int] = (0, 1)
) -> int:
    """Prepare a prediction folder for ``--continue_prediction``; give the number of predictions that stay.

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
    part
        Only the cases of this part are looked at; see `cases_of_part`.

    Raises
    ------
    BadInputError
        If the folder holds label maps of these cases that were not made by this command: references, or predictions
        of plain nnU-Net.
    """
    cases = cases_of_part(require_images(images), part)
    require_output(output, images)
    # by content: training again rewrites these files, and a model may come from another machine
    model = [*(file_sha256(path) or "" for path in (checkpoint, checkpoint.parents[1] / "plans.json")), *options]
    digest = hashlib.sha256(json.dumps(model).encode()).hexdigest()
    records = {case: read_record(output / _RECORDS / f"{case}.json") for case in cases}
    foreign = [case for case in cases if (output / f"{case}.nii.gz").is_file() and not records[case]]
    if foreign:
        raise BadInputError(
            f"{output}: holds {len(foreign)} label maps that this command did not make ({foreign[0]}.nii.gz); they "
            "would be overwritten; give another folder with --output, or move them away"
        )
    kept = 0
    for case in cases:
        prediction, image = output / f"{case}.nii.gz", images / f"{case}{_IMAGE_ENDING}"
        state = image.stat()
        record = {"model": digest, "image": [str(image.resolve()), state.st_size, state.st_mtime_ns]}
        if records[case] == record and _is_whole(prediction):
            kept += 1
            continue
        prediction.unlink(missing_ok=True)
        if records[case] != record:
            write_json(output / _RECORDS / f"{case}.json", record)
    return kept


def require_predictions(images: Path, output: Path, *, part: tuple[int, int] = (0, 1)) -> None:
    """See that a prediction that has ended well left a whole label map of every case.

    On a full disk the writing of images fails without a word.
    """
    cases = cases_of_part(require_images(images), part)
    whole = sum(_is_whole(output / f"{case}.nii.gz") for case in cases)
    if whole < len(cases):
        require_room(output)
        raise WorkFailedError(
            f"{output}: {len(cases) - whole} of {len(cases)} predictions are missing or cut off; run the same command "
            "again, what is finished is kept"
        )


def require_room(output: Path) -> None:
    """Say so if the disk is full: nnU-Net's own words for it are of a worker that is gone."""
    if is_nearly_full(output):
        raise DiskFullError(
            f"{output}: the disk is full; free some space and run the same command again, finished predictions are kept"
        )


def _is_whole(prediction: Path) -> bool:
    return prediction.is_file() and file_damage(prediction) is None
