"""Everything that the page tells of a study, read once."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import read_rows
from nnunet_amt.base.run_record import newest_run, shareable_path
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.results.read_results import (
    EvaluatedCase,
    FailedCase,
    read_cases,
    read_failed_cases,
    worst_first,
)
from nnunet_amt.evaluation.results.summary_json import EvaluationSummary, read_summary
from nnunet_amt.evaluation.results.tables import read_tables
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.cohort_groups import read_cohort_rows
from nnunet_amt.report.case_story import Background, CohortRow
from nnunet_amt.study import Study
from nnunet_amt.study.facts import StudyFacts
from nnunet_amt.study.model_facts import chain_of_runs
from nnunet_amt.study.read_facts import facts_of
from nnunet_amt.study.risk_results import RiskResult, read_risk_results
from nnunet_amt.study.study import label_map_in, read_from
from nnunet_amt.study.study_files import AUDIT, COMPARISON, DESCRIPTION, read_part
from nnunet_amt.writing.table import Document, Table, table_from_json

Run = Mapping[str, Any]
UNTOLD_WAY = "WAY_TO"  # stands in a command for the way to a folder that would name a person
TRIAGED = "_triaged"  # ends the name of an evaluation that a reader's decisions were counted in
# A page must not change because a page was written before.
_STAGES_OF_PAGES = ("report", "figures")
_RUN_RECORDS_SCHEMA = 1
# Options of our commands that are not named as the settings are; for the resamples there is none.
_OPTIONS = {"minimum_predicted_voxels": "--minimum-voxels", "subgroup_columns": "--subgroup"}
_WITHOUT_OPTION = ("bootstrap_resamples",)
# What the failure analysis counts lesions by.
_COUNTING = ("connectivity", "minimum_predicted_voxels", "false_positive_rule", "foreground")
_FOLDERS = re.compile(r"(?<!\S)(?:[A-Za-z]:)?[/\\](?:[^\s/\\:]+[/\\])*")  # those before a name


@dataclass(frozen=True)
class StudyContent:
    """A study as the sections take it.

    Attributes
    ----------
    cases
        Lowest Dice first.
    failed
        The failure analysis by case; empty without one.
    tested
        Rows of the evaluated cases in cohort.csv, by case; empty where none is known.
    training
        Rows of the training cases in the dataset's cohort.csv.
    audit, description
        Of the dataset: ``audit.json`` and ``dataset.json``; empty without a dataset.
    comparison
        Sentences and tables of ``comparison.json``; None without one.
    component_tables, failure_tables, cohort_tables
        Of the analysis of lesion definitions, the failure analysis and the dataset; None where they were not written,
        or by a version that wrote no tables for programs.
    risk
        Of the study of risk in the study's folder those tasks that have an evaluation or readers, see `RISK_TASKS`.
    runs
        Folder (relative to the study) and record of every run, oldest first; those of pictures and pages left out.
    chain
        Those of them that the evaluation rests on, of no other model.
    """

    study: Study
    summary: EvaluationSummary
    cases: tuple[EvaluatedCase, ...]
    failed: Mapping[str, FailedCase]
    tested: Mapping[str, CohortRow]
    training: Sequence[CohortRow]
    audit: Mapping[str, Any]
    description: Mapping[str, Any]
    comparison: tuple[tuple[str, ...], tuple[Table, ...]] | None
    result_tables: Document
    component_tables: tuple[Table, ...] | None
    failure_tables: tuple[Table, ...] | None
    cohort_tables: tuple[Table, ...] | None
    risk: Mapping[str, RiskResult]
    facts: StudyFacts
    runs: tuple[tuple[str, Run], ...]
    chain: tuple[Run, ...]

    @property
    def background(self) -> Background:
        """What a case is held against."""
        return Background(self.cases, self.failed, self.tested, self.training)

    @property
    def institutions(self) -> int | None:
        """Institutions of the evaluated cases; None where they are not known of all."""
        names = [row.get("institution", "") for row in self.tested.values()]
        return len(set(names)) if names and all(names) else None

    @property
    def subjects_sentence(self) -> str:
        """Say of what the cases are where they are not patients alone; empty where they are, or nothing says."""
        subjects = self.facts.subjects
        if self.facts.synthetic:
            return "The cases are phantoms, drawn by a program; no patient is among them."
        return "" if subjects is None or self.facts.of_patients else f"The cases are {subjects}, as the dataset says."

    @property
    def whose(self) -> str:
        """Say how the evaluated cases stand to those that the model was trained on, to go on a sentence about them."""
        facts = self.facts
        if facts.unseen:
            return ", none of which gave a case to its training or tuning"
        if facts.evaluation is not None and (developed := facts.evaluation.development_cases):
            return f"; {developed} of these {'is' if developed == 1 else 'are'} of the dataset's training or tuning set"
        if not facts.all_external:
            return "; whether institutions of these gave cases to its training or tuning is not on record"
        other = facts.model is not None and facts.model.same_split is False
        split = "it was trained by another split" if other else "by which split it was trained is not on record"
        return f", none of which gave a case to the dataset's training or tuning sets; {split}"

    def as_it_may_stand(self, table: Table) -> Table:
        """Give a table as it was written, without the paper's results where the cases are not on record as patients."""
        return table if self.facts.of_patients else table.without_published()

    def newest_run(self, stage: str) -> Run | None:
        """Give the last run of a stage that the evaluation rests on; None if there is no record of one."""
        return next((run for run in reversed(self.chain) if run.get("stage") == stage), None)

    def command(self, *words: str | Path) -> str:
        """Write a command of ours for the shell, with paths as they are named from the study's folder."""
        quoted = [path_word(word, self.study.folder) if isinstance(word, Path) else shlex.quote(word) for word in words]
        return " ".join(["nnunet_amt", *quoted])

    def evaluate_command(self, *options: str | Path, output: Path) -> str:
        """Write the command that evaluates the same label maps by the same settings, with more options, to a folder."""
        return self.command(*self.evaluate_words(*options, output=output))

    def evaluate_words(self, *options: str | Path, output: Path) -> tuple[str | Path, ...]:
        """Give the words of that command, after the program's name; paths are as they were found."""
        evaluation = self.study.evaluation
        run = newest_run(evaluation.path, "evaluate")
        words: list[str | Path] = [*self._label_maps(), "-o", output]
        if evaluation.cohort is not None and (run is None or "cohort" in run["inputs"]):
            words += ["--cohort", evaluation.cohort]
        if probabilities := read_from(evaluation.path, "evaluate", "probabilities"):
            words += ["--probabilities", probabilities]
        if (evaluation.path / "component_analysis.json").is_file() and "--components" not in options:
            words.append("--components")
        words += [*_setting_words(self.summary.settings), *self._missing_words(), *options]
        return ("evaluate", *words)

    def failures_command(self) -> str:
        """Write the command that looks into the failures of the same cases."""
        output = self.study.failures or self._beside("_failures")
        words: list[str | Path] = [*self._label_maps(), "-o", output]
        if self.study.images is not None:
            words += ["--images", self.study.images]
        words += [*_setting_words(self.summary.settings, only=_COUNTING), *self._missing_words()]
        return self.command("failures", *words)

    def triage_commands(self, *, title: str | None = None) -> tuple[str, str]:
        """Write the commands that count a reader's decisions, and that make this page of the new evaluation."""
        path = self.study.evaluation.path
        output = path if path.name.endswith(TRIAGED) else self._beside(TRIAGED)
        page: list[str | Path] = ["report", ".", "--evaluation", output, "-o", f"report{TRIAGED}.html"]
        return (
            self.evaluate_command("--triage", "decisions.csv", output=output),
            self.command(*page, *(() if title is None else ("--title", title))),
        )

    def _beside(self, ending: str) -> Path:
        """Name a folder for more results beside the evaluation; in the study, where the evaluation is not below it."""
        path, folder = self.study.evaluation.path, self.study.folder
        if folder.resolve() in path.resolve().parents:
            return path.with_name(f"{path.name}{ending}")
        return folder / f"evaluation{ending}"

    def _label_maps(self) -> tuple[str | Path, str | Path]:
        evaluation = self.study.evaluation
        return evaluation.predictions or "PREDICTIONS", evaluation.references or "REFERENCES"

    def _missing_words(self) -> tuple[str, ...]:
        predictions = self.study.evaluation.predictions
        whole = predictions is None or all(label_map_in(predictions, case.case_id) for case in self.cases)
        return () if whole else ("--missing-as-empty",)

    def without_folders(self, text: str) -> str:
        """Give an error's text as a page may tell it: of every path the last name alone."""
        study, evaluation = self.study, self.study.evaluation
        known = (study.folder, evaluation.path, evaluation.predictions, evaluation.references, study.images)
        folders: set[Path] = {folder for path in known if path is not None for folder in (path, path.resolve())}
        for folder in sorted(folders, key=lambda folder: -len(str(folder))):
            text = text.replace(str(folder), folder.name)
        return _FOLDERS.sub("", text)

    def run_records(self) -> str:
        """Write all run records as JSON for programs, oldest first, each with the folder that it stands in.

        Safe to stand between the tags of a script block that is not run: no ``<`` is left in it.
        """
        runs = [{"folder": where, **run} for where, run in self.runs]
        text = json.dumps({"schema_version": _RUN_RECORDS_SCHEMA, "runs": runs}, indent=1, ensure_ascii=True)
        return text.replace("<", "\\u003c")


def read_study_content(study: Study) -> StudyContent:
    """Read the results, the failure analysis, the comparison and what is told of the cases.

    Raises
    ------
    BadInputError
        If a file of results is missing or broken.
    """
    evaluation, dataset, failures = study.evaluation, study.dataset, study.failures
    summary = read_summary(evaluation.path / "summary.json")
    cases = read_cases(evaluation.path, false_positives=summary.settings.false_positive_rule)
    case_ids = [case.case_id for case in cases]
    return StudyContent(
        study=study,
        summary=summary,
        cases=tuple(sorted(cases, key=worst_first)),
        failed=read_failed_cases(failures),
        tested={} if evaluation.cohort is None else read_cohort_rows(evaluation.cohort, case_ids=case_ids),
        training=() if dataset is None else _training_rows(dataset / "cohort.csv"),
        audit={} if dataset is None else read_part(dataset / "audit.json", AUDIT, "convert"),
        description={} if dataset is None else read_part(dataset / "dataset.json", DESCRIPTION, "convert"),
        comparison=None if study.comparison is None else read_comparison(study.comparison),
        result_tables=read_tables(evaluation.path),
        component_tables=_tables(evaluation.path / "component_analysis.json", "evaluate"),
        failure_tables=None if failures is None else _tables(failures / "failures.json", "failures"),
        cohort_tables=None if dataset is None else _tables(dataset / "cohort_tables.json", "convert"),
        risk=read_risk_results(study.folder),
        facts=facts_of(study),
        runs=tuple((str(where), run) for where, run in study.records if run.get("stage") not in _STAGES_OF_PAGES),
        chain=tuple(chain_of_runs(study)),
    )


def path_word(path: Path, folder: Path) -> str:
    """Name a path from a folder, as a word that the shell takes there.

    The way that a run record tells, so from the home folder on (``~/``) where names of people lie between; `UNTOLD_WAY`
    and the last name where there is no other.
    """
    way = shareable_path(path, folder) or f"{UNTOLD_WAY}/{path.name}"
    if way.startswith("~/"):  # which the shell follows only where it is not quoted
        return f"~/{shlex.quote(way[2:])}"
    return shlex.quote(f"./{way}" if way.startswith("-") else way)


def _setting_words(settings: EvaluationSettings, *, only: Sequence[str] = ()) -> Iterator[str]:
    """Give the options that set what is not as usual."""
    usual = EvaluationSettings()
    for name in (field.name for field in fields(settings)):
        value = getattr(settings, name)
        if value == getattr(usual, name) or name in _WITHOUT_OPTION or (only and name not in only):
            continue
        option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
        if value is True:
            yield option
            continue
        for one in value if isinstance(value, tuple) else (value,):
            yield from (option, str(one))


def _training_rows(path: Path) -> Sequence[CohortRow]:
    if not path.is_file():
        return ()
    return [row for row in read_rows(path) if row.get("split") == "training"]


def _tables(path: Path, command: str) -> tuple[Table, ...] | None:
    """Read the tables of a results file: a list of them, or one under ``tables``; None if it holds none."""
    content = read_part(path, ({"tables?": [dict]}, [dict]), command)
    tables = content.get("tables") if isinstance(content, dict) else content
    return None if tables is None else _tables_of(path, tables, command)


def read_comparison(folder: Path) -> tuple[tuple[str, ...], tuple[Table, ...]]:
    """Read the sentences and the tables of a comparison.

    Raises
    ------
    BadInputError
        If the file is damaged.
    """
    path = folder / "comparison.json"
    content = read_part(path, COMPARISON, "compare")
    return tuple(content.get("sentences", ())), _tables_of(path, content.get("tables", ()), "compare")


def _tables_of(path: Path, tables: Sequence[Mapping[str, Any]], command: str) -> tuple[Table, ...]:
    try:
        return tuple(map(table_from_json, tables))
    except ValueError as error:
        raise BadInputError(
            f"{path}: is not what {command} writes ({error}); run nnunet_amt {command} again"
        ) from error
