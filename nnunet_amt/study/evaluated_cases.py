"""What an evaluation and a failure analysis wrote of every case, read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from nnunet_amt.base.csv_rows import read_rows
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.features import FEATURES
from nnunet_amt.evaluation.settings import FalsePositiveRule
from nnunet_amt.study import EvaluationFolder, worst_first

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


@dataclass(frozen=True)
class EvaluatedCase:
    """A row of cases.csv with the false positives of lesions.csv.

    Attributes
    ----------
    case_id
        Name of the case.
    tp, fp, fn
        Voxels in both masks, in the prediction only, in the reference only.
    dice
        None where undefined.
    reference_lesions
        Their number.
    found_01, found_05
        Reference lesions with a partner at IoU > 0.1 and > 0.5.
    reference_ml, prediction_ml
        Volumes of both masks.
    size_mm
        Largest axial diameter of the reference; None without a tumour.
    tumour_size
        Its class.
    false_positives
        At IoU > 0.1, largest first.
    """

    case_id: str
    tp: int
    fp: int
    fn: int
    dice: float | None
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


def read_evaluated_cases(
    evaluation: EvaluationFolder, rule: FalsePositiveRule = "unmatched"
) -> tuple[EvaluatedCase, ...]:
    """Read every case of an evaluation, the lowest Dice first, of equal Dice the larger tumour, undefined Dice last.

    Parameters
    ----------
    evaluation
        Where it is.
    rule
        Of the false positives, see `EvaluationSettings`.

    Raises
    ------
    BadInputError
        If a file is missing or broken.
    """
    lost: dict[str, list[FalsePositiveLesion]] = {}
    for case_id, lesion in _taken(evaluation.path / "lesions.csv", _false_positive, "evaluate"):
        if lesion is not None and not (lesion.overlaps and rule == "no_overlap"):
            lost.setdefault(case_id, []).append(lesion)

    def case(row: Mapping[str, str]) -> EvaluatedCase:
        lesions = sorted(lost.get(row["case_id"], ()), key=lambda lesion: (-lesion.voxels, lesion.lesion))
        return _case(row, tuple(lesions))

    cases = _taken(evaluation.path / "cases.csv", case, "evaluate")
    return tuple(sorted(cases, key=worst_first))


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


def _false_positive(row: Mapping[str, str]) -> tuple[str, FalsePositiveLesion | None]:
    if row["source"] != "prediction" or row["matched_partner_0.1"] or row.get("triage") == "accept":
        return row["case_id"], None
    overlaps = float(row["best_iou"]) > 0.0
    return row["case_id"], FalsePositiveLesion(
        int(row["lesion"]), int(row["voxels"]), float(row["volume_ml"]), overlaps
    )


def _distance(row: Mapping[str, str]) -> tuple[str, int, float | None]:
    return row["case_id"], int(row["lesion"]), _number(row["distance_mm"])


def _case(row: Mapping[str, str], false_positives: tuple[FalsePositiveLesion, ...]) -> EvaluatedCase:
    return EvaluatedCase(
        case_id=row["case_id"],
        tp=int(row["tp"]),
        fp=int(row["fp"]),
        fn=int(row["fn"]),
        dice=_number(row["dice"]),
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
