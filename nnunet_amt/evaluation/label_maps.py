"""Pairs of label maps: found by name, compared by header, read as the voxels of the tumour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunet_amt.errors import (
    BadInputError,
    GeometryMismatchError,
    ImageReadError,
    LabelValueError,
    UnmatchedCasesError,
)
from nnunet_amt.evaluation.foreground import Foreground
from nnunet_amt.geometry import GEOMETRY_TOLERANCE, Geometry, geometry_difference
from nnunet_amt.image_integrity import file_damage, header_damage, stated_checksum
from nnunet_amt.progress import Progress, silent

__all__ = ["LABEL_MAP_ENDINGS", "LabelMapPair", "check_headers", "find_pairs", "named_cases", "read_foreground"]

LABEL_MAP_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
_NAMED_AT_MOST = 3


@dataclass(frozen=True)
class LabelMapPair:
    """The predicted and the reference label map of one case."""

    case_id: str
    prediction: Path
    reference: Path


def find_pairs(predictions: Path, references: Path) -> tuple[LabelMapPair, ...]:
    """Pair the label maps of two folders by case id, which is the file name without its ending.

    Whatever else lies in a prediction folder of nnU-Net (JSON, ``.npz``, ``.pkl``) is passed over.

    Returns
    -------
    tuple of LabelMapPair
        In the order of the case ids.

    Raises
    ------
    BadInputError
        If a folder does not exist, or holds one case twice.
    UnmatchedCasesError
        If a folder holds no label map, or a case stands in one folder only.
    """
    predicted, referenced = _label_maps(predictions), _label_maps(references)
    missing = sorted(referenced.keys() - predicted.keys())
    extra = sorted(predicted.keys() - referenced.keys())
    complaints = []
    if missing:
        complaints.append(f"no prediction for {named_cases(missing)} of {references}")
    if extra:
        complaints.append(f"no reference for {named_cases(extra)} of {predictions}")
    if complaints:
        rule = "every case needs one label map in both folders, named <case id> + one of "
        raise UnmatchedCasesError(f"{' and '.join(complaints)}; {rule}{', '.join(LABEL_MAP_ENDINGS)}")
    return tuple(LabelMapPair(name, predicted[name], referenced[name]) for name in sorted(referenced))


def named_cases(case_ids: Sequence[str]) -> str:
    """Name up to three cases and count them, for a message: ``5 cases (a, b, c, ...)``."""
    names = ", ".join(case_ids[:_NAMED_AT_MOST])
    ellipsis = ", ..." if len(case_ids) > _NAMED_AT_MOST else ""
    return f"{len(case_ids)} case{'s' if len(case_ids) > 1 else ''} ({names}{ellipsis})"


def check_headers(pairs: Sequence[LabelMapPair], report: Progress = silent) -> None:
    """Read every header, before any voxel, and refuse pairs that do not lie on one grid.

    Raises
    ------
    ImageReadError
        If a file is no image, or not a three-dimensional one with a single value a voxel.
    GeometryMismatchError
        If size, spacing, origin or direction of a pair differ by more than 0.001.
    """
    mismatches: list[str] = []
    for done, pair in enumerate(pairs, start=1):
        difference = geometry_difference(_read_geometry(pair.prediction), _read_geometry(pair.reference))
        if difference is not None:
            mismatches.append(
                f"case {pair.case_id}: {pair.prediction} against {pair.reference}: {difference} "
                f"(x, y, z; tolerance {GEOMETRY_TOLERANCE:g})"
            )
        report(done, len(pairs), "checking headers")
    if mismatches:
        others = f"; {len(mismatches) - 1} more cases differ" if len(mismatches) > 1 else ""
        advice = "predictions must be made on the grid of their reference"
        raise GeometryMismatchError(f"{mismatches[0]}{others}; {advice}")


def read_foreground(path: Path, case_id: str) -> Foreground:
    """Read a label map and keep what is tumour.

    Raises
    ------
    ImageReadError
        If the voxels cannot be read, the file is damaged, or a voxel is NaN or infinite.
    LabelValueError
        If a voxel is neither 0 nor 1.
    """
    try:
        checksum = stated_checksum(path)
        damage = file_damage(path) if checksum is None else None
        if damage is None:
            image = sitk.ReadImage(str(path))
            voxels = sitk.GetArrayViewFromImage(image)  # (z, y, x), no copy
            if checksum is not None and not checksum.fits(voxels):
                damage = file_damage(path)
    except (RuntimeError, OSError) as error:
        raise ImageReadError(_unreadable(path, case_id, _first_cause(error))) from error
    if damage is not None:
        raise ImageReadError(f"{path}: case {case_id}: {damage}")
    _check_labels(voxels, path, case_id)
    return Foreground.of(voxels, image.GetSpacing())


def _label_maps(folder: Path) -> dict[str, Path]:
    try:
        if not folder.is_dir():
            raise BadInputError(f"{folder}: no such folder; give the folder that holds the label maps")
        paths = [path for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError as error:
        raise BadInputError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    found: dict[str, Path] = {}
    for path in paths:
        ending = next((ending for ending in LABEL_MAP_ENDINGS if path.name.endswith(ending)), None)
        if ending is None or path.name.startswith("."):
            continue
        case_id = path.name[: -len(ending)]
        if case_id in found:
            raise BadInputError(
                f"{folder}: case {case_id} stands there twice, as {found[case_id].name} and {path.name}"
            )
        found[case_id] = path
    if not found:
        raise UnmatchedCasesError(f"{folder}: no label map found; their names end with {', '.join(LABEL_MAP_ENDINGS)}")
    return found


def _read_geometry(path: Path) -> Geometry:
    try:
        path.open("rb").close()
    except OSError as error:  # SimpleITK says of a file without permission that it does not exist
        raise ImageReadError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    if damage := header_damage(path):
        raise ImageReadError(f"{path}: {damage}")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise ImageReadError(f"{path}: cannot be read as an image ({_first_cause(error)}); export it again") from error
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
        found = f"{reader.GetDimension()} dimensions and {reader.GetNumberOfComponents()} values a voxel"
        raise ImageReadError(f"{path}: has {found}; a label map has 3 dimensions and 1 value a voxel")
    if min(reader.GetSpacing()) <= 0:
        raise ImageReadError(f"{path}: has the spacing {reader.GetSpacing()}; all three must be above 0 mm")
    return Geometry.of(reader)


def _check_labels(voxels: np.ndarray, path: Path, case_id: str) -> None:
    if voxels.dtype.kind in "ui":
        good = int(voxels.min()) >= 0 and int(voxels.max()) <= 1
    else:
        good = bool(np.all((voxels == 0) | (voxels == 1)))
    if good:
        return
    values = np.unique(voxels)
    shown = _shown_values(values.tolist())
    advice = "write the tumour as 1 and everything else as 0"
    if set(values.tolist()) <= {0, 255}:
        advice = "divide it by 255"
    elif not np.isfinite(values).all():
        advice = "NaN and infinity are no labels; " + advice
    elif np.any(np.floor(values) != values):
        advice = "these are no labels but probabilities or resampled values: threshold them first"
    raise LabelValueError(f"{path}: case {case_id}: holds the values {shown}; a mask holds 0 and 1 only; {advice}")


def _shown_values(values: Sequence[float]) -> str:
    shown: Iterable[float] = values if len(values) <= 5 else [*values[:3], values[-1]]
    texts = [f"{value:.6g}" for value in shown]
    return ", ".join(texts) if len(values) <= 5 else f"{', '.join(texts[:3])} ... {texts[-1]} ({len(values)} of them)"


def _unreadable(path: Path, case_id: str, cause: str) -> str:
    return f"{path}: case {case_id}: cannot be read: {cause}; copy or export the file again"


def _first_cause(error: Exception) -> str:
    """Condense ITK's message of many lines to the last that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("sitk::ERROR: ") if lines else type(error).__name__
