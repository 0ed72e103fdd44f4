"""The figures that a point is chosen and told by: those of an evaluation, and the bias of the total volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES, GroupSummary, MetricSummary
from nnunet_amt.statistics.intervals import (
    percentile_interval,
    resampled_sums,
    several_each,
    standard_deviation,
    sums_of_clusters,
    with_width,
)
from nnunet_amt.writing.numbers import UNDEFINED, counted, difference_text, signed, value_text
from nnunet_amt.writing.table import Row, Table

POINT_IOU = 0.1
FIGURES = {
    "dice": "Dice, mean",
    "sensitivity": f"Lesion sensitivity, IoU > {POINT_IOU:g}",
    "fp_per_scan": f"FP per scan, IoU > {POINT_IOU:g}",
    "volume_bias": "Bias of the total volume, %",
}

PointFigures = dict[str, MetricSummary]


def point_figures(
    cases: Sequence[CaseEvaluation],
    overall: GroupSummary,
    *,
    settings: EvaluationSettings,
    clusters: Mapping[str, str] | None = None,
) -> PointFigures:
    """Give `FIGURES` of evaluated cases; `overall` is their summary, `clusters` are as in `summarise`."""
    at = threshold_index(POINT_IOU)
    return {
        "dice": overall.voxel["dice"],
        "sensitivity": overall.lesion.sensitivity[at],
        "fp_per_scan": overall.lesion.fp_per_scan[at],
        "volume_bias": _volume_bias(cases, settings, clusters),
    }


def _volume_bias(
    cases: Sequence[CaseEvaluation], settings: EvaluationSettings, clusters: Mapping[str, str] | None
) -> MetricSummary:
    """Summarise the total predicted volume by that of the references, less 1; the bootstrap is over what is drawn."""
    counts = [case.counts for case in cases]
    volumes = np.array(
        [[(one.tp + one.fp) * one.voxel_volume_mm3, (one.tp + one.fn) * one.voxel_volume_mm3] for one in counts]
    )  # (cases, predicted and reference)
    predicted, reference = volumes.sum(axis=0).tolist()
    if not reference:
        return MetricSummary(None, None, None, len(cases))
    if clusters is not None and several_each(list(clusters.values())) is not None:
        volumes = sums_of_clusters(volumes, [clusters[case.case_id] for case in cases])
    bias = predicted / reference - 1
    if len(volumes) < 2:
        return MetricSummary(bias, None, None, len(cases))
    sums = resampled_sums(volumes, resamples=settings.bootstrap_resamples, seed=settings.seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = np.where(sums[:, 1:] > 0, sums[:, :1] / sums[:, 1:] - 1, np.nan)
    (deviation,) = standard_deviation(samples).tolist()
    enough = len(volumes) >= (2 if settings.ci_always else FEWEST_CASES)
    (low,), (high,) = (limit.tolist() for limit in percentile_interval(samples))
    interval = with_width((low, high)) if enough else None
    return MetricSummary(bias, None if np.isnan(deviation) else deviation, interval, len(cases))


def figure_text(name: str, figure: MetricSummary) -> str:
    """Write one of `FIGURES` with its interval."""
    if name != "volume_bias" or figure.mean is None:
        return value_text(figure.mean, figure.ci95, digits=2)
    interval = (
        figure.ci95 and f" ({signed(100 * figure.ci95[0], digits=1)} to {signed(100 * figure.ci95[1], digits=1)})"
    )
    return signed(100 * figure.mean, digits=1) + (interval or "")


def side_by_side(
    title: str,
    tuning: PointFigures,
    tuning_cases: int,
    here: PointFigures,
    cases: int,
    *,
    notes: tuple[str, ...] = (),
) -> Table:
    """Lay out what a point reached on the tuning cases, what it reaches on others, and how far each figure moved."""
    rows = []
    for name, heading in FIGURES.items():
        before, now = tuning[name], here[name]
        moved = UNDEFINED
        if before.mean is not None and now.mean is not None:
            change = now.mean - before.mean
            moved = signed(100 * change, digits=1) if name == "volume_bias" else difference_text(change)
        rows.append(Row(heading, (figure_text(name, before), figure_text(name, now), moved)))
    note = (
        "The point was chosen on the tuning cases, so its figures there are too good; those of the cases here are the "
        "ones to rely on. Lesions are counted as in this evaluation, on the tuning cases by its defaults."
    )
    columns = (f"Tuning ({counted(tuning_cases, 'case')})", f"Here ({counted(cases, 'case')})", "Moved by")
    return Table(title, "Figure (95% CI)", columns, tuple(rows), (note, *notes))
