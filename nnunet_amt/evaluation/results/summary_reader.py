"""summary.json read back: what tables and figures need of an evaluation that another process made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.voxel import VOXEL_METRICS
from nnunet_amt.evaluation.results.summary_file import SCHEMA_VERSION
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import (
    CaseMetricSummary,
    GroupSummary,
    Interval,
    LesionSummary,
    MetricSummary,
    SensitivitySummary,
)
from nnunet_amt.evaluation.summary.triage import TriageSummary

_ADVICE = "run nnunet_amt evaluate again"


@dataclass(frozen=True)
class EvaluationSummary:
    """The content of a summary.json, as `evaluate` had it in memory.

    Attributes
    ----------
    settings
        Of the evaluation.
    overall
        Metrics of all cases.
    subgroups
        Group, subgroup and its metrics.
    """

    settings: EvaluationSettings
    overall: GroupSummary
    subgroups: tuple[tuple[str, str, GroupSummary], ...]


def read_summary(path: Path) -> EvaluationSummary:
    """Read what `summary_file.write_summary_json` wrote; every number comes back as it was.

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
            settings=_settings(content["settings"]),
            overall=_group(content),
            subgroups=tuple((part["group"], part["subgroup"], _group(part)) for part in content["subgroups"]),
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


def _settings(content: Mapping[str, Any]) -> EvaluationSettings:
    known = {field.name for field in fields(EvaluationSettings)}
    if unknown := sorted(content.keys() - known):
        raise BadInputError(f"{unknown[0]!r} is not known to this release; {_ADVICE}")
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in content.items()}
    return EvaluationSettings(**values)


def _group(content: Mapping[str, Any]) -> GroupSummary:
    return GroupSummary(
        cases=content["cases"],
        voxel={name: _case_metric(content["voxel"][name]) for name in VOXEL_METRICS},
        lesion=_lesion(content["lesion"], content["cases"]),
        clusters=content["clusters"],
        triage=_triage(content.get("triage")),  # of the whole only, and only where a reader decided
    )


def _triage(content: Mapping[str, Any] | None) -> TriageSummary | None:
    if content is None:
        return None
    parts: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in content.items()}
    return TriageSummary(**parts)


def _case_metric(content: Mapping[str, Any]) -> CaseMetricSummary:
    parts = {name: content[name] for name in ("mean", "sd", "n", "median", "q1", "q3")}
    return CaseMetricSummary(ci95=_interval(content["ci95"]), **parts)


def _lesion(content: Mapping[str, Any], scans: int) -> LesionSummary:
    references = content["references"]
    return LesionSummary(
        threshold=tuple(content["threshold"]),
        tp=tuple(content["tp"]),
        fp=tuple(content["fp"]),
        fn=tuple(content["fn"]),
        sensitivity=tuple(
            SensitivitySummary(mean, sd, _interval(ci95), references, _interval(wilson95))
            for (mean, sd, ci95), wilson95 in zip(
                _columns(content, "sensitivity"), content["sensitivity_wilson95"], strict=True
            )
        ),
        fp_per_scan=tuple(
            MetricSummary(mean, sd, _interval(ci95), scans) for mean, sd, ci95 in _columns(content, "fp_per_scan")
        ),
        references=references,
    )


def _columns(content: Mapping[str, Any], name: str) -> list[tuple[Any, ...]]:
    """Give mean, SD and interval of each threshold."""
    return list(zip(content[name], content[f"{name}_sd"], content[f"{name}_ci95"], strict=True))


def _interval(limits: Sequence[float] | None) -> Interval | None:
    if limits is None:
        return None
    low, high = limits
    return low, high
