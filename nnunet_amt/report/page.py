"""The page as a whole: its sections, and the blocks that stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnunet_amt import __version__
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.report.case_pictures import case_pictures, without_folders
from nnunet_amt.report.content_policy import content_policy
from nnunet_amt.report.manifest import MANIFEST_ID, manifest_text
from nnunet_amt.report.pictures import Picture
from nnunet_amt.report.section import Section
from nnunet_amt.report.sections.against import against_section
from nnunet_amt.report.sections.case_cards import CaseCard, best_cases, case_cards, worst_cases
from nnunet_amt.report.sections.checks import checks_section
from nnunet_amt.report.sections.citing import citing_section
from nnunet_amt.report.sections.cohort import cohort_section
from nnunet_amt.report.sections.done import done_section
from nnunet_amt.report.sections.failing import failing_section
from nnunet_amt.report.sections.opening import Opening, opening
from nnunet_amt.report.sections.results import results_section
from nnunet_amt.report.sections.settings import settings_section
from nnunet_amt.report.sections.viewing import viewing_section
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.report.templates_folder import page_environment, stylesheet
from nnunet_amt.report.viewer import DataBlock, ViewerPart, viewer_cases, viewer_part
from nnunet_amt.writing.numbers import moment

_NO_VIEWER = ViewerPart("", "", (), (), {})


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


def page_text(page: Page) -> str:
    """Lay out a page as HTML."""
    return page_environment().get_template("page.html.j2").render(page=page)


def make_page(
    content: StudyContent, title: str | None = None, viewer: bool = True, progress: Progress = silent
) -> Page:
    """Make everything that the templates show.

    Parameters
    ----------
    content
        The study.
    title
        Of the page; the dataset's name if not given.
    viewer
        Put the cases in, to be looked at slice by slice.
    progress
        Told of every case.
    """
    pictures, no_pictures = case_pictures(content, [*worst_cases(content), *best_cases(content)], progress)
    part, why_not = _viewer(content, viewer, progress)
    styles = tuple(text for text in (stylesheet("page.css"), part.styles, stylesheet("print.css")) if text)
    return Page(
        opening=opening(content, title or _title(content), _worst(content, pictures)),
        sections=(
            done_section(content),
            cohort_section(content),
            results_section(content),
            failing_section(content, pictures, no_pictures, viewer=bool(part.html)),
            viewing_section(content, part.html, why_not),
            against_section(content),
            settings_section(content),
            checks_section(content),
            citing_section(content, niivue=any(script.startswith("/*! NiiVue") for script in part.scripts)),
        ),
        made=_made(content),
        version=__version__,
        viewer=bool(part.html),
        policy=content_policy(part.scripts, styles, part.csp),
        styles=styles,
        scripts=part.scripts,
        data=(DataBlock(MANIFEST_ID, "application/json", manifest_text(content)), *part.data),
    )


def _viewer(content: StudyContent, wanted: bool, progress: Progress) -> tuple[ViewerPart, str]:
    """Make the viewer, or say why there is none."""
    if not wanted:
        return _NO_VIEWER, "The viewer was left out of this page (--no-viewer)."
    try:
        return viewer_part(viewer_cases(content.study), progress), ""
    except BadInputError as error:
        return _NO_VIEWER, f"The cases cannot be looked at: {without_folders(error, content)}."


def _worst(content: StudyContent, pictures: Mapping[str, tuple[Picture, ...]]) -> CaseCard | None:
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
