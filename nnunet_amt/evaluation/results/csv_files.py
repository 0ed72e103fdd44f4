"""The results as CSV files: a row a case, a lesion, a threshold, a metric or a bin of volumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from nnunet_amt.base.files import write_csv
from nnunet_amt.evaluation.measure.case import VOXEL_METRICS, CaseEvaluation
from nnunet_amt.evaluation.measure.distances import SurfaceDistances
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, THRESHOLDS, UNMATCHED, threshold_index
from nnunet_amt.evaluation.measure.surface_dice import SURFACE_DICE
from nnunet_amt.evaluation.summary.subgroups import VolumeBin, tumour_size
from nnunet_amt.evaluation.summary.summary import (
    CaseMetricSummary,
    GroupSummary,
    LesionSummary,
    MetricSummary,
    NamedGroup,
)
from nnunet_amt.statistics.intervals import wilson_interval

_LESION_COUNTS = tuple(f"lesion_{count}_{t:g}" for t in TABLE_THRESHOLDS for count in ("tp", "fp", "fn"))
CASES_COLUMNS = (
    *("case_id", "tp", "fp", "fn"),
    *VOXEL_METRICS,
    *("reference_lesions", "predicted_lesions", "dropped_predictions"),
    *_LESION_COUNTS,
    *("reference_cm3", "prediction_cm3", "size_mm", "tumour_size"),
)
CASE_THRESHOLDS_COLUMNS = ("case_id", "threshold", "tp", "fp", "fn")
FROC_COLUMNS = ("threshold", "tp", "fp", "fn", "sensitivity", "fp_per_scan")
Row = dict[str, object]
LESIONS_COLUMNS = (
    *("case_id", "source", "lesion", "voxels", "volume_cm3", "diameter_mm", "maximum_diameter_mm"),
    *("best_iou", "best_partner", "split", "merged"),
    *(f"matched_{what}_{t:g}" for t in TABLE_THRESHOLDS for what in ("partner", "iou")),
)
# Of the whole masks in cases.csv (with `SURFACE_DICE`), of a lesion and its best partner in lesions.csv; where they
# were asked for.
SURFACE_COLUMNS = ("hausdorff_mm", "hausdorff95_mm", "average_surface_distance_mm")
TRIAGE_COLUMN = "triage"  # a reader's decision on a candidate false positive; where a reader decided
_MM3_PER_CM3 = 1000.0
Source = Literal["reference", "prediction"]
METRICS_COLUMNS = (
    *("group", "subgroup", "cases", "metric", "iou_threshold", "n", "mean", "sd", "ci95_low", "ci95_high"),
    *("median", "q1", "q3"),
)
VOLUME_BINS_COLUMNS = (
    *("from_cm3", "below_cm3", "iou_threshold", "lesions", "found", "sensitivity"),
    *("wilson95_low", "wilson95_high"),
)


def write_cases_csv(path: Path, cases: Sequence[CaseEvaluation], *, surface_distances: bool = False) -> None:
    """Write a row a case: voxel counts and metrics, lesion counts, volumes and size; undefined is empty."""
    columns = (*CASES_COLUMNS, *SURFACE_COLUMNS, SURFACE_DICE) if surface_distances else CASES_COLUMNS
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


def write_lesions_csv(path: Path, cases: Sequence[CaseEvaluation], *, surface_distances: bool = False) -> None:
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
        SURFACE_DICE: counts.surface_dice,
        "reference_cm3": cubic_centimetres(counts.tp + counts.fn, case),
        "prediction_cm3": cubic_centimetres(counts.tp + counts.fp, case),
        "size_mm": None if counts.size_mm is None else round(counts.size_mm, 3),
        "tumour_size": tumour_size(case),
    }


def lesion_rows(case: CaseEvaluation) -> Iterator[Row]:
    """Give a row for each reference lesion, then for each predicted lesion.

    Lesions are numbered from 1 within their case and source; partners are lesions of the other source. ``split``: the
    reference (the row's own, or one that it overlaps) is overlapped by two or more predicted lesions. ``merged``:
    the predicted lesion overlaps two or more references.
    """
    counts = case.counts
    overlaps = counts.intersections > 0
    in_parts, of_several = overlaps.sum(axis=1) > 1, overlaps.sum(axis=0) > 1
    flags = {
        "reference": (in_parts, (overlaps & of_several[None, :]).any(axis=1)),
        "prediction": ((overlaps & in_parts[:, None]).any(axis=0), of_several),
    }
    sources: tuple[Source, Source] = ("reference", "prediction")
    for source in sources:
        voxels = getattr(counts, f"{source}_voxels").tolist()
        ious = counts.ious if source == "reference" else counts.ious.T  # (of this source, of the other)
        partners = {threshold: _partners(case, source, threshold) for threshold in TABLE_THRESHOLDS}
        decisions = (case.triage or {}) if source == "prediction" else {}
        split, merged = flags[source]
        for index in range(len(voxels)):
            row: Row = {
                "case_id": case.case_id,
                "source": source,
                "lesion": index + 1,
                "voxels": voxels[index],
                "volume_cm3": cubic_centimetres(voxels[index], case),
                "diameter_mm": round(float(getattr(counts, f"{source}_diameters_mm")[index]), 3),
                "maximum_diameter_mm": round(float(getattr(counts, f"{source}_maximum_diameters_mm")[index]), 3),
            }
            row |= _best_partner(case, source, index, ious[index])
            row |= {"split": bool(split[index]), "merged": bool(merged[index])}
            for threshold, partner_of in partners.items():
                partner = partner_of.get(index)
                row[f"matched_partner_{threshold:g}"] = None if partner is None else partner + 1
                row[f"matched_iou_{threshold:g}"] = None if partner is None else float(ious[index][partner])
            yield row | {TRIAGE_COLUMN: decisions.get(index + 1)}


def cubic_centimetres(voxels: int, case: CaseEvaluation) -> float:
    """Volume in cm3."""
    return round(voxels * case.counts.voxel_volume_mm3 / _MM3_PER_CM3, 6)


def surface_cells(distances: SurfaceDistances | None) -> Row:
    """Give `SURFACE_COLUMNS`; empty where nothing was or could be measured."""
    if distances is None:
        return dict.fromkeys(SURFACE_COLUMNS)
    values = distances.hausdorff, distances.hausdorff95, distances.average
    return dict(zip(SURFACE_COLUMNS, (round(value, 3) for value in values), strict=True))


def _partners(case: CaseEvaluation, source: Source, threshold: float) -> dict[int, int]:
    """Of each matched lesion of a source the lesion of the other that it is matched to."""
    partners = enumerate(case.lesions.partners[threshold_index(threshold)].tolist())
    pairs = [(reference, prediction) for reference, prediction in partners if prediction != UNMATCHED]
    return dict(pairs) if source == "reference" else {prediction: reference for reference, prediction in pairs}


def _best_partner(case: CaseEvaluation, source: Source, index: int, ious: np.ndarray | Sequence[float]) -> Row:
    best = int(np.argmax(ious)) if len(ious) else None
    if best is None or not ious[best]:
        return {"best_iou": 0.0, "best_partner": None, **surface_cells(None)}
    pair = (index, best) if source == "reference" else (best, index)
    distances = surface_cells(case.counts.lesion_surface_distances.get(pair))
    return {"best_iou": float(ious[best]), "best_partner": best + 1, **distances}


def write_metrics_csv(path: Path, *, overall: GroupSummary, subgroups: Sequence[NamedGroup]) -> None:
    """Write a row a group, metric and threshold; undefined and withheld is empty.

    The group and subgroup of all cases are both ``overall``. The specificity is there where cases have no tumour.
    """
    rows: list[Row] = []
    for group, subgroup, summary in [("overall", "overall", overall), *subgroups]:
        head: Row = {"group": group, "subgroup": subgroup, "cases": summary.cases}
        rows += [{**head, "metric": name, **_metric_cells(metric)} for name, metric in summary.voxel.items()]
        for name in ("sensitivity", "fp_per_scan"):
            for threshold, metric in zip(summary.lesion.threshold, getattr(summary.lesion, name), strict=True):
                rows.append({**head, "metric": name, "iou_threshold": threshold, **_metric_cells(metric)})
        if (found := summary.specificity) is not None:
            cells = {"n": found.scans, "mean": found.value, **_limits("ci95", found.wilson95)}
            rows.append({**head, "metric": "specificity", **cells})
    write_csv(path, METRICS_COLUMNS, rows)


def _metric_cells(metric: MetricSummary) -> Row:
    cells: Row = {"n": metric.n, "mean": metric.mean, "sd": metric.sd, **_limits("ci95", metric.ci95)}
    if isinstance(metric, CaseMetricSummary):
        cells |= {"median": metric.median, "q1": metric.q1, "q3": metric.q3}
    return cells


def _limits(name: str, interval: tuple[float, float] | None) -> Row:
    return {} if interval is None else {f"{name}_low": interval[0], f"{name}_high": interval[1]}


def write_volume_bins_csv(path: Path, bins: Sequence[VolumeBin]) -> None:
    """Write a row a bin and threshold, with Wilson's interval; sensitivity is empty where a bin has no lesion."""
    rows: list[Row] = []
    for volume_bin in bins:
        lesions = volume_bin.lesions
        for threshold, found in zip(THRESHOLDS, volume_bin.found, strict=True):
            row: Row = {
                "from_cm3": volume_bin.low,
                "below_cm3": volume_bin.high,
                "iou_threshold": threshold,
                "lesions": lesions,
                "found": found,
            }
            if lesions:
                low, high = wilson_interval(found, lesions)
                row |= {"sensitivity": found / lesions, "wilson95_low": low, "wilson95_high": high}
            rows.append(row)
    write_csv(path, VOLUME_BINS_COLUMNS, rows)
