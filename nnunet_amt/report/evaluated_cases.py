"""What an evaluation and a failure analysis wrote of every case, read back."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.settings import FalsePositiveRule

__all__ = ["EvaluatedCase", "FailedCase", "FalsePositiveLesion", "read_evaluated_cases", "read_failed_cases"]

_AGAIN = "run nnunet_amt evaluate again"
_FAILURES_AGAIN = "run nnunet_amt failures again"
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
    dice, precision, recall
        None where undefined.
    reference_lesions, predicted_lesions
        Their numbers, small predicted ones left out.
    found_01, found_05
        Reference lesions with a partner at IoU > 0.1 and > 0.5.
    reference_ml, prediction_ml
        Volumes of both masks.
    size_mm
        Largest axial diameter of the reference; None without a tumour.
    tumour_size
        Its class in Tables 3 and 4.
    false_positives
        At IoU > 0.1, largest first.
    """

    case_id: str
    tp: int
    fp: int
    fn: int
    dice: float | None
    precision: float | None
    recall: float | None
    reference_lesions: int
    predicted_lesions: int
    found_01: int
    found_05: int
    reference_ml: float
    prediction_ml: float
    size_mm: float | None
    tumour_size: str
    false_positives: tuple[FalsePositiveLesion, ...] = ()


@dataclass(frozen=True)
class FailedCase:
    """A row of failure_cases.csv.

    Attributes
    ----------
    group
        ``bottom``, ``top`` or empty.
    segmentation, detection
        See `nnunet_amt.evaluation.failures.failure_modes`; empty where there is none.
    features
        Values of the reference by the feature's name; an undefined one is missing.
    distances_mm
        From each false positive, by its lesion number, to the nearest reference lesion.
    """

    group: str
    segmentation: str
    detection: str
    features: Mapping[str, float] = field(default_factory=dict)
    distances_mm: Mapping[int, float] = field(default_factory=dict)


def read_evaluated_cases(evaluation: Path, rule: FalsePositiveRule = "unmatched") -> tuple[EvaluatedCase, ...]:
    """Read every case of an evaluation, the lowest Dice first, equal Dice by name, undefined Dice last.

    Parameters
    ----------
    evaluation
        Folder of its results.
    rule
        Of the false positives, see `EvaluationSettings`.

    Raises
    ------
    BadInputError
        If a file is missing or broken.
    """
    lost: dict[str, list[FalsePositiveLesion]] = {}
    for case_id, lesion in _rows(evaluation / "lesions.csv", _false_positive, _AGAIN):
        if lesion is not None and not (lesion.overlaps and rule == "no_overlap"):
            lost.setdefault(case_id, []).append(lesion)

    def case(row: Mapping[str, str]) -> EvaluatedCase:
        lesions = sorted(lost.get(row["case_id"], ()), key=lambda lesion: (-lesion.voxels, lesion.lesion))
        return _case(row, tuple(lesions))

    cases = _rows(evaluation / "cases.csv", case, _AGAIN)
    return tuple(sorted(cases, key=lambda case: (case.dice is None, case.dice or 0.0, case.case_id)))


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
    for case_id, lesion, distance in _rows(failures / "false_positives.csv", _distance, _FAILURES_AGAIN):
        if distance is not None:
            distances.setdefault(case_id, {})[lesion] = distance

    def failed(row: Mapping[str, str]) -> tuple[str, FailedCase]:
        known = ("case_id", "group", "dice", "precision", "recall", "tp", "fp", "fn", "segmentation", "detection",
                 "partial_lesions", "missed_lesions", "false_positive_lesions")  # fmt: skip
        features = {name: float(value) for name, value in row.items() if name not in known and value}
        found = FailedCase(
            row["group"], row["segmentation"], row["detection"], features, distances.get(row["case_id"], {})
        )
        return row["case_id"], found

    return dict(_rows(failures / "failure_cases.csv", failed, _FAILURES_AGAIN))


def _false_positive(row: Mapping[str, str]) -> tuple[str, FalsePositiveLesion | None]:
    if row["source"] != "prediction" or row["matched_partner_0.1"] or row.get("triage") == "accept":
        return row["case_id"], None
    overlaps = float(row["best_iou"] or 0.0) > 0.0
    return row["case_id"], FalsePositiveLesion(int(row["lesion"]), int(row["voxels"]), float(row["volume_ml"]), overlaps)


def _distance(row: Mapping[str, str]) -> tuple[str, int, float | None]:
    return row["case_id"], int(row["lesion"]), _number(row["distance_mm"])


def _case(row: Mapping[str, str], false_positives: tuple[FalsePositiveLesion, ...]) -> EvaluatedCase:
    return EvaluatedCase(
        case_id=row["case_id"],
        tp=int(row["tp"]),
        fp=int(row["fp"]),
        fn=int(row["fn"]),
        dice=_number(row["dice"]),
        precision=_number(row["precision"]),
        recall=_number(row["recall"]),
        reference_lesions=int(row["reference_lesions"]),
        predicted_lesions=int(row["predicted_lesions"]),
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


def _rows(path: Path, take: Callable[[Mapping[str, str]], Value], advice: str) -> Sequence[Value]:
    """Read every row of a CSV file that this package wrote."""
    taken = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                try:
                    taken.append(take(row))
                except (TypeError, ValueError) as error:
                    raise BadInputError(f"{path}: line {number} cannot be read ({error}); {advice}") from error
                except KeyError as error:
                    raise BadInputError(f"{path}: there is no column {error}; {advice}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise BadInputError(f"{path}: {why}; {advice}") from error
    return taken
