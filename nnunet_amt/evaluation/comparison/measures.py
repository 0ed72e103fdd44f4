"""Every metric as a ratio of two sums over cases, so that models and their differences are resampled alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt.evaluation.measure.case import VOXEL_METRICS
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, THRESHOLDS
from nnunet_amt.evaluation.results.read_results import EvaluatedModel
from nnunet_amt.evaluation.settings import ComparisonSettings
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.statistics.intervals import percentile_interval, resampled_sums, sums_of_clusters


@dataclass(frozen=True)
class Measure:
    """A metric, at an IoU threshold if it needs one.

    Attributes
    ----------
    metric
        ``dice``, ``iou``, ``precision``, ``recall``: mean over cases. ``sensitivity``, ``fp_per_scan``: pooled
        over lesions and scans. ``sweep_sensitivity``, ``sweep_fp_per_scan``: the means of these over all thresholds.
    iou_threshold
        Of the pooled ones.
    """

    metric: str
    iou_threshold: float | None = None


_SENSITIVITY = tuple(Measure("sensitivity", t) for t in THRESHOLDS)
_FP_PER_SCAN = tuple(Measure("fp_per_scan", t) for t in THRESHOLDS)
_SWEEP = (Measure("sweep_sensitivity"), Measure("sweep_fp_per_scan"))
MEASURES = (*map(Measure, VOXEL_METRICS), *_SENSITIVITY, *_FP_PER_SCAN, *_SWEEP)
TABLE_MEASURES = (
    *map(Measure, VOXEL_METRICS),
    *(Measure(metric, t) for t in TABLE_THRESHOLDS for metric in ("sensitivity", "fp_per_scan")),
    *_SWEEP,
)


@dataclass(frozen=True, eq=False)
class Ratios:
    """What is summed over cases for each of some measures.

    Attributes
    ----------
    numerators, denominators : numpy.ndarray of float, (cases, measures)
        The value of a measure is the sum of its numerators over that of its denominators, which also says what
        the value rests on: cases in which it is defined, reference lesions, or scans.
    case_means : numpy.ndarray of bool, (measures,)
        Which of them are means over the cases in which they are defined, not ratios of pooled counts.
    """

    numerators: np.ndarray
    denominators: np.ndarray
    case_means: np.ndarray

    def of(self, cases: np.ndarray, measures: np.ndarray) -> Ratios:
        """Give some of the cases and measures, by their places."""
        part = np.ix_(cases, measures)
        return Ratios(self.numerators[part], self.denominators[part], self.case_means[measures])


@dataclass(frozen=True)
class Estimate:
    """A value with its interval.

    Attributes
    ----------
    value
        None where undefined.
    ci95
        Percentile bootstrap interval; None where it is withheld or undefined.
    n
        Cases in which it is defined, reference lesions, or scans.
    """

    value: float | None
    ci95: tuple[float, float] | None
    n: int


def ratios(model: EvaluatedModel) -> Ratios:
    """Give the `MEASURES` of one model."""
    defined = ~np.isnan(model.voxel)
    return _ratios(model, np.where(defined, model.voxel, 0.0), defined, model.tp, model.fp)


def difference_ratios(first: EvaluatedModel, other: EvaluatedModel) -> Ratios:
    """Give the differences of `MEASURES`, the other model's minus the first's.

    Voxel metrics are compared in the cases in which both models have them. Reference lesions and scans are the same for
    both, so differences of counts over them are differences of the ratios.
    """
    both = ~np.isnan(first.voxel) & ~np.isnan(other.voxel)
    return _ratios(
        first, np.where(both, other.voxel - first.voxel, 0.0), both, other.tp - first.tp, other.fp - first.fp
    )


def estimates(
    columns: Sequence[Ratios], *, settings: ComparisonSettings, clusters: Sequence[str] | None = None
) -> list[tuple[Estimate, ...]]:
    """Compute the values and bootstrap all of them over the same resamples.

    Parameters
    ----------
    columns
        Models or differences on the same cases.
    settings
        Resamples, seed, and whether intervals are given for few cases.
    clusters
        Institution of each case, where institutions are drawn; None to draw cases.

    Returns
    -------
    list of tuple of Estimate
        Of each of `columns`, one a measure.
    """
    numerators = np.hstack([part.numerators for part in columns])
    denominators = np.hstack([part.denominators for part in columns])
    low, high = _intervals(numerators, denominators, settings, clusters)
    n = denominators.sum(axis=0)
    case_means = np.concatenate([part.case_means for part in columns])
    enough = np.where(case_means, n, len(denominators)) >= _fewest(settings)  # as in evaluate
    found = [
        Estimate(
            value=float(numerator / count) if count else None,
            ci95=(float(low[i]), float(high[i])) if enough[i] and not np.isnan(low[i]) else None,
            n=int(count),
        )
        for i, (numerator, count) in enumerate(zip(numerators.sum(axis=0), n, strict=True))
    ]
    size = columns[0].numerators.shape[1]
    return [tuple(found[start : start + size]) for start in range(0, len(found), size)]


def _ratios(model: EvaluatedModel, voxel: np.ndarray, defined: np.ndarray, tp: np.ndarray, fp: np.ndarray) -> Ratios:
    thresholds = len(THRESHOLDS)
    references = np.repeat(model.references[:, None], thresholds, axis=1)
    scans = np.ones((len(model.case_ids), thresholds))
    sweep = np.stack([tp.mean(axis=1), fp.mean(axis=1)], axis=1)
    return Ratios(
        numerators=np.hstack([voxel, tp, fp, sweep]).astype(float),
        denominators=np.hstack([defined, references, scans, references[:, :1], scans[:, :1]]).astype(float),
        case_means=np.array([measure.metric in VOXEL_METRICS for measure in MEASURES]),
    )


def _intervals(
    numerators: np.ndarray, denominators: np.ndarray, settings: ComparisonSettings, clusters: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    width = numerators.shape[1]
    nothing = np.full(width, np.nan)
    if len(numerators) < _fewest(settings):
        return nothing, nothing
    # many columns agree (scans, lesions, neighbouring thresholds): they are summed once
    rows, column = np.unique(np.hstack([numerators, denominators]), axis=1, return_inverse=True)
    column = column.ravel()
    if clusters is not None:
        rows = sums_of_clusters(rows, clusters)
    if len(rows) < 2:
        return nothing, nothing
    sums = resampled_sums(rows, resamples=settings.bootstrap_resamples, seed=settings.seed)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: undefined in that resample
        return percentile_interval(sums[:, column[:width]] / sums[:, column[width:]])


def _fewest(settings: ComparisonSettings) -> int:
    return 2 if settings.ci_always else FEWEST_CASES
