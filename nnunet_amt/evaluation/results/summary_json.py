"""summary.json: the settings and every metric of an evaluation, written and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from nnunet_amt import __version__
from nnunet_amt.base.files import write_json
from nnunet_amt.base.json_file import NUMBER, misfit, read_json
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import VOXEL_METRICS
from nnunet_amt.evaluation.measure.lesions import THRESHOLDS
from nnunet_amt.evaluation.measure.surface_dice import SURFACE_DICE
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.subgroups import TUMOUR_GROUP, WITH_TUMOUR
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

# 2: the intervals of lesion metrics were the bootstrap's; 3: those of voxel metrics could have no width
SCHEMA_VERSION = 5
_ADVICE = "run nnunet_amt evaluate again"
# The form of what is read; ``summary.schema.json`` says more.
_NUMBER = (*NUMBER, None)
_INTERVAL = ([NUMBER], None)
_METRIC = {**dict.fromkeys(("mean", "sd", "median", "q1", "q3"), _NUMBER), "n": int, "ci95": _INTERVAL}
_LESION = {
    "references": int,
    "threshold": [NUMBER],
    **{name: [int] for name in ("tp", "fp", "fn")},
    **{name: [_NUMBER] for name in ("sensitivity", "sensitivity_sd", "fp_per_scan", "fp_per_scan_sd")},
    **{name: [_INTERVAL] for name in ("sensitivity_ci95", "fp_per_scan_ci95")},
}
_GROUP = {
    "cases": int,
    "clusters": (int, None),
    "voxel": dict.fromkeys((*VOXEL_METRICS, f"{SURFACE_DICE}?"), _METRIC),
    "lesion": _LESION,
    "specificity?": {**dict.fromkeys(("scans", "negative", "false_positives"), int), "wilson95": [NUMBER]},
}
_TRIAGE = {
    **dict.fromkeys(("file", "sha256"), str),
    **dict.fromkeys(("candidates", "accepted", "dismissed"), int),
    "threshold": [NUMBER],
    "fp_without_triage": [int],
    "fp_per_scan_without_triage": [NUMBER],
}
_SUMMARY = {
    **_GROUP,
    "software?": {"version?": str},
    "settings": {"ci_always?": bool, "surface_distances?": bool, "subgroup_columns?": [str]},
    "subjects?": (str, None),
    "triage?": _TRIAGE,
    "subgroups": [{**_GROUP, "group": str, "subgroup": str}],
}


def write_summary_json(
    path: Path,
    *,
    settings: EvaluationSettings,
    overall: GroupSummary,
    subgroups: Sequence[NamedGroup],
    subjects: str | None = None,
    operating_point: Mapping[str, Any] | None = None,
) -> None:
    """Write the settings, of what the cases are, and the metrics of all and of each subgroup; undefined is null.

    The file obeys ``summary.schema.json`` beside this module. A reader's decisions stand under ``triage``; there is a
    ``specificity`` where cases have no tumour, and a surface Dice where surfaces were measured. Of an operating point
    there is its name, what it does, and its figures on the tuning cases and here.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "software": {"name": "nnunet_amt", "version": __version__},
        "settings": asdict(settings),
        "subjects": subjects,
        **({} if operating_point is None else {"operating_point": operating_point}),
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
    """The content of a summary.json, as `evaluate` had it in memory, and the version that wrote it.

    `subjects` is of what the cases are; None if no record said so.
    """

    settings: EvaluationSettings
    overall: GroupSummary
    subgroups: tuple[NamedGroup, ...]
    version: str = field(default="not recorded", compare=False)
    subjects: str | None = None

    @property
    def tumour_dice(self) -> CaseMetricSummary:
        """Dice over the cases with a tumour: in the others one of 0 tells of a false alarm, not of an outline."""
        if self.overall.specificity is None:
            return self.overall.voxel["dice"]
        parts = {(group, name): summary for group, name, summary in self.subgroups}
        with_tumour = parts.get((TUMOUR_GROUP, WITH_TUMOUR))
        nothing = CaseMetricSummary(None, None, None, 0, None, None, None)
        return nothing if with_tumour is None else with_tumour.voxel["dice"]


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
    content = read_json(path, advice=_ADVICE)
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        raise BadInputError(
            f"{path}: has the schema version {version!r}, this release reads {SCHEMA_VERSION}; {_ADVICE}"
        )
    if reason := misfit(content, _SUMMARY):
        raise BadInputError(f"{path}: does not hold what evaluate writes ({reason}); {_ADVICE}")
    try:
        return EvaluationSummary(
            settings=_read_settings(content["settings"]),
            overall=_read_group(content),
            subgroups=tuple((part["group"], part["subgroup"], _read_group(part)) for part in content["subgroups"]),
            version=content.get("software", {}).get("version", EvaluationSummary.version),
            subjects=content.get("subjects"),
        )
    except BadInputError as error:
        raise BadInputError(f"{path}: settings: {error}") from error
    except (TypeError, ValueError) as error:
        raise BadInputError(f"{path}: does not hold what evaluate writes ({error}); {_ADVICE}") from error


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
    for name in (*VOXEL_METRICS, *([SURFACE_DICE] if SURFACE_DICE in content["voxel"] else [])):
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
        triage=None if triage is None else _read_triage(triage),
        specificity=None if specificity is None else _read_specificity(specificity),
    )


def _read_specificity(content: Mapping[str, Any]) -> SpecificitySummary:
    low, high = content["wilson95"]
    return SpecificitySummary(content["scans"], content["negative"], content["false_positives"], (low, high))


def _read_triage(content: Mapping[str, Any]) -> TriageSummary:
    triage = TriageSummary(**_with_tuples(content))
    if not len(triage.threshold) == len(triage.fp_without_triage) == len(triage.fp_per_scan_without_triage):
        raise ValueError("its triage has not a value for each threshold")
    return triage


def _read_lesion(content: Mapping[str, Any], scans: int) -> LesionSummary:
    references = content["references"]
    columns = [content[name] for name in ("tp", "fp", "fn", "sensitivity", "fp_per_scan")]
    if tuple(content["threshold"]) != THRESHOLDS or any(len(values) != len(THRESHOLDS) for values in columns):
        raise ValueError(f"its thresholds are not the {len(THRESHOLDS)} of this release, with values for each")
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
