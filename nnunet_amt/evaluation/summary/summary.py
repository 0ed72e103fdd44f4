"""Metrics of a group of cases, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt.evaluation.measure.case import VOXEL_METRICS, CaseEvaluation
from nnunet_amt.evaluation.measure.lesions import THRESHOLDS
from nnunet_amt.evaluation.measure.surface_dice import SURFACE_DICE
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.triage import TriageSummary
from nnunet_amt.statistics.intervals import (
    fp_interval,
    percentile_interval,
    resampled_sums,
    sensitivity_interval,
    several_each,
    standard_deviation,
    sums_of_clusters,
    wilson_interval,
    with_width,
)

FEWEST_CASES = 20  # under which the percentile bootstrap's intervals are too narrow, and withheld

Interval = tuple[float, float]
_Bootstrap = tuple[float | None, Interval | None]  # SD and interval


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
        95% interval. Of a voxel metric the percentile bootstrap's, None where it is withheld: under 20 of what is
        drawn and has the metric, see `EvaluationSettings.ci_always`, and under two. Of a sensitivity Wilson's, of false
        positives per scan that of `rate_interval`; where patients or institutions of several cases are drawn the
        bootstrap's. A bootstrap without a width gives None.
    n
        Cases in which the metric is defined, or for sensitivity the reference lesions.
    """

    mean: float | None
    sd: float | None
    ci95: Interval | None
    n: int


@dataclass(frozen=True)
class CaseMetricSummary(MetricSummary):
    """A metric that every case has a value of.

    Attributes
    ----------
    median, q1, q3
        Median and quartiles of the cases, interpolated linearly between neighbours.
    """

    median: float | None
    q1: float | None
    q3: float | None


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
class SpecificitySummary:
    """The share of the scans without a tumour in which nothing is marked falsely.

    Attributes
    ----------
    scans
        Cases whose reference is empty; one or more.
    negative
        Those without a false positive lesion: nothing is predicted that is large enough to count, or that a reader has
        not accepted.
    false_positives
        Lesions in the others; the same number at every IoU threshold.
    wilson95
        Wilson's interval of the share; it takes scans for independent.
    """

    scans: int
    negative: int
    false_positives: int
    wilson95: Interval

    @property
    def value(self) -> float:
        """The specificity by scan."""
        return self.negative / self.scans


@dataclass(frozen=True)
class GroupSummary:
    """All metrics of a group of cases.

    Attributes
    ----------
    cases
        Their number.
    voxel
        By the names of `VOXEL_METRICS`; with `SURFACE_DICE` where surfaces were measured.
    lesion
        Of the pooled lesions.
    clusters
        Patients or institutions that resamples were drawn from; None if cases were drawn.
    triage
        What a reader decided on the candidate false positives; of all cases only, None without decisions.
    specificity
        By scan; None where every case has a tumour.
    """

    cases: int
    voxel: dict[str, CaseMetricSummary]
    lesion: LesionSummary
    clusters: int | None = None
    triage: TriageSummary | None = None
    specificity: SpecificitySummary | None = None

    @property
    def clustered(self) -> bool:
        """Whether what is drawn holds several cases; where it is so of all cases, no interval takes them for apart."""
        return self.clusters is not None and self.clusters < self.cases


NamedGroup = tuple[str, str, GroupSummary]  # group, subgroup and its metrics


@dataclass(frozen=True, eq=False)
class _Columns:
    """What is summed over cases: (cases, metrics) for `voxel`, (cases, thresholds) for `tp` and `fp`."""

    voxel: np.ndarray  # NaN where undefined
    tp: np.ndarray
    fp: np.ndarray
    references: np.ndarray  # (cases,)


@dataclass(frozen=True, eq=False)
class _Samples:
    """The metrics of each resample; NaN where undefined."""

    voxel: np.ndarray  # (resamples, metrics)
    sensitivity: np.ndarray  # (resamples, different columns of tp)
    fp_per_scan: np.ndarray  # (resamples, different columns of fp)
    tp_of_threshold: np.ndarray  # (thresholds,), index into the columns of `sensitivity`
    fp_of_threshold: np.ndarray  # (thresholds,), index into the columns of `fp_per_scan`


def summarise(
    cases: Sequence[CaseEvaluation], *, settings: EvaluationSettings, clusters: Mapping[str, str] | None = None
) -> GroupSummary:
    """Average the voxel metrics over cases, pool the lesions, and bootstrap both over the same resamples.

    There is at least one case. `clusters` are the patients or institutions of all evaluated cases, by case id, where
    they are drawn; where each of all has one case, drawing them is drawing cases.
    """
    columns = _Columns(
        voxel=_voxel_values(cases, settings),
        tp=np.array([case.lesions.tp for case in cases], dtype=float),
        fp=np.array([case.lesions.fp for case in cases], dtype=float),
        references=np.array([len(case.counts.reference_voxels) for case in cases], dtype=float),
    )
    drawn = None if clusters is None else [clusters[case.case_id] for case in cases]
    joint = None if clusters is None or several_each(list(clusters.values())) is None else drawn
    samples = _resample(columns, settings, joint)
    fewest = 2 if settings.ci_always else FEWEST_CASES
    return GroupSummary(
        cases=len(cases),
        voxel=_voxel_summaries(columns.voxel, samples, fewest, joint),
        lesion=_lesion_summary(columns, samples, fewest, joint),
        clusters=None if drawn is None else len(set(drawn)),
        specificity=specificity_of(
            [int(case.lesions.fp[0]) for case in cases if not len(case.counts.reference_voxels)]
        ),
    )


def _voxel_values(cases: Sequence[CaseEvaluation], settings: EvaluationSettings) -> np.ndarray:
    """Give `VOXEL_METRICS` of each case, and `SURFACE_DICE` where it was measured; NaN where undefined."""
    rows = [[getattr(case.voxel, name) for name in VOXEL_METRICS] for case in cases]
    if settings.surface_distances:
        rows = [[*row, case.counts.surface_dice] for row, case in zip(rows, cases, strict=True)]
    return np.array(rows, dtype=float)


def specificity_of(false_positives: Sequence[int]) -> SpecificitySummary | None:
    """Summarise scans without a tumour by the false positive lesions in each; None where there is no such scan."""
    if not false_positives:
        return None
    negative = sum(count == 0 for count in false_positives)
    wilson = wilson_interval(negative, len(false_positives))
    return SpecificitySummary(len(false_positives), negative, sum(false_positives), wilson)


def _resample(columns: _Columns, settings: EvaluationSettings, clusters: Sequence[str] | None) -> _Samples | None:
    """Bootstrap all metrics at once; None where there is but one case or institution to draw from."""
    defined = ~np.isnan(columns.voxel)
    # in a small group most thresholds agree in every case: they are resampled once
    tp, tp_of_threshold = np.unique(columns.tp, axis=1, return_inverse=True)
    fp, fp_of_threshold = np.unique(columns.fp, axis=1, return_inverse=True)
    parts = [
        *(np.where(defined, columns.voxel, 0.0), defined, tp, fp),
        *(columns.references[:, None], np.ones((len(defined), 1))),
    ]
    rows = np.hstack(parts)
    if clusters is not None:
        rows = sums_of_clusters(rows, clusters)
    if len(rows) < 2:
        return None
    edges = np.cumsum([part.shape[1] for part in parts[:-1]])
    sums = np.split(resampled_sums(rows, resamples=settings.bootstrap_resamples, seed=settings.seed), edges, axis=1)
    voxel_sum, voxel_n, tp_sum, fp_sum, reference_sum, scans = sums
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: undefined in that resample
        return _Samples(voxel_sum / voxel_n, tp_sum / reference_sum, fp_sum / scans, tp_of_threshold, fp_of_threshold)


def _voxel_summaries(
    voxel: np.ndarray, samples: _Samples | None, fewest: int, clusters: Sequence[str] | None
) -> dict[str, CaseMetricSummary]:
    defined = ~np.isnan(voxel)
    n = defined.sum(axis=0)
    drawn = n if clusters is None else (sums_of_clusters(defined.astype(float), clusters) > 0).sum(axis=0)
    deviations = standard_deviation(voxel)
    intervals = _intervals(None if samples is None else samples.voxel, drawn >= fewest)
    summaries = {}
    for column, name in enumerate((*VOXEL_METRICS, SURFACE_DICE)[: voxel.shape[1]]):
        values = voxel[:, column][~np.isnan(voxel[:, column])]
        q1, median, q3 = np.percentile(values, (25, 50, 75)).tolist() if values.size else (None, None, None)
        summaries[name] = CaseMetricSummary(
            mean=float(values.mean()) if values.size else None,
            sd=_or_none(deviations[column]),
            ci95=intervals[column],
            n=int(n[column]),
            median=median,
            q1=q1,
            q3=q3,
        )
    return summaries


def _lesion_summary(
    columns: _Columns, samples: _Samples | None, fewest: int, clusters: Sequence[str] | None
) -> LesionSummary:
    cases, references, clustered = len(columns.tp), int(columns.references.sum()), clusters is not None
    tp, fp = columns.tp.sum(axis=0).astype(int).tolist(), columns.fp.sum(axis=0).astype(int).tolist()
    of_tp: list[_Bootstrap] = [(None, None)] * len(THRESHOLDS)
    of_fp = of_tp
    if samples is not None:
        drawn = np.stack([columns.references, np.ones(cases)], axis=1)
        drawn = drawn if clusters is None else sums_of_clusters(drawn, clusters)
        with_lesions, enough = ((drawn > 0).sum(axis=0) >= fewest).tolist()
        of_tp = _bootstraps(samples.sensitivity, samples.tp_of_threshold, enough=with_lesions)
        of_fp = _bootstraps(samples.fp_per_scan, samples.fp_of_threshold, enough=enough)
    sensitivity, fp_per_scan = [], []
    for found, (deviation, bootstrap) in zip(tp, of_tp, strict=True):
        share = found / references if references else None
        interval = None if share is None else sensitivity_interval(found, references, bootstrap, clustered=clustered)
        sensitivity.append(MetricSummary(share, deviation, interval, references))
    for count, (deviation, bootstrap) in zip(fp, of_fp, strict=True):
        interval = fp_interval(count, cases, bootstrap, clustered=clustered)
        fp_per_scan.append(MetricSummary(count / cases, deviation, interval, cases))
    return LesionSummary(
        threshold=THRESHOLDS,
        tp=tuple(tp),
        fp=tuple(fp),
        fn=tuple(references - found for found in tp),
        sensitivity=tuple(sensitivity),
        fp_per_scan=tuple(fp_per_scan),
        references=references,
    )


def _bootstraps(samples: np.ndarray, column_of_threshold: np.ndarray, *, enough: bool) -> list[_Bootstrap]:
    """Give SD and interval at each threshold."""
    deviations = [_or_none(deviation) for deviation in standard_deviation(samples)]
    intervals = _intervals(samples, np.full(samples.shape[1], enough))
    return [(deviations[column], intervals[column]) for column in column_of_threshold]


def _intervals(samples: np.ndarray | None, enough: np.ndarray) -> list[Interval | None]:
    if samples is None or not enough.any():
        return [None] * len(enough)
    low, high = percentile_interval(samples)
    return [with_width((float(low[i]), float(high[i]))) if enough[i] else None for i in range(len(low))]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
