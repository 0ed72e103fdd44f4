"""What stands in a study of its study of risk: low or high risk, and the tasks of CT with circulating tumour cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_amt.base.run_record import newest_run
from nnunet_amt.study.study import read_from
from nnunet_amt.study.study_files import RISK_FACTS, RISK_FOLDER, RISK_TASKS, RiskTask, read_part
from nnunet_amt.writing.document_file import DocumentFile
from nnunet_amt.writing.table import Document


@dataclass(frozen=True)
class RiskSet:
    """How much is in one set, ``training``, ``tuning`` or ``external``; None where the file does not say.

    `without_level` counts cases without a level of circulating tumour cells.
    """

    cases: int
    patients: int | None = None
    institutions: int | None = None
    without_level: int | None = None


@dataclass(frozen=True)
class RiskFacts:
    """What the files of a task say of its cases; None and empty where they say nothing.

    Attributes
    ----------
    subjects
        Of what the cases are, see `nnunet_amt.study.facts.StudyFacts`.
    sets
        All that take part.
    scored
        Sets of which a model has results.
    predicted_outlines
        Whether models were tested on outlines that a model drew.
    classes
        That are told apart; of low and high risk none are listed.
    ctc_unit
        Of the levels of circulating tumour cells.
    drawn
        Figures of the evaluation: those that nothing could be drawn of are not among them.
    """

    subjects: str | None = None
    sets: Mapping[str, RiskSet] = field(default_factory=dict)
    scored: frozenset[str] = frozenset()
    predicted_outlines: bool | None = None
    classes: tuple[str, ...] = ()
    ctc_unit: str | None = None
    drawn: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RiskResult:
    """A task: its evaluation and its readers, None without, the cohort file that was evaluated, and the facts."""

    evaluation: Document | None
    readers: Document | None
    cohort: Path | None = None
    facts: RiskFacts = field(default_factory=RiskFacts)


def read_risk_results(study: Path) -> dict[str, RiskResult]:
    """Read each task of `RISK_TASKS` that has an evaluation or readers in a study's folder.

    Raises
    ------
    BadInputError
        If a file is damaged, or of another version.
    """
    found = {}
    for name, task in RISK_TASKS.items():
        folder = task.evaluation_in(study)
        evaluation, readers = _document(folder, task.summary), _document(task.readers_in(study), task.readers)
        if evaluation is not None or readers is not None:
            cohort = read_from(folder, task.stage, "cohort")
            found[name] = RiskResult(evaluation, readers, cohort, _facts(study, task))
    return found


def _document(folder: Path, kind: DocumentFile) -> Document | None:
    return kind.read(folder) if (folder / kind.name).is_file() else None


def _facts(study: Path, task: RiskTask) -> RiskFacts:
    content: Mapping[str, Any] = read_part(
        task.evaluation_in(study) / task.summary.name, RISK_FACTS, task.summary.command
    )
    sets = {
        name: RiskSet(counts["cases"], counts.get("patients"), counts.get("institutions"), counts.get("without_ctc"))
        for name, counts in content.get("cases", {}).items()
    }
    return RiskFacts(
        subjects=content.get("subjects"),
        sets=sets,
        scored=frozenset(name for name in sets for model in content.get("models", ()) if name in model),
        predicted_outlines=_predicted_outlines(study, task, content),
        classes=tuple(content.get("classes", ())),
        ctc_unit=content.get("ctc_unit"),
        drawn=frozenset(picture["file"] for picture in content.get("pictures", ())),
    )


def _predicted_outlines(study: Path, task: RiskTask, content: Mapping[str, Any]) -> bool | None:
    """Say it by the costs of segmentation where such are counted, else by the record of the ROIs."""
    if "segmentation_costs" in content:
        return bool(content["segmentation_costs"])
    run = newest_run(study / RISK_FOLDER / task.rois, "rois")
    masks = run["settings"].get("masks") if run else None
    return None if masks is None else masks != "reference"
