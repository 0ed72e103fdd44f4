"""The results as CSV files: a row a case, a row a lesion, a row a threshold."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nnunet_amt.evaluation.case import CaseEvaluation
from nnunet_amt.evaluation.lesion import threshold_index
from nnunet_amt.evaluation.matching import UNMATCHED
from nnunet_amt.evaluation.subgroups import tumour_size
from nnunet_amt.evaluation.summary import LesionSummary
from nnunet_amt.evaluation.voxel import VOXEL_METRICS
from nnunet_amt.files import atomic_path

__all__ = [
    "CASES_COLUMNS",
    "FROC_COLUMNS",
    "LESIONS_COLUMNS",
    "TABLE_THRESHOLDS",
    "write_cases_csv",
    "write_froc_csv",
    "write_lesions_csv",
]

# Table 4 gives these two; a lesion is in lesions.csv with its partners at both.
TABLE_THRESHOLDS = (0.1, 0.5)
_STRICT = TABLE_THRESHOLDS[-1]

_LESION_COUNTS = tuple(f"lesion_{count}_{t:g}" for t in TABLE_THRESHOLDS for count in ("tp", "fp", "fn"))
CASES_COLUMNS = (
    *("case_id", "tp", "fp", "fn"),
    *VOXEL_METRICS,
    *("reference_lesions", "predicted_lesions", "dropped_predictions"),
    *_LESION_COUNTS,
    *("reference_ml", "prediction_ml", "size_mm", "tumour_size"),
)
LESIONS_COLUMNS = (
    *("case_id", "source", "lesion", "voxels", "volume_ml", "diameter_mm", "best_iou", "best_partner"),
    *(f"matched_partner_{t:g}" for t in TABLE_THRESHOLDS),
)
FROC_COLUMNS = ("threshold", "tp", "fp", "fn", "sensitivity", "fp_per_scan")

_MM3_PER_ML = 1000.0
Row = dict[str, object]


def write_cases_csv(path: Path, cases: Sequence[CaseEvaluation]) -> None:
    """Write a row a case: voxel counts and metrics, lesion counts, volumes and size; undefined is empty."""
    _write(path, CASES_COLUMNS, map(_case_row, cases))


def write_lesions_csv(path: Path, cases: Sequence[CaseEvaluation]) -> None:
    """Write a row for each reference lesion and for each predicted lesion without a partner at IoU 0.5.

    Lesions are numbered from 1 within their case and source; partners are lesions of the other source.
    """
    _write(path, LESIONS_COLUMNS, (row for case in cases for row in _lesion_rows(case)))


def write_froc_csv(path: Path, lesion: LesionSummary) -> None:
    """Write a row a threshold: pooled counts, sensitivity and false positives per scan."""
    rows = (
        {
            "threshold": threshold,
            "tp": lesion.tp[i],
            "fp": lesion.fp[i],
            "fn": lesion.fn[i],
            "sensitivity": lesion.sensitivity[i].mean,
            "fp_per_scan": lesion.fp_per_scan[i].mean,
        }
        for i, threshold in enumerate(lesion.threshold)
    )
    _write(path, FROC_COLUMNS, rows)


def _case_row(case: CaseEvaluation) -> Row:
    counts = case.counts
    row: Row = {"case_id": case.case_id, "tp": counts.tp, "fp": counts.fp, "fn": counts.fn}
    row |= {name: getattr(case.voxel, name) for name in VOXEL_METRICS}
    row |= {
        "reference_lesions": len(counts.reference_voxels),
        "predicted_lesions": len(counts.prediction_voxels),
        "dropped_predictions": counts.dropped_predictions,
    }
    for threshold in TABLE_THRESHOLDS:
        for count in ("tp", "fp", "fn"):
            row[f"lesion_{count}_{threshold:g}"] = int(getattr(case.lesions, count)[threshold_index(threshold)])
    return row | {
        "reference_ml": _millilitres(counts.tp + counts.fn, case),
        "prediction_ml": _millilitres(counts.tp + counts.fp, case),
        "size_mm": None if counts.size_mm is None else round(counts.size_mm, 3),
        "tumour_size": tumour_size(case),
    }


def _lesion_rows(case: CaseEvaluation) -> Iterable[Row]:
    counts = case.counts
    unions = counts.reference_voxels[:, None] + counts.prediction_voxels[None, :] - counts.intersections
    ious = counts.intersections / unions  # (references, predictions)
    partners = {t: case.lesions.partners[threshold_index(t)] for t in TABLE_THRESHOLDS}
    for i, voxels in enumerate(counts.reference_voxels.tolist()):
        row = _lesion_row(case, "reference", i, voxels, counts.reference_diameters_mm[i], ious[i])
        for t, partner in partners.items():
            row[f"matched_partner_{t:g}"] = None if partner[i] == UNMATCHED else int(partner[i]) + 1
        yield row
    for j, voxels in enumerate(counts.prediction_voxels.tolist()):
        if j in partners[_STRICT]:
            continue
        row = _lesion_row(case, "prediction", j, voxels, counts.prediction_diameters_mm[j], ious[:, j])
        for t, partner in partners.items():
            holders = (partner == j).nonzero()[0]
            row[f"matched_partner_{t:g}"] = int(holders[0]) + 1 if len(holders) else None
        yield row


def _lesion_row(
    case: CaseEvaluation, source: str, index: int, voxels: int, diameter_mm: float, ious: Sequence[float]
) -> Row:
    best = max(range(len(ious)), key=ious.__getitem__, default=None)
    overlaps = best is not None and ious[best] > 0
    return {
        "case_id": case.case_id,
        "source": source,
        "lesion": index + 1,
        "voxels": voxels,
        "volume_ml": _millilitres(voxels, case),
        "diameter_mm": round(float(diameter_mm), 3),
        "best_iou": float(ious[best]) if best is not None else 0.0,
        "best_partner": best + 1 if best is not None and overlaps else None,
    }


def _millilitres(voxels: int, case: CaseEvaluation) -> float:
    return round(voxels * case.counts.voxel_volume_mm3 / _MM3_PER_ML, 6)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
