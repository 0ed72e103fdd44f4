"""The results of an evaluation, read back from its folder: the counts of every case, and no image."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_amt.base.files import read_record, require_folder
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import voxel_metrics
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, THRESHOLDS, threshold_index
from nnunet_amt.evaluation.results.csv_files import CASE_THRESHOLDS_COLUMNS
from nnunet_amt.evaluation.results.read_results import EvaluatedCase, read_cases

# What a lesion, and a false positive, is; the other settings of an evaluation do not touch its counts.
DEFINING_SETTINGS = ("connectivity", "minimum_predicted_voxels", "false_positive_rule")
READ_FILES = ("summary.json", "cases.csv", "lesions.csv", "case_thresholds.csv")
_AGAIN = "evaluate the predictions again with this version"

Rows = list[dict[str, str]]


@dataclass(frozen=True, eq=False)
class EvaluatedModel:
    """One model on the cases of a test set; all arrays are in the order of `case_ids`.

    Attributes
    ----------
    name
        For tables and figures.
    folder
        Results of ``evaluate``.
    settings
        Of that evaluation, as recorded in its summary.json.
    case_ids
        Sorted.
    voxel : numpy.ndarray of float, (cases, 4)
        Dice, IoU, precision and recall; NaN where undefined.
    reference_voxels : numpy.ndarray of int64, (cases,)
        Voxels of the reference.
    reference_ml
        Its volume, which differs if the spacing does.
    references : numpy.ndarray of int64, (cases,)
        Reference lesions.
    tumour_size
        Size class of each case.
    tp, fp : numpy.ndarray of int64, (cases, thresholds)
        Lesion counts at `THRESHOLDS`.
    lesions
        Case, number and voxels of each reference lesion.
    found : numpy.ndarray of bool, (lesions, 2)
        Whether each of them is matched, at `TABLE_THRESHOLDS`.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]
    case_ids: tuple[str, ...]
    voxel: np.ndarray
    reference_voxels: np.ndarray
    reference_ml: tuple[float, ...]
    references: np.ndarray
    tumour_size: tuple[str, ...]
    tp: np.ndarray
    fp: np.ndarray
    lesions: tuple[tuple[str, int, int], ...]
    found: np.ndarray

    @property
    def dice(self) -> np.ndarray:
        """Dice of each case; NaN where undefined."""
        dice: np.ndarray = self.voxel[:, 0]
        return dice


def read_evaluated_model(folder: Path, *, name: str) -> EvaluatedModel:
    """Read the results of ``nnunet_amt evaluate``.

    Parameters
    ----------
    folder
        Its output.
    name
        What to call the model.

    Raises
    ------
    BadInputError
        If the folder holds no such results, those of an older version, or files that do not belong together.
    """
    require_folder(folder, "give a folder that nnunet_amt evaluate wrote")
    settings = _settings(folder)
    try:
        return _model(folder, name, settings)
    except (KeyError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise BadInputError(f"{folder}: its files were not left as evaluate wrote them ({reason}); {_AGAIN}") from error


def _settings(folder: Path) -> Mapping[str, Any]:
    summary = read_record(folder / "summary.json")
    settings = summary.get("settings")
    if not isinstance(settings, dict) or any(name not in settings for name in DEFINING_SETTINGS):
        raise BadInputError(f"{folder}: no results of nnunet_amt evaluate (summary.json is missing or broken)")
    if summary.get("triage"):  # nobody has looked at the other model's false positives in the same way
        raise BadInputError(f"{folder}: was evaluated with --triage; evaluate again without it to compare")
    return settings


def _model(folder: Path, name: str, settings: Mapping[str, Any]) -> EvaluatedModel:
    cases = sorted(read_cases(folder), key=lambda case: case.case_id)
    case_ids = tuple(case.case_id for case in cases)
    if not cases or len(set(case_ids)) < len(case_ids):
        raise ValueError("cases.csv is empty, or holds a case twice")
    lesions = sorted(
        (row for row in _rows(folder / "lesions.csv") if row["source"] == "reference"),
        key=lambda row: (row["case_id"], int(row["lesion"])),
    )
    found = [[bool(row[f"matched_partner_{t:g}"]) for t in TABLE_THRESHOLDS] for row in lesions]
    tp, fp = _threshold_counts(_rows(folder / "case_thresholds.csv"), case_ids)
    model = EvaluatedModel(
        name=name,
        folder=folder,
        settings=settings,
        case_ids=case_ids,
        voxel=np.array([_voxel_row(case) for case in cases]),
        reference_voxels=np.array([case.tp + case.fn for case in cases]),
        reference_ml=tuple(case.reference_ml for case in cases),
        references=np.array([case.reference_lesions for case in cases]),
        tumour_size=tuple(case.tumour_size for case in cases),
        tp=tp,
        fp=fp,
        lesions=tuple((row["case_id"], int(row["lesion"]), int(row["voxels"])) for row in lesions),
        found=np.array(found, dtype=bool).reshape(len(lesions), len(TABLE_THRESHOLDS)),
    )
    _check_whole(model)
    return model


def _rows(path: Path) -> Rows:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, strict=True))
    except FileNotFoundError as error:
        raise BadInputError(f"{path.parent}: has no {path.name}, as results of older versions; {_AGAIN}") from error
    except (OSError, csv.Error) as error:
        raise BadInputError(f"{path}: cannot be read ({error}); {_AGAIN}") from error


def _threshold_counts(rows: Rows, case_ids: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Give true and false positives, (cases, thresholds)."""
    if set(rows[0] if rows else ()) != set(CASE_THRESHOLDS_COLUMNS):
        raise ValueError("case_thresholds.csv has other columns")
    place = {case_id: i for i, case_id in enumerate(case_ids)}
    counts = np.full((2, len(case_ids), len(THRESHOLDS)), -1, dtype=np.int64)
    for row in rows:
        at = place[row["case_id"]], threshold_index(float(row["threshold"]))
        counts[:, at[0], at[1]] = int(row["tp"]), int(row["fp"])
    if (counts < 0).any():
        raise ValueError("case_thresholds.csv lacks a case or a threshold")
    return counts[0], counts[1]


def _voxel_row(case: EvaluatedCase) -> list[float]:
    metrics = voxel_metrics(case.tp, case.fp, case.fn)
    return [np.nan if value is None else value for value in vars(metrics).values()]


def _check_whole(model: EvaluatedModel) -> None:
    """Refuse files of different runs, put together by hand."""
    at = [threshold_index(t) for t in TABLE_THRESHOLDS]
    agree = (
        len(model.lesions) == model.references.sum() and (model.found.sum(axis=0) == model.tp[:, at].sum(axis=0)).all()
    )
    if not agree:
        raise ValueError("lesions.csv and the other files tell of different lesions")
