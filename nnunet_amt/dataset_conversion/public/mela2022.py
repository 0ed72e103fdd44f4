"""MELA 2022: CT of mediastinal lesions with boxes.

Layout: one NIfTI file a case, named by its ``public_id`` (``mela_0001.nii.gz``), and CSV files of boxes, such as
``mela_train_val_annotations.csv``. The challenge gives no masks: the labels are made of the boxes, and say so.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import numbered_rows, row_texts
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.cohort import Split
from nnunet_amt.dataset_conversion.public.public_cohort import (
    PublicCase,
    as_case_id,
    is_up_to_date,
    reported,
    visible_files,
    write_label_file,
    write_public_manifest,
)
from nnunet_amt.errors import ManifestError
from nnunet_amt.images.image_file import open_image_file

BOX_COLUMNS = ("public_id", "coordX", "coordY", "coordZ", "x_length", "y_length", "z_length")
# What models submit has the same columns and this one.
_PREDICTED = "probability"
Shape = Literal["box", "ellipsoid"]
_ORIGINS = {
    "box": "Labels are filled boxes around the lesions, not their outlines: MELA 2022 gives boxes only.",
    "ellipsoid": "Labels are ellipsoids that fill the lesions' boxes, not their outlines: MELA 2022 gives boxes only.",
}


@dataclass(frozen=True)
class Box:
    """A lesion's box in voxel indices of its file, (x, y, z): its centre and its full edge lengths."""

    centre: tuple[float, float, float]
    length: tuple[float, float, float]
    line: int


def write_manifest(
    source: Path,
    output: Path,
    *,
    boxes: Path | None = None,
    shape: Shape = "box",
    institution: str = "MELA2022",
    split: Split | None = None,
    progress: Progress = silent,
) -> Path:
    """Turn the boxes into label files and write the manifest.

    Parameters
    ----------
    source
        Folder of the challenge; the NIfTI files may lie in subfolders.
    output
        The manifest; the label files go to a folder beside it.
    boxes
        CSV file with `BOX_COLUMNS`; by default all such files in `source`.
    shape
        What the lesions are taken for: the whole box, or the ellipsoid that touches its faces.
    institution, split
        Of all cases.

    Raises
    ------
    ManifestError
        If a box is wrong (file and line are named), or there are none.
    ImageReadError
        If the header of a CT cannot be read.
    """
    folder = output.parent / f"{output.stem}_{'boxes' if shape == 'box' else 'ellipsoids'}"
    tables = [boxes] if boxes else _tables(source)
    lesions: dict[str, list[Box]] = defaultdict(list)
    for table in tables:
        _read_boxes(table, lesions)
    made = folder.resolve()
    images = {
        path.name.removesuffix(".gz").removesuffix(".nii"): path
        for path in visible_files(source, "*.nii*")
        if made not in path.resolve().parents
    }
    if missing := sorted(lesions.keys() - images.keys()):
        raise ManifestError(
            f"{source.name}: holds no CT of {missing[0]!r}, which has boxes (and {len(missing) - 1} more such cases); "
            "unpack all of the images"
        )
    cases = []
    for public_id, image in reported(sorted(images.items()), progress, "making label files"):
        case_id = as_case_id(public_id)
        if public_id not in lesions:
            cases.append(PublicCase(case_id, public_id, exclusion_reason="no box"))
            continue
        label = folder / f"{case_id}.nii.gz"
        if not is_up_to_date(label, image, *tables):
            _write_label(label, image, lesions[public_id], shape, public_id)
        cases.append(PublicCase(case_id, public_id, image, label))
    notes = {"label_origin": _ORIGINS[shape], "cohort_reference": "MELA 2022, https://mela.grand-challenge.org"}
    return write_public_manifest(output, cases=cases, institution=institution, split=split, notes=notes)


def filled(boxes: list[Box], size: tuple[int, ...], *, shape: Shape) -> NDArray[np.uint8]:
    """Fill boxes, or the ellipsoids in them; a voxel belongs to it if its centre does.

    Parameters
    ----------
    boxes
        In voxel indices.
    size
        Of the CT, (x, y, z).
    shape
        ``"box"``: from half a length below the centre (included) to half a length above it (not included), so that a
        box of four voxels is four voxels wide. ``"ellipsoid"``: half axes of half a length.

    Returns
    -------
    numpy.ndarray
        (z, y, x), 0 and 1.
    """
    labels = np.zeros(size[::-1], np.uint8)  # (z, y, x)
    for box in boxes:
        # from the centre in half lengths, one array an axis
        x, y, z = (
            (np.arange(count) - centre) / (length / 2)
            for count, centre, length in zip(size, box.centre, box.length, strict=True)
        )
        if shape == "box":
            inside_x, inside_y, inside_z = ((axis >= -1) & (axis < 1) for axis in (x, y, z))
            labels |= inside_z[:, None, None] & inside_y[:, None] & inside_x
        else:
            labels |= z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= 1
    return labels


def _tables(source: Path) -> list[Path]:
    headers = {path: _header(path) for path in visible_files(source, "*.csv")}
    found = [
        path
        for path, names in headers.items()
        if names[: len(BOX_COLUMNS)] == list(BOX_COLUMNS) and _PREDICTED not in names
    ]
    if not found:
        raise ManifestError(f"{source.name}: holds no CSV file with the columns {','.join(BOX_COLUMNS)}; name the file")
    return found


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            return [name.strip() for name in next(csv.reader(file), [])]
        except csv.Error:  # another table's
            return []


def _read_boxes(path: Path, by_case: dict[str, list[Box]]) -> None:
    """Add a table's boxes to those of their cases."""
    header = _header(path)
    if missing := [name for name in BOX_COLUMNS if name not in header]:
        raise ManifestError(
            f"{path.name} line 1, column {missing[0]!r}: is missing; it must have {','.join(BOX_COLUMNS)}"
        )
    rows = numbered_rows(path, "the table of the boxes")
    next(rows)
    for line, cells in rows:
        row = row_texts(path, line, columns=header, cells=cells)
        x, y, z, *lengths = (_number(path, line, name, row[name]) for name in BOX_COLUMNS[1:])
        for name, value in zip(BOX_COLUMNS[4:], lengths, strict=True):
            if value <= 0:
                raise ManifestError(f"{path.name} line {line}, column {name!r}: must be above 0 (got {value:g})")
        by_case[row["public_id"]].append(Box((x, y, z), (lengths[0], lengths[1], lengths[2]), line))


def _number(path: Path, line: int, column: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ManifestError(f"{path.name} line {line}, column {column!r}: must be a number of voxels (got {text!r})")
    return value


def _write_label(label: Path, image: Path, boxes: list[Box], shape: Shape, public_id: str) -> None:
    geometry = open_image_file(image).stored  # boxes are in indices of the file, before any axis is turned
    for box in boxes:
        if not filled([box], geometry.size, shape=shape).any():
            raise ManifestError(
                f"line {box.line} of the boxes: the {shape} of {public_id!r} covers no voxel of its CT, whose size is "
                f"{geometry.size}; coordinates must be voxel indices (x, y, z)"
            )
    write_label_file(label, filled(boxes, geometry.size, shape=shape), geometry=geometry)
