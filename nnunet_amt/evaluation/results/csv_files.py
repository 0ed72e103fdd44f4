"""The results as CSV files: a row a case, a row a lesion, a row a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnunet_amt.base.files import write_csv
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.measure.lesion import THRESHOLDS, threshold_index
from nnunet_amt.evaluation.measure.voxel import VOXEL_METRICS
from nnunet_amt.evaluation.results.lesion_rows import (
    LESIONS_COLUMNS,
    SURFACE_COLUMNS,
    TABLE_THRESHOLDS,
    TRIAGE_COLUMN,
    lesion_rows,
    millilitres,
    surface_cells,
)
from nnunet_amt.evaluation.summary.subgroups import tumour_size
from nnunet_amt.evaluation.summary.summary import LesionSummary

_LESION_COUNTS = tuple(f"lesion_{count}_{t:g}" for t in TABLE_THRESHOLDS for count in ("tp", "fp", "fn"))
CASES_COLUMNS = (
    *("case_id", "tp", "fp", "fn"),
    *VOXEL_METRICS,
    *("reference_lesions", "predicted_lesions", "dropped_predictions"),
    *_LESION_COUNTS,
    *("reference_ml", "prediction_ml", "size_mm", "tumour_size"),
)
CASE_THRESHOLDS_COLUMNS = ("case_id", "threshold", "tp", "fp", "fn")
FROC_COLUMNS = ("threshold", "tp", "fp", "fn", "sensitivity", "fp_per_scan")

Row = dict[str, object]


def write_cases_csv(path: Path, cases: Sequence[CaseEvaluation], surface_distances: bool = False) -> None:
    """Write a row a case: voxel counts and metrics, lesion counts, volumes and size; undefined is empty."""
    columns = (*CASES_COLUMNS, *SURFACE_COLUMNS) if surface_distances else CASES_COLUMNS
    write_csv(path, columns, ({name: row[name] for name in columns} for row in map(_case_row, cases)))


def write_case_thresholds_csv(path: Path, cases: Sequence[CaseEvaluation]) -> None:
    """Write a row a case and threshold: its lesion counts, so that evaluations can be compared without their images."""
    rows = (
        {"case_id": case.case_id, "threshold": threshold}
        | {count: int(getattr(case.lesions, count)[i]) for count in ("tp", "fp", "fn")}
        for case in cases
        for i, threshold in enumerate(THRESHOLDS)
    )
    write_csv(path, CASE_THRESHOLDS_COLUMNS, rows)


def write_lesions_csv(path: Path, cases: Sequence[CaseEvaluation], surface_distances: bool = False) -> None:
    """Write a row for each reference lesion and for each predicted lesion; see `lesion_rows`."""
    columns = (*LESIONS_COLUMNS, *SURFACE_COLUMNS) if surface_distances else LESIONS_COLUMNS
    if any(case.triage is not None for case in cases):
        columns = (*columns, TRIAGE_COLUMN)
    rows = (row for case in cases for row in lesion_rows(case))
    write_csv(path, columns, ({name: row[name] for name in columns} for row in rows))


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
    write_csv(path, FROC_COLUMNS, rows)


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
    row |= surface_cells(counts.surface_distances)
    return row | {
        "reference_ml": millilitres(counts.tp + counts.fn, case),
        "prediction_ml": millilitres(counts.tp + counts.fp, case),
        "size_mm": None if counts.size_mm is None else round(counts.size_mm, 3),
        "tumour_size": tumour_size(case),
    }
