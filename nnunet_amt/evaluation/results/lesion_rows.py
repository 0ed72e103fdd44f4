"""What is told of every single lesion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.measure.lesion import threshold_index
from nnunet_amt.evaluation.measure.matching import UNMATCHED
from nnunet_amt.evaluation.measure.surface_distance import SurfaceDistances

# Table 4 gives these two; a lesion is told with its partners at both.
TABLE_THRESHOLDS = (0.1, 0.5)
LESIONS_COLUMNS = (
    *("case_id", "source", "lesion", "voxels", "volume_ml", "diameter_mm", "maximum_diameter_mm"),
    *("best_iou", "best_partner", "split", "merged"),
    *(f"matched_{what}_{t:g}" for t in TABLE_THRESHOLDS for what in ("partner", "iou")),
)
# Of the whole masks in cases.csv, of a lesion and its best partner in lesions.csv; where they were asked for.
SURFACE_COLUMNS = ("hausdorff_mm", "hausdorff95_mm", "average_surface_distance_mm")
TRIAGE_COLUMN = "triage"  # a reader's decision on a candidate false positive; where a reader decided

_MM3_PER_ML = 1000.0
Row = dict[str, object]
Source = Literal["reference", "prediction"]


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
    partners = {t: _partners(case, threshold_index(t)) for t in TABLE_THRESHOLDS}
    sources: tuple[Source, Source] = ("reference", "prediction")
    for side, source in enumerate(sources):
        voxels = getattr(counts, f"{source}_voxels").tolist()
        ious = counts.ious if source == "reference" else counts.ious.T  # (of this source, of the other)
        split, merged = flags[source]
        for index in range(len(voxels)):
            row = _measures(case, source, index, voxels[index])
            row |= _best_partner(case, source, index, ious[index])
            row |= {"split": bool(split[index]), "merged": bool(merged[index])}
            for threshold, of_source in partners.items():
                partner = of_source[side].get(index)
                row[f"matched_partner_{threshold:g}"] = None if partner is None else partner + 1
                row[f"matched_iou_{threshold:g}"] = None if partner is None else float(ious[index][partner])
            decisions = (case.triage or {}) if source == "prediction" else {}
            yield row | {TRIAGE_COLUMN: decisions.get(index + 1)}


def millilitres(voxels: int, case: CaseEvaluation) -> float:
    """Volume in ml, which are cm3."""
    return round(voxels * case.counts.voxel_volume_mm3 / _MM3_PER_ML, 6)


def surface_cells(distances: SurfaceDistances | None) -> Row:
    """Give `SURFACE_COLUMNS`; empty where nothing was or could be measured."""
    if distances is None:
        return dict.fromkeys(SURFACE_COLUMNS)
    values = distances.hausdorff, distances.hausdorff95, distances.average
    return dict(zip(SURFACE_COLUMNS, (round(value, 3) for value in values), strict=True))


def _partners(case: CaseEvaluation, row: int) -> tuple[dict[int, int], dict[int, int]]:
    """Partners of the matched references, and of the matched predictions."""
    found = {i: j for i, j in enumerate(case.lesions.partners[row].tolist()) if j != UNMATCHED}
    return found, {j: i for i, j in found.items()}


def _measures(case: CaseEvaluation, source: Source, index: int, voxels: int) -> Row:
    counts = case.counts
    return {
        "case_id": case.case_id,
        "source": source,
        "lesion": index + 1,
        "voxels": voxels,
        "volume_ml": millilitres(voxels, case),
        "diameter_mm": round(float(getattr(counts, f"{source}_diameters_mm")[index]), 3),
        "maximum_diameter_mm": round(float(getattr(counts, f"{source}_maximum_diameters_mm")[index]), 3),
    }


def _best_partner(case: CaseEvaluation, source: Source, index: int, ious: np.ndarray | Sequence[float]) -> Row:
    best = int(np.argmax(ious)) if len(ious) else None
    if best is None or not ious[best]:
        return {"best_iou": 0.0, "best_partner": None, **surface_cells(None)}
    pair = (index, best) if source == "reference" else (best, index)
    distances = surface_cells(case.counts.lesion_surface_distances.get(pair))
    return {"best_iou": float(ious[best]), "best_partner": best + 1, **distances}
