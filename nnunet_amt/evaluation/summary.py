"""Metrics of a group of cases, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt.evaluation.case import CaseEvaluation
from nnunet_amt.evaluation.intervals import percentile_interval, resampled_sums, standard_deviation
from nnunet_amt.evaluation.lesion import THRESHOLDS
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.voxel import VOXEL_METRICS

__all__ = ["GroupSummary", "LesionSummary", "MetricSummary", "summarise"]

Interval = tuple[float, float]


@dataclass(frozen=True)
class MetricSummary:
    """A metric over cases.

    Attributes
    ----------
    mean
        Mean over the cases in which the metric is defined.
    sd
        Standard deviation: of the cases (ddof 1) for a voxel metric, of the bootstrap for a lesion metric.
    ci95
        Percentile bootstrap interval; None for fewer than two cases.
    n
        Cases in which the metric is defined, or for sensitivity the reference lesions.
    """

    mean: float | None
    sd: float | None
    ci95: Interval | None
    n: int


@dataclass(frozen=True)
class LesionSummary:
    """Pooled lesion counts; each tuple has one entry a threshold, in the order of `threshold`."""

    threshold: tuple[float, ...]
    tp: tuple[int, ...]
    fp: tuple[int, ...]
    fn: tuple[int, ...]
    sensitivity: tuple[MetricSummary, ...]
    fp_per_scan: tuple[MetricSummary, ...]
    references: int


@dataclass(frozen=True)
class GroupSummary:
    """All metrics of a group of cases."""

    cases: int
    voxel: dict[str, MetricSummary]
    lesion: LesionSummary


def summarise(cases: Sequence[CaseEvaluation], settings: EvaluationSettings) -> GroupSummary:
    """Average the voxel metrics over cases, pool the lesions, and bootstrap both over the same resamples.

    Parameters
    ----------
    cases
        The group, at least one case.
    settings
        Number of resamples and seed.
    """
    voxel = np.array([[_or_nan(getattr(case.voxel, name)) for name in VOXEL_METRICS] for case in cases])
    tp = np.array([case.lesions.tp for case in cases], dtype=float)  # (cases, thresholds)
    fp = np.array([case.lesions.fp for case in cases], dtype=float)
    references = np.array([[len(case.counts.reference_voxels)] for case in cases], dtype=float)
    defined = ~np.isnan(voxel)

    columns = np.hstack([np.where(defined, voxel, 0.0), defined, tp, fp, references])
    edges = np.cumsum([voxel.shape[1], voxel.shape[1], tp.shape[1], fp.shape[1]])
    sums = np.split(resampled_sums(columns, settings.bootstrap_resamples, settings.seed), edges, axis=1)
    voxel_sum, voxel_n, tp_sum, fp_sum, reference_sum = sums
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: undefined in that resample
        voxel_samples = voxel_sum / voxel_n
        sensitivity_samples = tp_sum / reference_sum
    return GroupSummary(
        cases=len(cases),
        voxel=_voxel_summaries(voxel, voxel_samples),
        lesion=_lesion_summary(tp, fp, int(references.sum()), sensitivity_samples, fp_sum / len(cases)),
    )


def _voxel_summaries(voxel: np.ndarray, samples: np.ndarray) -> dict[str, MetricSummary]:
    n = (~np.isnan(voxel)).sum(axis=0)
    deviations = standard_deviation(voxel)
    intervals = _intervals(samples, enough=n > 1)
    return {
        name: MetricSummary(
            mean=float(np.nanmean(voxel[:, column])) if n[column] else None,
            sd=_or_none(deviations[column]),
            ci95=intervals[column],
            n=int(n[column]),
        )
        for column, name in enumerate(VOXEL_METRICS)
    }


def _lesion_summary(
    tp: np.ndarray,
    fp: np.ndarray,
    references: int,
    sensitivity_samples: np.ndarray,
    fp_per_scan_samples: np.ndarray,
) -> LesionSummary:
    cases = len(tp)
    tp_sum, fp_sum = tp.sum(axis=0).astype(int).tolist(), fp.sum(axis=0).astype(int).tolist()
    sensitivity = [found / references if references else None for found in tp_sum]
    return LesionSummary(
        threshold=THRESHOLDS,
        tp=tuple(tp_sum),
        fp=tuple(fp_sum),
        fn=tuple(references - found for found in tp_sum),
        sensitivity=_with_bootstrap(sensitivity, sensitivity_samples, references, cases),
        fp_per_scan=_with_bootstrap([count / cases for count in fp_sum], fp_per_scan_samples, cases, cases),
        references=references,
    )


def _with_bootstrap(
    values: Sequence[float | None], samples: np.ndarray, n: int, cases: int
) -> tuple[MetricSummary, ...]:
    enough = np.full(samples.shape[1], cases > 1)
    deviations = np.where(enough, standard_deviation(samples), np.nan)
    intervals = _intervals(samples, enough)
    return tuple(
        MetricSummary(value, _or_none(deviation), interval, n)
        for value, deviation, interval in zip(values, deviations, intervals, strict=True)
    )


def _intervals(samples: np.ndarray, enough: np.ndarray) -> list[Interval | None]:
    low, high = percentile_interval(samples)
    defined = enough & ~np.isnan(low)
    return [(float(low[i]), float(high[i])) if defined[i] else None for i in range(len(low))]


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
