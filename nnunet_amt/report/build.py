"""The stage: a study's folder becomes one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt import __version__
from nnunet_amt.files import write_text
from nnunet_amt.progress import Progress, silent
from nnunet_amt.report.case_pictures import case_pictures
from nnunet_amt.report.content_policy import content_policy
from nnunet_amt.report.manifest import MANIFEST_ID, manifest_text
from nnunet_amt.report.pictures import Picture
from nnunet_amt.report.section import Section
from nnunet_amt.report.sections.against import against_section
from nnunet_amt.report.sections.case_cards import best_cases, case_cards, worst_cases
from nnunet_amt.report.sections.citing import citing_section
from nnunet_amt.report.sections.cohort import cohort_section
from nnunet_amt.report.sections.done import done_section
from nnunet_amt.report.sections.failing import failing_section
from nnunet_amt.report.sections.opening import Opening, opening
from nnunet_amt.report.sections.results import results_section
from nnunet_amt.report.sections.settings import settings_section
from nnunet_amt.report.study_content import StudyContent, read_study_content
from nnunet_amt.report.templates_folder import page_environment, stylesheet
from nnunet_amt.report.words import moment
from nnunet_amt.study import find_study

__all__ = ["ReportResult", "write_report"]


@dataclass(frozen=True)
class DataBlock:
    """A block of data in the page, which no browser runs."""

    id: str
    media_type: str
    text: str


@dataclass(frozen=True)
class Page:
    """What the outermost template shows.

    Attributes
    ----------
    opening
        Above the sections.
    sections
        In order.
    made
        From what, and when that was made.
    version
        Of nnunet_amt.
    viewer
        Whether cases can be looked at slice by slice.
    policy
        The Content-Security-Policy.
    styles, scripts, data
        Inlined blocks, letter by letter.
    """

    opening: Opening
    sections: tuple[Section, ...]
    made: str
    version: str
    viewer: bool
    policy: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...]
    data: tuple[DataBlock, ...]


@dataclass(frozen=True)
class ReportResult:
    """What was written.

    Attributes
    ----------
    path
        The page.
    size
        In bytes.
    worst
        The case that failed worst; None without a Dice.
    """

    path: Path
    size: int
    worst: str | None


def write_report(
    folder: Path,
    output: Path,
    evaluation: Path | None = None,
    title: str | None = None,
    viewer: bool = True,
    report: Progress = silent,
) -> ReportResult:
    """Write one HTML file that tells a study and needs nothing else.

    It is made from what stands on disk; nothing is computed that the stages have not. Equal studies give equal pages.

    Parameters
    ----------
    folder
        The study, see `nnunet_amt.study.find_study`.
    output
        The page, written whole or not at all.
    evaluation
        The evaluation that is meant, where there are several.
    title
        Of the page; the dataset's name if not given.
    viewer
        Put the cases in, to be looked at slice by slice.
    report
        Told of every case.

    Raises
    ------
    BadInputError
        If there is no evaluation, or one of its files is broken.
    """
    content = read_study_content(find_study(folder, evaluation))
    page = make_page(content, title, viewer, report)
    text = page_environment().get_template("page.html.j2").render(page=page)
    write_text(output, text)
    worst = page.opening.worst
    return ReportResult(output, len(text.encode()), None if worst is None else worst.story.case_id)


def make_page(content: StudyContent, title: str | None, viewer: bool, report: Progress = silent) -> Page:
    """Make everything that the templates show."""
    shown = [*worst_cases(content), *best_cases(content)]
    pictures, no_pictures = case_pictures(content, shown, report)
    styles = (stylesheet("page.css"), stylesheet("print.css"))
    scripts: tuple[str, ...] = ()
    extra: Mapping[str, Sequence[str]] = {}
    return Page(
        opening=opening(content, title or _title(content), _worst(content, pictures)),
        sections=(
            done_section(content),
            cohort_section(content),
            results_section(content),
            failing_section(content, pictures, no_pictures, viewer),
            against_section(content),
            settings_section(content),
            citing_section(content),
        ),
        made=_made(content),
        version=__version__,
        viewer=viewer,
        policy=content_policy(scripts, styles, extra),
        styles=styles,
        scripts=scripts,
        data=(DataBlock(MANIFEST_ID, "application/json", manifest_text(content)),),
    )


def _worst(content: StudyContent, pictures: Mapping[str, Picture]):
    cards = case_cards(content, worst_cases(content)[:1], pictures)
    return cards[0] if cards else None


def _title(content: StudyContent) -> str:
    dataset = content.study.dataset
    name = content.study.folder.resolve().name if dataset is None else dataset.name
    return f"Anterior mediastinal tumours on CT: {name}"


def _made(content: StudyContent) -> str:
    """Date the page by the evaluation, so that equal studies give equal pages."""
    run = content.newest_run("evaluate")
    when = f" of {moment(str(run['started']))}" if run and run.get("started") else ""
    return f"From the evaluation{when}"
