"""A folder of predictions that is filled in several runs, or by several machines at once.

A record beside the predictions, a file a case, says which model and image a prediction is of. A case belongs to one
part of a divided prediction only, so that no part writes, reads or removes what is another's.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import is_nearly_full, read_record, require_folder, why_unreadable, write_json
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import BadInputError, DiskFullError, WorkFailedError
from nnunet_amt.images.image_file import IMAGE_FILE_ENDINGS
from nnunet_amt.images.integrity import file_damage
from nnunet_amt.images.probability_file import RECORDS, probability_file

Record = dict[str, Any]

_IMAGE_ENDING = "_0000.nii.gz"
_CASE_NAME = re.compile(r".+_0000\.nii\.gz", re.DOTALL)
_CHANNEL = re.compile(r"_(\d{4})\.nii\.gz$")
_KNOWN_ENDINGS = (*IMAGE_FILE_ENDINGS, ".dcm", ".ima", ".zip", ".hdr", ".img")


def image_name(case: str) -> str:
    """Give the name that the image of a case must have."""
    return f"{case}{_IMAGE_ENDING}"


def require_images(folder: Path) -> list[str]:
    """List the cases of a folder of images for nnU-Net, all of which must be named ``<case>_0000.nii.gz``.

    Hidden files, folders and what is no image do not count; see `left_out`.
    """
    require_folder(folder, "give a folder of images with --input")
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir())
    cases = [name.removesuffix(_IMAGE_ENDING) for name in names if _CASE_NAME.fullmatch(name)]
    if not cases:
        # counted by their endings: names may be those of patients
        counts = Counter(_ending(name) for name in names)
        found = ", ".join(f"{count} {ending}" for ending, count in counts.most_common(3)) or "no files"
        raise BadInputError(
            f"{folder}: holds no image named <case>{_IMAGE_ENDING}, nnU-Net takes no other names (there are: {found}); "
            "rename or convert the images"
        )
    complaints = [f"{name} ({why})" for name in names if (why := _complaint(folder / name))] + _twins(cases)
    if complaints:
        more = f" and {len(complaints) - 5} more" if len(complaints) > 5 else ""
        raise BadInputError(
            f"{folder}: holds {', '.join(complaints[:5])}{more}; nnU-Net takes one file a case, named "
            f"<case>{_IMAGE_ENDING}; rename or convert the images, or take them away"
        )
    return cases


def _complaint(path: Path) -> str | None:
    """Say why a file cannot be predicted by its name, or because it is not there; None for others than images."""
    name = path.name
    if _CASE_NAME.fullmatch(name):
        return why_unreadable(path)
    if name == _IMAGE_ENDING:
        return "no case before _0000"
    if _CASE_NAME.fullmatch(name.lower()):
        return f"{_IMAGE_ENDING} must be in small letters"
    if channel := _CHANNEL.search(name):
        return f"channel {channel[1]}: the model takes one, _0000"
    if name.endswith(".nii.gz"):
        return "no _0000"
    return None if _ending(name) == "other" else f"not {_IMAGE_ENDING}"


def _twins(cases: Sequence[str]) -> list[str]:
    """Name the cases that some disks take for another one: the same but for capitals or how letters are encoded."""
    first: dict[str, str] = {}
    names = ((case, first.setdefault(unicodedata.normalize("NFKC", case).casefold(), case)) for case in cases)
    return [
        f"{image_name(case)} (the same name as {image_name(other)} to some disks)"
        for case, other in names
        if case != other
    ]


def _ending(name: str) -> str:
    return next((ending for ending in _KNOWN_ENDINGS if name.lower().endswith(ending)), "other")


def left_out(folder: Path) -> str | None:
    """Say what in a folder of images will not be predicted; None if nothing is left out."""
    kinds = Counter(
        "hidden file" if path.name.startswith(".") else "folder" if path.is_dir() else "other file"
        for path in folder.iterdir()
        if path.name.startswith(".") or path.is_dir() or _ending(path.name) == "other"
    )
    return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(kinds.items())) or None


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

    See `unfinished_predictions` for what does; everything else that nnU-Net would take for finished is removed.
    """
    unfinished = unfinished_predictions(images, output, checkpoint, options=options, part=part)
    begin_predictions(output, unfinished)
    return len(cases_of_part(require_images(images), part)) - len(unfinished)


def unfinished_predictions(
    images: Path,
    output: Path,
    checkpoint: Path,
    *,
    options: Sequence[str] = (),
    npz: bool = False,
    probabilities: bool = False,
    point: Mapping[str, str] | None = None,
    part: tuple[int, int] = (0, 1),
    chosen: Sequence[str] | None = None,
) -> dict[str, Record]:
    """Find the cases that are still to be predicted, each with the record of what its prediction will be of.

    The others are finished: of this model, these options and these images.

    Parameters
    ----------
    images, output
        Folders of ``<case>_0000.nii.gz`` and ``<case>.nii.gz``.
    checkpoint
        In its fold's folder, with the model's ``plans.json`` one up.
    options
        Further options that change the predictions.
    npz, probabilities
        Whether a case is finished only with nnU-Net's ``<case>.npz``, or with its `probability_file`.
    point
        Of the operating point that makes the label maps, see `point_record`; None for the argmax.
    part
        Only the cases of this part are looked at; see `cases_of_part`.
    chosen
        Only these cases, instead of a part.

    Raises
    ------
    BadInputError
        If the folder holds label maps of these cases that were not made by this command: references, or predictions
        of plain nnU-Net.
    """
    cases = cases_of_part(require_images(images), part) if chosen is None else list(chosen)
    require_output(output, images)
    # by content: training again rewrites these files, and a model may come from another machine
    model = [*(file_sha256(path) or "" for path in (checkpoint, checkpoint.parents[1] / "plans.json")), *options]
    digest = hashlib.sha256(json.dumps(model).encode()).hexdigest()
    found = {case: read_record(_record_file(output, case)) for case in cases}
    foreign = [case for case in cases if (output / f"{case}.nii.gz").is_file() and not found[case]]
    if foreign:
        raise BadInputError(
            f"{output}: holds {len(foreign)} label maps that this command did not make ({foreign[0]}.nii.gz); they "
            "would be overwritten; give another folder with --output, or move them away"
        )
    unfinished = {}
    for case in cases:
        image = images / image_name(case)
        state = image.stat()
        record: Record = {"model": digest, "image": [str(image.resolve()), state.st_size, state.st_mtime_ns]}
        if point is not None:
            record["operating_point"] = dict(point)
        whole = _is_whole(output / f"{case}.nii.gz") and (not npz or (output / f"{case}.npz").is_file())
        whole = whole and (not probabilities or _is_whole(probability_file(output, case)))
        if found[case] != record or not whole:
            unfinished[case] = record
    return unfinished


def with_saved_probabilities(output: Path, unfinished: Mapping[str, Record]) -> list[str]:
    """Name the unfinished cases whose saved probabilities are of the same model and image: no network is needed."""
    saved = []
    for case, record in unfinished.items():
        found = read_record(_record_file(output, case))
        same = all(found.get(key) == record[key] for key in ("model", "image"))
        if same and _is_whole(probability_file(output, case)):
            saved.append(case)
    return saved


def begin_predictions(output: Path, unfinished: Mapping[str, Record], *, saved: Sequence[str] = ()) -> None:
    """Remove what would be taken for finished, or for the new one's, and write what each prediction will be of.

    The probabilities of the cases in `saved` stay. All label maps go before the first comes, so that those of two
    operating points never stand together.
    """
    for case, record in unfinished.items():
        for old in (output / f"{case}.nii.gz", output / f"{case}.npz"):
            old.unlink(missing_ok=True)
        if case not in saved:
            probability_file(output, case).unlink(missing_ok=True)
        write_json(_record_file(output, case), record)


def _record_file(output: Path, case: str) -> Path:
    return output / RECORDS / f"{case}.json"


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
