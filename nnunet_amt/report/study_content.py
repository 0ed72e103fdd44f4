"""Everything that the page tells of a study, read once."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import read_record
from nnunet_amt.evaluation.results.read_results import (
    EvaluatedCase,
    FailedCase,
    read_cases,
    read_failed_cases,
    worst_first,
)
from nnunet_amt.evaluation.results.summary_json import EvaluationSummary, read_summary
from nnunet_amt.evaluation.summary.cohort_groups import read_cohort_rows
from nnunet_amt.report.circumstances import Background
from nnunet_amt.study import Study
from nnunet_amt.study.facts import StudyFacts, facts_of
from nnunet_amt.study.model_runs import chain_of_runs

Run = Mapping[str, Any]
# A page must not change because a page was written before.
_STAGES_OF_PAGES = ("report", "figures")


@dataclass(frozen=True)
class StudyContent:
    """A study as the sections take it.

    Attributes
    ----------
    study
        Where everything stands.
    summary
        Of the evaluation.
    cases
        Lowest Dice first.
    failed
        The failure analysis by case; empty without one.
    background
        What a case is held against.
    audit, description
        Of the dataset: ``audit.json`` and ``dataset.json``; empty without a dataset.
    facts
        What the checklists are answered from.
    runs
        Folder (relative to the study) and record of every run, oldest first; those of pictures and pages left out.
    chain
        Those of them that the evaluation rests on, of no other model.
    """

    study: Study
    summary: EvaluationSummary
    cases: tuple[EvaluatedCase, ...]
    failed: Mapping[str, FailedCase]
    background: Background
    audit: Mapping[str, Any]
    description: Mapping[str, Any]
    facts: StudyFacts
    runs: tuple[tuple[str, Run], ...]
    chain: tuple[Run, ...]

    @property
    def tested(self) -> Mapping[str, Mapping[str, str]]:
        """Rows of the evaluated cases in cohort.csv; empty where none is known."""
        return self.background.cohort

    @property
    def institutions(self) -> int | None:
        """Institutions of the evaluated cases; None where they are not known of all."""
        names = [row.get("institution", "") for row in self.tested.values()]
        return len(set(names)) if names and all(names) else None

    @property
    def unseen(self) -> bool:
        """Whether every evaluated case is of the external test set of a split whose audit was passed."""
        external = [row.get("split") == "external" for row in self.tested.values()]
        return bool(external) and all(external) and bool(self.audit.get("checks"))

    def newest_run(self, stage: str) -> Run | None:
        """Give the last run of a stage that the evaluation rests on; None if there is no record of one."""
        return next((run for run in reversed(self.chain) if run.get("stage") == stage), None)

    def path(self, path: Path) -> str:
        """Name a path from the study's folder."""
        return shown_path(path, self.study.folder)


def read_study_content(study: Study) -> StudyContent:
    """Read the results, the failure analysis and what is told of the cases.

    Raises
    ------
    BadInputError
        If a file of results is missing or broken.
    """
    evaluation = study.evaluation
    summary = read_summary(evaluation.path / "summary.json")
    rule = summary.settings.false_positive_rule
    cases = tuple(sorted(read_cases(evaluation.path, false_positives=rule), key=worst_first))
    failed = read_failed_cases(study.failures)
    cohort_file = evaluation.cohort
    case_ids = [case.case_id for case in cases]
    cohort = {} if cohort_file is None else read_cohort_rows(cohort_file, case_ids)
    training = () if study.dataset is None else _training_rows(study.dataset / "cohort.csv")
    return StudyContent(
        study=study,
        summary=summary,
        cases=cases,
        failed=failed,
        background=Background(cases, failed, cohort, training),
        audit={} if study.dataset is None else read_record(study.dataset / "audit.json"),
        description={} if study.dataset is None else read_record(study.dataset / "dataset.json"),
        facts=facts_of(study),
        runs=tuple((str(where), run) for where, run in study.records if run.get("stage") not in _STAGES_OF_PAGES),
        chain=tuple(chain_of_runs(study)),
    )


def shown_path(path: Path, folder: Path) -> str:
    """Name a path from a folder; one that is not below it by its last name alone, since the way there may tell."""
    resolved, base = path.resolve(), folder.resolve()
    return resolved.relative_to(base).as_posix() if resolved.is_relative_to(base) else resolved.name


def study_command(content: StudyContent, *words: str | Path) -> str:
    """Write a command of ours with paths as they are named from the study's folder."""
    shown = [content.path(word) if isinstance(word, Path) else word for word in words]
    return shlex.join(["nnunet_amt", *shown])


def _training_rows(path: Path) -> Sequence[Mapping[str, str]]:
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row for row in csv.DictReader(file) if row.get("split") == "training"]
