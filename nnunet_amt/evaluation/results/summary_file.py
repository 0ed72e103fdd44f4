"""The results as summary.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnunet_amt import __version__
from nnunet_amt.base.files import write_json
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import GroupSummary, LesionSummary, MetricSummary

SCHEMA_VERSION = 2


def write_summary_json(
    path: Path,
    settings: EvaluationSettings,
    overall: GroupSummary,
    subgroups: Sequence[tuple[str, str, GroupSummary]],
) -> None:
    """Write the settings and the metrics of all cases and of each subgroup; undefined or withheld is null.

    The file obeys ``summary.schema.json`` beside this module.

    Parameters
    ----------
    path
        The file.
    settings
        Of the evaluation.
    overall
        All cases; with a reader's decisions the file says so under ``triage``.
    subgroups
        Group, subgroup and its metrics.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "software": {"name": "nnunet_amt", "version": __version__},
        "settings": asdict(settings),
        **_group(overall),
        **({} if overall.triage is None else {"triage": asdict(overall.triage)}),
        "subgroups": [{"group": group, "subgroup": name, **_group(summary)} for group, name, summary in subgroups],
    }
    write_json(path, content)


def _group(summary: GroupSummary) -> dict[str, Any]:
    return {
        "cases": summary.cases,
        "clusters": summary.clusters,
        "voxel": {name: asdict(metric) for name, metric in summary.voxel.items()},
        "lesion": _lesion(summary.lesion),
    }


def _lesion(lesion: LesionSummary) -> dict[str, Any]:
    return {
        "references": lesion.references,
        "threshold": lesion.threshold,
        "tp": lesion.tp,
        "fp": lesion.fp,
        "fn": lesion.fn,
        **_columns("sensitivity", lesion.sensitivity),
        "sensitivity_wilson95": [metric.wilson95 for metric in lesion.sensitivity],
        **_columns("fp_per_scan", lesion.fp_per_scan),
    }


def _columns(name: str, metrics: Sequence[MetricSummary]) -> dict[str, list[Any]]:
    return {
        name: [metric.mean for metric in metrics],
        f"{name}_sd": [metric.sd for metric in metrics],
        f"{name}_ci95": [metric.ci95 for metric in metrics],
    }
