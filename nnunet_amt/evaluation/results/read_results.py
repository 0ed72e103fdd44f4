"""What an evaluation and a failure analysis wrote, read back: a record a case, a reader's decisions, whole models."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nnunet_amt.base.files import read_record, read_rows, require_folder
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import voxel_metrics
from nnunet_amt.evaluation.measure.features import FEATURES
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, THRESHOLDS, threshold_index
from nnunet_amt.evaluation.results.csv_files import CASE_THRESHOLDS_COLUMNS
from nnunet_amt.evaluation.settings import FalsePositiveRule
from nnunet_amt.evaluation.summary.summary import SpecificitySummary, specificity_of

# What a lesion, and a false positive, is; the other settings of an evaluation do not touch its counts.
DEFINING_SETTINGS = ("connectivity", "minimum_predicted_voxels", "false_positive_rule")
READ_FILES = ("summary.json", "cases.csv", "lesions.csv", "case_thresholds.csv")  # of `read_evaluated_model`
_AGAIN = "evaluate the predictions again with this version"
_LARGEST_COUNT = 10**12
Value = TypeVar("Value")


@dataclass(frozen=True)
class FalsePositiveLesion:
    """A predicted lesion that counts as a false positive at IoU > 0.1, and whether it touches a reference lesion."""

    lesion: int  # number within the case, from 1, as in lesions.csv
    voxels: int
    volume_cm3: float
    overlaps: bool


@dataclass(frozen=True, kw_only=True)
class EvaluatedCase:
    """A row of cases.csv; where asked for, with the false positives of lesions.csv.

    Attributes
    ----------
    tp, fp, fn
        Voxels in both masks, in the prediction only, in the reference only.
    dice, iou, precision, recall
        None where undefined.
    reference_lesions
        Their number.
    found_01, found_05
        Reference lesions with a partner at IoU > 0.1 and > 0.5.
    reference_cm3, prediction_cm3
        Volumes of both masks.
    size_mm
        Largest axial diameter of the largest reference lesion; None without a lesion.
    tumour_size
        ``small``, ``medium``, ``large`` or ``no lesion``.
    false_positives
        At IoU > 0.1, largest first, without those that a reader accepted.
    """

    case_id: str
    tp: int
    fp: int
    fn: int
    dice: float | None
    iou: float | None = None
    precision: float | None = None
    recall: float | None = None
    reference_lesions: int
    found_01: int
    found_05: int
    reference_cm3: float
    prediction_cm3: float
    size_mm: float | None
    tumour_size: str = ""
    false_positives: tuple[FalsePositiveLesion, ...] = ()


@dataclass(frozen=True)
class FailedCase:
    """A row of failure_cases.csv with the distances of false_positives.csv.

    They are the defined features of the reference by their names, and how far each false positive, by its lesion
    number, is from the nearest reference lesion.
    """

    features: Mapping[str, float] = field(default_factory=dict)
    distances_mm: Mapping[int, float] = field(default_factory=dict)


def read_cases(folder: Path, *, false_positives: FalsePositiveRule | None = None) -> tuple[EvaluatedCase, ...]:
    """Read every case of an evaluation, in the order of cases.csv.

    Parameters
    ----------
    folder
        Results of ``nnunet_amt evaluate``.
    false_positives
        The rule by which lesions.csv is read for them too, see `EvaluationSettings`; None leaves them out.

    Raises
    ------
    BadInputError
        If a file is missing or broken.
    """
    lost: dict[str, list[FalsePositiveLesion]] = {}

    def take_lesion(row: Mapping[str, str]) -> None:
        if row["source"] != "prediction" or row["matched_partner_0.1"] or row.get("triage") == "accept":
            return
        overlaps = _value(row["best_iou"]) > 0.0
        lesion = FalsePositiveLesion(_count(row["lesion"]), _count(row["voxels"]), _value(row["volume_cm3"]), overlaps)
        if not (overlaps and false_positives == "no_overlap"):
            lost.setdefault(row["case_id"], []).append(lesion)

    def take_case(row: Mapping[str, str]) -> EvaluatedCase:
        return _case(row, sorted(lost.get(row["case_id"], ()), key=lambda lesion: (-lesion.voxels, lesion.lesion)))

    if false_positives is not None:
        _taken(folder / "lesions.csv", take_lesion, "evaluate")
    cases = tuple(_taken(folder / "cases.csv", take_case, "evaluate"))
    if not cases or len({case.case_id for case in cases}) < len(cases):
        raise BadInputError(f"{folder / 'cases.csv'}: is empty, or holds a case twice; run nnunet_amt evaluate again")
    return cases


def worst_first(case: EvaluatedCase) -> tuple[bool, float, float, str]:
    """Key to sort cases by: the lowest Dice first, of equal ones the larger tumour, undefined Dice last."""
    return case.dice is None, case.dice or 0.0, -case.reference_cm3, case.case_id


def read_failed_cases(failures: Path | None) -> dict[str, FailedCase]:
    """Read what a failure analysis found of every case; empty if there is no analysis.

    Raises
    ------
    BadInputError
        If a file is missing or broken.
    """
    if failures is None:
        return {}
    distances: dict[str, dict[int, float]] = {}

    def take_distance(row: Mapping[str, str]) -> None:
        case_id, lesion, distance = row["case_id"], _count(row["lesion"]), _number(row["distance_mm"])
        if distance is not None:
            distances.setdefault(case_id, {})[lesion] = distance

    def failed(row: Mapping[str, str]) -> tuple[str, FailedCase]:
        case_id = row["case_id"]
        features = {feature.name: _value(row[feature.name]) for feature in FEATURES if row.get(feature.name)}
        return case_id, FailedCase(features, distances.get(case_id, {}))

    _taken(failures / "false_positives.csv", take_distance, "failures")
    return dict(_taken(failures / "failure_cases.csv", failed, "failures"))


def read_decisions(folder: Path) -> dict[tuple[str, int], str]:
    """Read what a reader decided before an evaluation, if it was one with ``--triage``, by case id and lesion number.

    Raises
    ------
    BadInputError
        If lesions.csv is missing or broken.
    """
    path = folder / "lesions.csv"
    decided = _taken(path, lambda row: (row["case_id"], _count(row["lesion"]), row.get("triage", "")), "evaluate")
    return {(case_id, lesion): decision for case_id, lesion, decision in decided if decision}


def _case(row: Mapping[str, str], false_positives: Sequence[FalsePositiveLesion]) -> EvaluatedCase:
    return EvaluatedCase(
        case_id=row["case_id"],
        tp=_count(row["tp"]),
        fp=_count(row["fp"]),
        fn=_count(row["fn"]),
        dice=_number(row["dice"]),
        iou=_number(row["iou"]),
        precision=_number(row["precision"]),
        recall=_number(row["recall"]),
        reference_lesions=_count(row["reference_lesions"]),
        found_01=_count(row["lesion_tp_0.1"]),
        found_05=_count(row["lesion_tp_0.5"]),
        reference_cm3=_value(row["reference_cm3"]),
        prediction_cm3=_value(row["prediction_cm3"]),
        size_mm=_number(row["size_mm"]),
        tumour_size=row["tumour_size"],
        false_positives=tuple(false_positives),
    )


def _number(text: str) -> float | None:
    return _value(text) if text else None


def _value(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no number")
    return value


def _count(text: str) -> int:
    """Read a whole number that 0 and the voxels of a CT lie around."""
    count = int(text)
    if not 0 <= count <= _LARGEST_COUNT:
        raise ValueError(f"{text!r} is no count")
    return count


def _taken(path: Path, take: Callable[[Mapping[str, str]], Value], command: str) -> list[Value]:
    """Take every row of a CSV file that a command of ours wrote."""
    try:
        return [take(row) for row in read_rows(path)]
    except (KeyError, ValueError) as error:
        reason = f"no column {error}" if isinstance(error, KeyError) else error
        advice = f"run nnunet_amt {command} again"
        raise BadInputError(f"{path}: is not what {command} writes ({reason}); {advice}") from error


@dataclass(frozen=True, eq=False)
class EvaluatedModel:
    """One model on the cases of a test set; all arrays are in the order of `case_ids`.

    Attributes
    ----------
    folder, settings
        Of the evaluation, as recorded in its summary.json.
    case_ids
        Sorted.
    voxel : numpy.ndarray of float, (cases, 4)
        Dice, IoU, precision and recall; NaN where undefined.
    reference_voxels : numpy.ndarray of int64, (cases,)
        Voxels of the reference.
    reference_cm3
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
    subjects
        Of what the cases are; None if that is not recorded.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]
    case_ids: tuple[str, ...]
    voxel: np.ndarray
    reference_voxels: np.ndarray
    reference_cm3: tuple[float, ...]
    references: np.ndarray
    tumour_size: tuple[str, ...]
    tp: np.ndarray
    fp: np.ndarray
    lesions: tuple[tuple[str, int, int], ...]
    found: np.ndarray
    subjects: str | None = None

    @property
    def dice(self) -> np.ndarray:
        """Dice of each case; NaN where undefined."""
        dice: np.ndarray = self.voxel[:, 0]
        return dice

    @property
    def specificity(self) -> SpecificitySummary | None:
        """By scan, of the cases without a tumour; None where every case has one."""
        return specificity_of(self.fp[self.references == 0, 0].tolist())


def read_evaluated_model(folder: Path, *, name: str) -> EvaluatedModel:
    """Read the results of ``nnunet_amt evaluate`` in `folder`, of a model called `name` in tables and figures.

    Raises
    ------
    BadInputError
        If the folder holds no such results, those of an older version, or files that do not belong together.
    """
    require_folder(folder, "give a folder that nnunet_amt evaluate wrote")
    summary = read_record(folder / "summary.json")
    settings = summary.get("settings")
    if not isinstance(settings, dict) or any(key not in settings for key in DEFINING_SETTINGS):
        raise BadInputError(f"{folder}: no results of nnunet_amt evaluate (summary.json is missing or broken)")
    if summary.get("triage"):  # nobody has looked at the other model's false positives in the same way
        raise BadInputError(f"{folder}: was evaluated with --triage; evaluate again without it to compare")
    try:
        said = summary.get("subjects")
        return replace(_model(folder, name, settings), subjects=said if isinstance(said, str) else None)
    except (KeyError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise BadInputError(f"{folder}: its files were not left as evaluate wrote them ({reason}); {_AGAIN}") from error


def _model(folder: Path, name: str, settings: Mapping[str, Any]) -> EvaluatedModel:
    cases = sorted(read_cases(folder), key=lambda case: case.case_id)
    case_ids = tuple(case.case_id for case in cases)
    lesions = sorted(
        (row for row in _rows(folder / "lesions.csv") if row["source"] == "reference"),
        key=lambda row: (row["case_id"], _count(row["lesion"])),
    )
    found = [[bool(row[f"matched_partner_{t:g}"]) for t in TABLE_THRESHOLDS] for row in lesions]
    tp, fp = _threshold_counts(_rows(folder / "case_thresholds.csv"), case_ids)
    voxel = [voxel_metrics(case.tp, case.fp, case.fn) for case in cases]
    model = EvaluatedModel(
        name=name,
        folder=folder,
        settings=settings,
        case_ids=case_ids,
        voxel=np.array([list(vars(metrics).values()) for metrics in voxel], dtype=float),  # None becomes NaN
        reference_voxels=np.array([case.tp + case.fn for case in cases]),
        reference_cm3=tuple(case.reference_cm3 for case in cases),
        references=np.array([case.reference_lesions for case in cases]),
        tumour_size=tuple(case.tumour_size for case in cases),
        tp=tp,
        fp=fp,
        lesions=tuple((row["case_id"], _count(row["lesion"]), _count(row["voxels"])) for row in lesions),
        found=np.array(found, dtype=bool).reshape(len(lesions), len(TABLE_THRESHOLDS)),
    )
    at = [threshold_index(t) for t in TABLE_THRESHOLDS]
    found_as_often = (model.found.sum(axis=0) == model.tp[:, at].sum(axis=0)).all()
    if len(model.lesions) != model.references.sum() or not found_as_often:  # files of different runs, put together
        raise ValueError("lesions.csv and the other files tell of different lesions")
    return model


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise BadInputError(f"{path.parent}: has no {path.name}, as results of older versions; {_AGAIN}")
    return read_rows(path)


def _threshold_counts(rows: list[dict[str, str]], case_ids: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Give true and false positives, (cases, thresholds)."""
    if set(rows[0] if rows else ()) != set(CASE_THRESHOLDS_COLUMNS):
        raise ValueError("case_thresholds.csv has other columns")
    place = {case_id: i for i, case_id in enumerate(case_ids)}
    counts = np.full((2, len(case_ids), len(THRESHOLDS)), -1, dtype=np.int64)
    for row in rows:
        at = place[row["case_id"]], threshold_index(float(row["threshold"]))
        counts[:, at[0], at[1]] = _count(row["tp"]), _count(row["fp"])
    if (counts < 0).any():
        raise ValueError("case_thresholds.csv lacks a case or a threshold")
    return counts[0], counts[1]
