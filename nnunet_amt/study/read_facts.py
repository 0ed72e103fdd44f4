"""Read what the checklists ask for from the files of a study; nothing is computed that they do not hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import read_rows
from nnunet_amt.base.run_record import newest_run
from nnunet_amt.evaluation.measure.features import FEATURES
from nnunet_amt.evaluation.results.read_results import read_cases
from nnunet_amt.evaluation.results.summary_json import read_summary
from nnunet_amt.evaluation.subjects import subjects_in
from nnunet_amt.statistics.tests import SIGNIFICANT_P, smallest_rank_p
from nnunet_amt.study.facts import (
    DatasetFacts,
    EvaluationFacts,
    FailureFacts,
    RunFacts,
    SetFacts,
    StudyFacts,
)
from nnunet_amt.study.model_facts import chain_of_runs, model_facts
from nnunet_amt.study.study import Study
from nnunet_amt.study.study_files import AUDIT, COMPARISON, DESCRIPTION, FAILURES, read_part

_CASE_CODE = re.compile(r"AMT-\d{4,}")
_INSTITUTION_CODE = re.compile(r"institution-\d{4,}")
_COMPARED = re.compile(r"CTs compared voxel for voxel: (\d{1,9}),")
_NUMBER = re.compile(r"\d+(\.\d*)?")
# Figures of an evaluation, and what they show.
_PLOTS = {
    "froc": "FROC over the thresholds",
    "dice_by_size": "Dice against tumour size",
    "volumes": "Bland-Altman of volumes",
    "institutions": "Dice by institution",
    "score_froc": "FROC over the model's probability",
}

Rows = Sequence[Mapping[str, str]]


def facts_of(study: Study) -> StudyFacts:
    """Gather the facts of a study; parts that are missing or were not made by nnunet_amt stay None.

    Raises
    ------
    BadInputError
        If the evaluation's summary.json or cases.csv cannot be read.
    """
    cohort = _cohort_rows(study)
    runs = chain_of_runs(study)
    evaluation = _evaluation(study, cohort, runs)
    description = read_part(study.dataset / "dataset.json", DESCRIPTION, "convert") if study.dataset else {}
    return StudyFacts(
        dataset=_dataset(study.dataset, cohort),
        model=model_facts(study),
        evaluation=evaluation,
        failures=_failures(study.failures),
        comparison=_compared_models(study.comparison),
        runs=_runs(runs),
        subjects=subjects_in(description) or evaluation.summary.subjects,
    )


def _cohort_rows(study: Study) -> Rows:
    """Give the lines of the cohort file; the dataset's lists the training cases too."""
    of_dataset = study.dataset / "cohort.csv" if study.dataset else None
    path = of_dataset if of_dataset and of_dataset.is_file() else study.evaluation.cohort
    return read_rows(path) if path and path.is_file() else []


def _dataset(folder: Path | None, cohort: Rows) -> DatasetFacts | None:
    if folder is None:
        return None
    description = read_part(folder / "dataset.json", DESCRIPTION, "convert")
    audit = read_part(folder / "audit.json", AUDIT, "convert")
    converted_by, converted = description.get("converted_by"), newest_run(folder, "convert")
    reading = converted["settings"].get("reading") if converted else None
    checks = audit.get("checks", [])
    compared = (_COMPARED.match(check["check"]) for check in checks if check["passed"])
    return DatasetFacts(
        name=folder.name,
        converted_by=converted_by,
        label_origin=description.get("label_origin"),
        reference=description.get("cohort_reference"),
        intensity_floor_hu=description.get("intensity_floor_hu"),
        identified=audit.get("identified"),
        excluded=audit.get("excluded"),
        excluded_by_reason=audit.get("excluded_by_reason", {}),
        sets={name: _set(counts) for name, counts in audit.get("splits", {}).items()},
        total=_set(audit["included"]) if "included" in audit else None,
        without_tumour=sum(counts.get("without_tumour", 0) for counts in audit.get("splits", {}).values()),
        audited=bool(checks) and all(check["passed"] for check in checks),
        shared_institutions=audit.get("institutions_of_both_training_and_tuning", 0),
        compared_voxels=next((int(match[1]) for match in compared if match), 0),
        cases=len(cohort),
        known={name: sum(bool(row[name]) for row in cohort) for name in (cohort[0] if cohort else {})},
        manufacturers=dict(Counter(row["manufacturer"] for row in cohort if row.get("manufacturer"))),
        slice_thickness_mm=_range(row.get("slice_thickness_mm", "") for row in cohort),
        coded=_coded(cohort, converted),
        seed=converted["seed"] if converted and isinstance(converted.get("seed"), int) else None,
        options_recorded=isinstance(reading, dict),
        options=tuple(name for name, given in reading.items() if given is True) if isinstance(reading, dict) else (),
        table_1=(folder / "table1.csv").is_file(),
        flow_figure=(folder / "flow.png").is_file(),
    )


def _set(counts: Mapping[str, int]) -> SetFacts:
    return SetFacts(counts["cases"], counts["patients"], counts["institutions"])


def _coded(cohort: Rows, converted: Mapping[str, Any] | None) -> bool | None:
    """Whether names are codes, by the record of the conversion; None where it says nothing, or other names stand."""
    kept = converted["settings"].get("keep_case_ids") if converted else None
    if kept is None:
        return None
    return False if kept else (bool(cohort) and all(map(_is_coded, cohort))) or None


def _is_coded(row: Mapping[str, str]) -> bool:
    return bool(_CASE_CODE.fullmatch(row["case_id"]) and _INSTITUTION_CODE.fullmatch(row.get("institution", "")))


def _range(texts: Iterable[str]) -> tuple[float, float] | None:
    values = [float(text) for text in texts if _NUMBER.fullmatch(text)]
    return (min(values), max(values)) if values else None


def _evaluation(study: Study, cohort: Rows, runs: Sequence[Mapping[str, Any]]) -> EvaluationFacts:
    folder = study.evaluation.path
    summary, cases = read_summary(folder), read_cases(folder)
    by_id = {row["case_id"]: row for row in cohort}
    known = [by_id.get(case.case_id, {}) for case in cases]
    evaluated = [run for run in runs if run["stage"] == "evaluate"]
    triage = summary.overall.triage
    return EvaluationFacts(
        summary=summary,
        cases_by_set=dict(Counter(row.get("split", "") for row in known)) if cohort else {},
        institutions=len({row["institution"] for row in known})
        if all(row.get("institution") for row in known)
        else None,
        version=summary.version,
        without_tumour=sum(case.reference_lesions == 0 for case in cases),
        missing_as_empty=evaluated[-1]["settings"].get("missing_as_empty") if evaluated else None,
        component_analysis=(folder / "component_analysis.json").is_file(),
        institution_figure=(folder / "institutions.svg").is_file(),
        plots=tuple(shown for name, shown in _PLOTS.items() if (folder / f"{name}.png").is_file()),
        accepted=triage.accepted if triage else None,
        candidates=triage.candidates if triage else None,
    )


def _failures(folder: Path | None) -> FailureFacts | None:
    if folder is None:
        return None
    content = read_part(folder / "failures.json", FAILURES, "failures")
    cases = read_rows(folder / "failure_cases.csv", "segmentation", "group", "detection")
    how = Counter(case["segmentation"] for case in cases)
    features, group_size = content.get("features", []), sum(case["group"] == "bottom" for case in cases)
    return FailureFacts(
        group_size=group_size,
        over=how["over"],
        under=how["under"],
        balanced=how["balanced"],
        missed=sum(case["detection"] == "missed" for case in cases),
        differing_features=tuple(
            _feature_title(str(feature["feature"]))
            for feature in features
            if feature.get("p_holm") is not None and feature["p_holm"] < SIGNIFICANT_P
        ),
        can_differ=_can_differ(features, group_size),
    )


def _can_differ(features: Sequence[Mapping[str, Any]], group_size: int) -> bool:
    """Whether features were tested, and groups of this size could show a difference of any."""
    tested = sum(feature.get("p_holm") is not None for feature in features)
    return tested > 0 and smallest_rank_p(group_size) * tested <= SIGNIFICANT_P


def _feature_title(name: str) -> str:
    feature = next((feature for feature in FEATURES if feature.name == name), None)
    if feature is None:
        return name
    return feature.title.lower() + (" of the CT numbers" if feature.kind == "intensity" else "")


def _compared_models(folder: Path | None) -> tuple[str, ...] | None:
    if folder is None:
        return None
    models = read_part(folder / "comparison.json", COMPARISON, "compare").get("models", [])
    return tuple(model["name"] for model in models)


def _runs(runs: Sequence[Mapping[str, Any]]) -> RunFacts:
    software: dict[str, dict[str, None]] = {}
    devices: dict[str, list[str]] = {}
    for run in runs:
        for name, version in run.get("software", {}).items():
            software.setdefault(name, {})[version] = None
        devices.setdefault(_machine(run.get("machine", {})), []).append(run["stage"])
    return RunFacts(
        stages=tuple(dict.fromkeys(run["stage"] for run in runs)),
        software={name: tuple(versions) for name, versions in software.items()},
        devices=tuple(
            f"{machine} ({', '.join(dict.fromkeys(stages))})" for machine, stages in devices.items() if machine
        ),
        seeds={run["stage"]: run["seed"] for run in runs if run.get("seed") is not None},
    )


def _machine(machine: Mapping[str, Any]) -> str:
    device = machine.get("gpu") or machine.get("device", "")
    cores = f"{machine['cores']} CPU cores" if "cores" in machine else ""
    if device == "cpu":
        device = ""
    return ", ".join(str(part) for part in (machine.get("system"), device, cores) if part)
