"""summary.json: the settings and every metric of an evaluation, written and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nnunet_amt import __version__
from nnunet_amt.base.files import write_json
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import VOXEL_METRICS
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import (
    CaseMetricSummary,
    GroupSummary,
    Interval,
    LesionSummary,
    MetricSummary,
    NamedGroup,
    SpecificitySummary,
)
from nnunet_amt.evaluation.summary.triage import TriageSummary

SCHEMA_VERSION = 3  # 2: the intervals of lesion metrics were the bootstrap's
_ADVICE = "run nnunet_amt evaluate again"


def write_summary_json(
    path: Path,
    *,
    settings: EvaluationSettings,
    overall: GroupSummary,
    subgroups: Sequence[NamedGroup],
) -> None:
    """Write the settings and the metrics of all cases and of each subgroup; undefined or withheld is null.

    The file obeys ``summary.schema.json`` beside this module. A reader's decisions stand under ``triage``; there is a
    ``specificity`` where cases have no tumour.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "software": {"name": "nnunet_amt", "version": __version__},
        "settings": asdict(settings),
        **_group_json(overall),
        **({} if overall.triage is None else {"triage": asdict(overall.triage)}),
        "subgroups": [{"group": group, "subgroup": name, **_group_json(summary)} for group, name, summary in subgroups],
    }
    write_json(path, content)


def _group_json(summary: GroupSummary) -> dict[str, Any]:
    lesion = summary.lesion
    return {
        "cases": summary.cases,
        "clusters": summary.clusters,
        "voxel": {name: asdict(metric) for name, metric in summary.voxel.items()},
        **specificity_json(summary.specificity),
        "lesion": {
            "references": lesion.references,
            "threshold": lesion.threshold,
            "tp": lesion.tp,
            "fp": lesion.fp,
            "fn": lesion.fn,
            **_columns_json("sensitivity", lesion.sensitivity),
            **_columns_json("fp_per_scan", lesion.fp_per_scan),
        },
    }


def specificity_json(found: SpecificitySummary | None) -> dict[str, Any]:
    """Give the entry ``specificity``; none where every case has a tumour."""
    return {} if found is None else {"specificity": asdict(found) | {"value": found.value}}


def _columns_json(name: str, metrics: Sequence[MetricSummary]) -> dict[str, list[Any]]:
    return {
        name: [metric.mean for metric in metrics],
        f"{name}_sd": [metric.sd for metric in metrics],
        f"{name}_ci95": [metric.ci95 for metric in metrics],
    }


@dataclass(frozen=True)
class EvaluationSummary:
    """The content of a summary.json, as `evaluate` had it in memory."""

    settings: EvaluationSettings
    overall: GroupSummary
    subgroups: tuple[NamedGroup, ...]


def read_summary(path: Path) -> EvaluationSummary:
    """Read what `write_summary_json` wrote; every number comes back as it was.

    Parameters
    ----------
    path
        ``summary.json`` of an evaluation, or the folder it is in.

    Raises
    ------
    BadInputError
        If there is no such file, it is of another schema version, or it is broken.
    """
    if path.is_dir():
        path = path / "summary.json"
    content = _content(path)
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        raise BadInputError(
            f"{path}: has the schema version {version!r}, this release reads {SCHEMA_VERSION}; {_ADVICE}"
        )
    try:
        return EvaluationSummary(
            settings=_read_settings(content["settings"]),
            overall=_read_group(content),
            subgroups=tuple((part["group"], part["subgroup"], _read_group(part)) for part in content["subgroups"]),
        )
    except BadInputError as error:
        raise BadInputError(f"{path}: settings: {error}") from error
    except KeyError as error:
        raise BadInputError(f"{path}: lacks {error}; {_ADVICE}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise BadInputError(f"{path}: does not hold what evaluate writes ({error}); {_ADVICE}") from error


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror}); {_ADVICE}") from error
    except ValueError as error:
        raise BadInputError(f"{path}: is no JSON ({error}); {_ADVICE}") from error
    if not isinstance(content, dict):
        raise BadInputError(f"{path}: is no summary of an evaluation; {_ADVICE}")
    return content


def _read_settings(content: Mapping[str, Any]) -> EvaluationSettings:
    known = {field.name for field in fields(EvaluationSettings)}
    if unknown := sorted(content.keys() - known):
        raise BadInputError(f"{unknown[0]!r} is not known to this release; {_ADVICE}")
    return EvaluationSettings(**_with_tuples(content))


def _with_tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a dataclass, whose tuples are lists in JSON."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _read_group(content: Mapping[str, Any]) -> GroupSummary:
    voxel = {}
    for name in VOXEL_METRICS:
        metric = content["voxel"][name]
        parts = {part: metric[part] for part in ("mean", "sd", "n", "median", "q1", "q3")}
        voxel[name] = CaseMetricSummary(ci95=_read_interval(metric["ci95"]), **parts)
    triage = content.get("triage")  # of the whole only, and only where a reader decided
    specificity = content.get("specificity")  # only where cases have no tumour
    return GroupSummary(
        cases=content["cases"],
        voxel=voxel,
        lesion=_read_lesion(content["lesion"], content["cases"]),
        clusters=content["clusters"],
        triage=None if triage is None else TriageSummary(**_with_tuples(triage)),
        specificity=None if specificity is None else _read_specificity(specificity),
    )


def _read_specificity(content: Mapping[str, Any]) -> SpecificitySummary:
    low, high = content["wilson95"]
    return SpecificitySummary(content["scans"], content["negative"], content["false_positives"], (low, high))


def _read_lesion(content: Mapping[str, Any], scans: int) -> LesionSummary:
    references = content["references"]
    return LesionSummary(
        threshold=tuple(content["threshold"]),
        tp=tuple(content["tp"]),
        fp=tuple(content["fp"]),
        fn=tuple(content["fn"]),
        sensitivity=tuple(
            MetricSummary(mean, sd, _read_interval(ci95), references)
            for mean, sd, ci95 in _read_columns(content, "sensitivity")
        ),
        fp_per_scan=tuple(
            MetricSummary(mean, sd, _read_interval(ci95), scans)
            for mean, sd, ci95 in _read_columns(content, "fp_per_scan")
        ),
        references=references,
    )


def _read_columns(content: Mapping[str, Any], name: str) -> list[tuple[Any, ...]]:
    """Give mean, SD and interval of each threshold."""
    return list(zip(content[name], content[f"{name}_sd"], content[f"{name}_ci95"], strict=True))


def _read_interval(limits: Sequence[float] | None) -> Interval | None:
    if limits is None:
        return None
    low, high = limits
    return low, high
