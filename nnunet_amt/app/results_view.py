"""What the page of results shows of a study, from its result files: nothing is computed anew, and no image is read."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from nnunet_amt.app.language import Texts
from nnunet_amt.errors import AMTError, BadInputError
from nnunet_amt.evaluation.results.tables import subgroup_table
from nnunet_amt.evaluation.summary.subgroups import WITHOUT_TUMOUR
from nnunet_amt.evaluation.summary.summary import FEWEST_CASES
from nnunet_amt.report.case_story import failure_kind
from nnunet_amt.report.sections.failing import CaseCard, case_cards, worst_cases
from nnunet_amt.report.sections.opening import KeyFigure, opening
from nnunet_amt.report.study_content import StudyContent, read_study_content
from nnunet_amt.study import Study, find_study
from nnunet_amt.study.run_study import study_status
from nnunet_amt.study.settings import StudyFolders, StudySettings
from nnunet_amt.study.study import EvaluationFolder, label_map_in
from nnunet_amt.study.study_files import RISK_TASKS
from nnunet_amt.writing.table import Table

_NAMES = {
    "Dice score": "dice",
    "Sensitivity": "sensitivity",
    "FP per scan": "fp_per_scan",
    "Specificity by scan": "specificity",
}
_KINDS = {
    "success": "success",
    "under-segmentation": "under",
    "over-segmentation": "over",
    "as much added as missed": "both",
    "missed completely": "missed",
    "false positive": "false",
    "nothing there, nothing predicted": "nothing",
}
_INTERVAL = re.compile(r"([\d.]+) to ([\d.]+)")
_LAST_STAGE = "evaluate"  # what comes after it changes no figure of the page


@dataclass(frozen=True)
class Figure:
    """A figure of the first lines: its name and what it means in the reader's language, and texts of its values."""

    name: str
    meaning: str
    ours: str
    interval: str
    published: str


@dataclass(frozen=True)
class WorstCase:
    """A case of low Dice: what is told of it, its kind of failure in words, and whether a picture can be drawn."""

    card: CaseCard
    kind: str
    drawable: bool

    @property
    def case_id(self) -> str:
        """Name of the case."""
        return self.card.story.case_id


@dataclass(frozen=True)
class Picker:
    """The subgroups by one property, and which others there are.

    Attributes
    ----------
    groups
        Name and words of each property.
    chosen
        One of them; empty without any.
    withheld
        Subgroups of too few cases for an interval of their Dice score.
    """

    groups: tuple[tuple[str, str], ...]
    chosen: str
    table: Table | None
    withheld: int
    fewest: int = FEWEST_CASES


def find_results(folder: Path, opened: Path) -> Study:
    """Find the parts of a study that lie in the opened folder; those that records lead to elsewhere are left out.

    Raises
    ------
    BadInputError
        If it has no evaluation there.
    """
    study = find_study(folder)

    def kept(path: Path | None) -> Path | None:
        return path if path is not None and path.resolve().is_relative_to(opened) else None

    def kept_of(one: EvaluationFolder) -> EvaluationFolder:
        predictions, references, cohort = (kept(path) for path in (one.predictions, one.references, one.cohort))
        return EvaluationFolder(one.path, predictions, references, cohort)

    if kept(study.evaluation.path) is None:
        raise BadInputError(f"{study.evaluation.path.name}: lies outside the opened folder; copy it into the study")
    return replace(
        study,
        evaluation=kept_of(study.evaluation),
        evaluations=tuple(kept_of(one) for one in study.evaluations if kept(one.path)),
        dataset=kept(study.dataset),
        images=kept(study.images),
        failures=kept(study.failures),
        comparison=kept(study.comparison),
    )


def read_results(folder: Path, opened: Path) -> StudyContent:
    """Read the results of a study for its page; raises as `find_results`, and where a file is damaged."""
    return read_study_content(find_results(folder, opened))


def has_results(folder: Path, settings: StudySettings) -> bool:
    """Whether the study has been evaluated, well or not."""
    return (StudyFolders.of(folder, settings).evaluation / "summary.json").exists()


def stages_to_do(folder: Path, settings: StudySettings) -> tuple[str, ...]:
    """Name the stages up to the evaluation that are to be run before the results are those of the study as it is."""
    try:
        states = study_status(folder, settings)
    except (AMTError, OSError):
        return ()
    names = [state.stage.name for state in states]
    return tuple(
        state.stage.name for state in states[: names.index(_LAST_STAGE) + 1] if not (state.done or state.stands)
    )


def key_figures(content: StudyContent, t: Texts) -> tuple[Figure, ...]:
    """Give the figures that everybody looks for first, as the report has them, named in the reader's language."""
    shown = opening(content, title="", worst=None)
    return tuple(_figure(figure, t) for figure in (*shown.figures, *shown.more_figures))


def figures_of_model(study: Path, opened: Path, t: Texts) -> tuple[Figure, ...]:
    """Give what the model of a study reached on its external test set; nothing where it was not tested."""
    try:
        return key_figures(read_results(study, opened), t)
    except AMTError:
        return ()


def _figure(figure: KeyFigure, t: Texts) -> Figure:
    name, comma, at = figure.name.partition(", ")
    key = _NAMES[name]
    words = f"{t(f'results.name_{key}')}{comma}{at}"
    interval, published = (_in_words(text, t) for text in (figure.interval, figure.published))
    return Figure(words, t(f"results.meaning_{key}"), figure.ours, interval, published)


def _in_words(figure: str, t: Texts) -> str:
    """Write an interval, as ``"0.79 to 0.84"``, in the reader's language."""
    return _INTERVAL.sub(lambda found: t("results.from_to", low=found[1], high=found[2]), figure)


def worst_of(content: StudyContent, t: Texts) -> tuple[WorstCase, ...]:
    """Give the cases of lowest Dice, the lowest first."""
    cases = worst_cases(content)
    references = content.study.evaluation.references
    return tuple(
        WorstCase(
            card, t(f"results.kind_{_KINDS[failure_kind(case)]}"), label_map_in(references, case.case_id) is not None
        )
        for case, card in zip(cases, case_cards(content, cases, {}), strict=True)
    )


def picker_of(content: StudyContent, asked: str, t: Texts) -> Picker:
    """Lay out the subgroups by the property that is asked for; by the first if there is no such."""
    summary = content.summary
    names = tuple(dict.fromkeys(group for group, _, _ in summary.subgroups))
    if not names:
        return Picker((), "", None, 0)
    chosen = asked if asked in names else names[0]
    table = subgroup_table(
        chosen, overall=summary.overall, subgroups=summary.subgroups, subjects=content.facts.subjects
    )
    members = [found for group, name, found in summary.subgroups if group == chosen and name != WITHOUT_TUMOUR]
    withheld = sum(found.voxel["dice"].ci95 is None and found.cases < FEWEST_CASES for found in members)
    return Picker(tuple((name, _group_words(name, t)) for name in names), chosen, table, withheld)


def _group_words(group: str, t: Texts) -> str:
    """Name a property; a column that somebody asked for keeps its name."""
    return next((t(key) for key in (f"results.group_{group}", f"columns.{group}") if key in t), group)


def risk_pages(folder: Path) -> dict[str, Path]:
    """Give the pages that a study of risk in this folder wrote for itself, by the names of its tasks."""
    pages = {name: task.evaluation_in(folder) / task.summary.page for name, task in RISK_TASKS.items()}
    return {name: page for name, page in pages.items() if page.is_file()}


def linked_to_report(table: Table, report: str) -> Table:
    """Let the heads of rows that lead to a case's pictures lead to those in the report at an address."""
    rows = (replace(row, link=f"{report}{row.link}") if row.link else row for row in table.rows)
    return replace(table, rows=tuple(rows))
