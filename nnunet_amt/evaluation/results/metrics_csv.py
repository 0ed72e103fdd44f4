"""metrics.csv: every metric of every group of cases, a row each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from nnunet_amt.base.files import write_csv
from nnunet_amt.evaluation.summary.summary import CaseMetricSummary, GroupSummary, MetricSummary, SensitivitySummary

METRICS_COLUMNS = (
    *("group", "subgroup", "cases", "metric", "iou_threshold", "n", "mean", "sd", "ci95_low", "ci95_high"),
    *("wilson95_low", "wilson95_high", "median", "q1", "q3"),
)
Row = dict[str, object]


def write_metrics_csv(path: Path, overall: GroupSummary, subgroups: Sequence[tuple[str, str, GroupSummary]]) -> None:
    """Write a row a group, metric and threshold; undefined and withheld is empty.

    Parameters
    ----------
    path
        The file.
    overall
        All cases; their group and subgroup are both ``overall``.
    subgroups
        Group, subgroup and its metrics.
    """
    rows: list[Row] = []
    for group, subgroup, summary in [("overall", "overall", overall), *subgroups]:
        head: Row = {"group": group, "subgroup": subgroup, "cases": summary.cases}
        rows += [head | row for row in _rows(summary)]
    write_csv(path, METRICS_COLUMNS, rows)


def _rows(summary: GroupSummary) -> Iterator[Row]:
    for name, voxel_metric in summary.voxel.items():
        yield {"metric": name, **_cells(voxel_metric)}
    for name in ("sensitivity", "fp_per_scan"):
        metrics: tuple[MetricSummary, ...] = getattr(summary.lesion, name)
        for threshold, metric in zip(summary.lesion.threshold, metrics, strict=True):
            yield {"metric": name, "iou_threshold": threshold, **_cells(metric)}


def _cells(metric: MetricSummary) -> Row:
    cells: Row = {"n": metric.n, "mean": metric.mean, "sd": metric.sd, **_limits("ci95", metric.ci95)}
    if isinstance(metric, CaseMetricSummary):
        cells |= {"median": metric.median, "q1": metric.q1, "q3": metric.q3}
    if isinstance(metric, SensitivitySummary):
        cells |= _limits("wilson95", metric.wilson95)
    return cells


def _limits(name: str, interval: tuple[float, float] | None) -> Row:
    return {} if interval is None else {f"{name}_low": interval[0], f"{name}_high": interval[1]}
