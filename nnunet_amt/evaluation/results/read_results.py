"""What an evaluation and a failure analysis wrote, read back: single cases, tables, a reader's decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from nnunet_amt.base.files import read_record, read_rows
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.features import FEATURES
from nnunet_amt.evaluation.results.summary_json import read_summary
from nnunet_amt.evaluation.results.tables import TABLES_SCHEMA_VERSION, result_tables
from nnunet_amt.evaluation.settings import FalsePositiveRule
from nnunet_amt.writing.table import Document, document_from_json

_FEATURES = tuple(feature.name for feature in FEATURES)
Value = TypeVar("Value")


@dataclass(frozen=True)
class FalsePositiveLesion:
    """A predicted lesion that counts as a false positive at IoU > 0.1.

    Attributes
    ----------
    lesion
        Its number within the case, from 1, as in lesions.csv.
    voxels, volume_ml
        Its size.
    overlaps
        Whether it shares a voxel with a reference lesion.
    """

    lesion: int
    voxels: int
    volume_ml: float
    overlaps: bool


@dataclass(frozen=True, kw_only=True)
class EvaluatedCase:
    """A row of cases.csv; where asked for, with the false positives of lesions.csv.

    Attributes
    ----------
    case_id
        Name of the case.
    tp, fp, fn
        Voxels in both masks, in the prediction only, in the reference only.
    dice, iou, precision, recall
        None where undefined.
    reference_lesions
        Their number.
    found_01, found_05
        Reference lesions with a partner at IoU > 0.1 and > 0.5.
    reference_ml, prediction_ml
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
    reference_ml: float
    prediction_ml: float
    size_mm: float | None
    tumour_size: str = ""
    false_positives: tuple[FalsePositiveLesion, ...] = ()


@dataclass(frozen=True)
class FailedCase:
    """A row of failure_cases.csv with the distances of false_positives.csv.

    Attributes
    ----------
    features
        Values of the reference by the feature's name; an undefined one is missing.
    distances_mm
        From each false positive, by its lesion number, to the nearest reference lesion.
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
    if false_positives is not None:
        for case_id, lesion in _taken(folder / "lesions.csv", _false_positive, "evaluate"):
            if lesion is not None and not (lesion.overlaps and false_positives == "no_overlap"):
                lost.setdefault(case_id, []).append(lesion)

    def case(row: Mapping[str, str]) -> EvaluatedCase:
        lesions = sorted(lost.get(row["case_id"], ()), key=lambda lesion: (-lesion.voxels, lesion.lesion))
        return _case(row, tuple(lesions))

    return tuple(_taken(folder / "cases.csv", case, "evaluate"))


def worst_first(case: EvaluatedCase) -> tuple[bool, float, float, str]:
    """Key to sort cases by: the lowest Dice first, of equal ones the larger tumour, undefined Dice last."""
    return case.dice is None, case.dice or 0.0, -case.reference_ml, case.case_id


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
    for case_id, lesion, distance in _taken(failures / "false_positives.csv", _distance, "failures"):
        if distance is not None:
            distances.setdefault(case_id, {})[lesion] = distance

    def failed(row: Mapping[str, str]) -> tuple[str, FailedCase]:
        case_id = row["case_id"]
        features = {name: float(row[name]) for name in _FEATURES if row.get(name)}
        return case_id, FailedCase(features, distances.get(case_id, {}))

    return dict(_taken(failures / "failure_cases.csv", failed, "failures"))


def read_decisions(folder: Path) -> dict[tuple[str, int], str]:
    """Read what a reader decided before an evaluation, if it was one with ``--triage``, by case id and lesion number.

    Raises
    ------
    BadInputError
        If lesions.csv is missing or broken.
    """
    path = folder / "lesions.csv"
    try:
        return {(row["case_id"], int(row["lesion"])): row["triage"] for row in read_rows(path) if row.get("triage")}
    except (BadInputError, ValueError, KeyError) as error:
        raise BadInputError(f"{path}: cannot be read; run nnunet_amt evaluate again") from error


def read_tables(folder: Path) -> Document:
    """Read the tables of an evaluation; those of one that left no tables.json are laid out anew from summary.json.

    Raises
    ------
    BadInputError
        If both files are missing or broken.
    """
    content = read_record(folder / "tables.json")
    if content.get("schema_version") == TABLES_SCHEMA_VERSION:
        try:
            return document_from_json(content)
        except (KeyError, TypeError) as error:
            path = folder / "tables.json"
            raise BadInputError(
                f"{path}: is not what evaluate writes ({error}); run nnunet_amt evaluate again"
            ) from error
    summary = read_summary(folder)
    return result_tables(summary.settings, summary.overall, summary.subgroups)


def _false_positive(row: Mapping[str, str]) -> tuple[str, FalsePositiveLesion | None]:
    if row["source"] != "prediction" or row["matched_partner_0.1"] or row.get("triage") == "accept":
        return row["case_id"], None
    overlaps = float(row["best_iou"]) > 0.0
    lesion = FalsePositiveLesion(int(row["lesion"]), int(row["voxels"]), float(row["volume_ml"]), overlaps)
    return row["case_id"], lesion


def _distance(row: Mapping[str, str]) -> tuple[str, int, float | None]:
    return row["case_id"], int(row["lesion"]), _number(row["distance_mm"])


def _case(row: Mapping[str, str], false_positives: tuple[FalsePositiveLesion, ...]) -> EvaluatedCase:
    return EvaluatedCase(
        case_id=row["case_id"],
        tp=int(row["tp"]),
        fp=int(row["fp"]),
        fn=int(row["fn"]),
        dice=_number(row["dice"]),
        iou=_number(row["iou"]),
        precision=_number(row["precision"]),
        recall=_number(row["recall"]),
        reference_lesions=int(row["reference_lesions"]),
        found_01=int(row["lesion_tp_0.1"]),
        found_05=int(row["lesion_tp_0.5"]),
        reference_ml=float(row["reference_ml"]),
        prediction_ml=float(row["prediction_ml"]),
        size_mm=_number(row["size_mm"]),
        tumour_size=row["tumour_size"],
        false_positives=false_positives,
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _taken(path: Path, take: Callable[[Mapping[str, str]], Value], command: str) -> list[Value]:
    """Take every row of a CSV file that a command of ours wrote."""
    try:
        return [take(row) for row in read_rows(path)]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            f"{path}: is not what {command} writes ({error}); run nnunet_amt {command} again"
        ) from error
