"""The stage: a study's folder becomes one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_amt import __version__
from nnunet_amt.base.files import files_together, write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.errors import BadInputError
from nnunet_amt.images.probability_file import FOLDER as PROBABILITIES
from nnunet_amt.report.case_pictures import case_pictures
from nnunet_amt.report.page_parts import Section, content_policy, page_block, page_environment
from nnunet_amt.report.sections.cohort import cohort_section, done_section
from nnunet_amt.report.sections.documentation import checklists_section, citing_section, settings_section
from nnunet_amt.report.sections.failing import (
    best_cases,
    case_cards,
    failing_section,
    viewing_section,
    worst_cases,
)
from nnunet_amt.report.sections.opening import Opening, opening
from nnunet_amt.report.sections.results import comparison_section, results_section
from nnunet_amt.report.sections.risk import risk_sections
from nnunet_amt.report.sections.uses import Use, uses
from nnunet_amt.report.study_content import StudyContent, read_study_content
from nnunet_amt.report.viewer import DataBlock, ViewerPart, viewer_cases, viewer_part
from nnunet_amt.study import find_study
from nnunet_amt.study.study_files import risk_files
from nnunet_amt.writing.numbers import moment

_RUN_RECORDS_ID = "run-manifest"  # of the block that programs read
_NO_VIEWER = ViewerPart("", "", (), (), {})


@dataclass(frozen=True)
class ReportResult:
    """The page that was written, its size in bytes, and which case has the lowest Dice, and how; empty without one."""

    path: Path
    size: int
    worst: str


@dataclass(frozen=True)
class Page:
    """What the outermost template shows.

    Attributes
    ----------
    made
        From what, and when that was made.
    uses
        What each result may be used for.
    viewer
        Whether cases can be looked at slice by slice.
    policy
        The Content-Security-Policy.
    styles, scripts, data
        Inlined blocks, letter by letter.
    """

    opening: Opening
    uses: tuple[Use, ...]
    sections: tuple[Section, ...]
    made: str
    version: str
    viewer: bool
    policy: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...]
    data: tuple[DataBlock, ...]


def write_report(
    folder: Path,
    output: Path,
    *,
    evaluation: Path | None = None,
    title: str | None = None,
    viewer: bool = True,
    progress: Progress = silent,
) -> ReportResult:
    """Write one HTML file that tells a study and needs nothing else.

    It is made from what stands on disk; nothing is computed that the stages have not. Equal studies give equal pages.

    Parameters
    ----------
    folder
        The study, see `nnunet_amt.study.find_study`.
    output
        The page, written whole or not at all, together with the record of the run beside it.
    evaluation
        The evaluation that is meant, where there are several.
    title
        Of the page; the dataset's name if not given.
    viewer
        Put the cases in, to be looked at slice by slice.

    Raises
    ------
    BadInputError
        If there is no evaluation, one of its files is broken, or `output` is a folder.
    """
    if output.is_dir():
        raise BadInputError(f"{output}: is a folder; give the name of a file, such as {output / 'report.html'}")
    content = read_study_content(find_study(folder, evaluation=evaluation))
    settings = {"title": title, "viewer": viewer}
    study = content.study
    inputs: dict[str, Path | RunInput] = {"evaluation": study.evaluation.path / "summary.json"}
    if study.failures is not None:
        inputs["failures"] = study.failures / "failures.json"
    if study.comparison is not None:
        inputs["comparison"] = study.comparison / "comparison.json"
    predictions = study.evaluation.predictions
    if predictions is not None and (predictions / PROBABILITIES).is_dir():
        inputs["probabilities"] = RunInput(predictions / PROBABILITIES, "names_and_sizes")
    inputs |= {name: path for name, path in risk_files(study.folder).items() if path.is_file()}
    with (
        files_together(output.parent) as folder,  # the page and the record that tells of it
        recorded_run(
            folder, "report", settings=settings, inputs=inputs, outputs=[output.name], final_folder=output.parent
        ) as notes,
    ):
        page = make_page(content, title=title, viewer=viewer, progress=progress)
        text = page_environment().get_template("page.html.j2").render(page=page)
        write_text(folder / output.name, text)
        notes.counts["cases"] = len(content.cases)
    worst = page.opening.worst
    words = ""
    if worst is not None:
        story = worst.story
        words = f"{story.headline[0].lower()}{story.headline[1:]}: {story.case_id} (Dice {story.dice}, {story.kind})"
    return ReportResult(output, len(text.encode()), words)


def make_page(
    content: StudyContent, *, title: str | None = None, viewer: bool = True, progress: Progress = silent
) -> Page:
    """Make everything that the templates show; the parameters are those of `write_report`."""
    pictures, no_pictures = case_pictures(content, [*worst_cases(content), *best_cases(content)], progress=progress)
    part, why_not = _viewer(content, viewer, title, progress)
    styles = tuple(text for text in (page_block("page.css"), part.styles, page_block("print.css")) if text)
    scripts = (page_block("page.js"), *part.scripts)
    worst = next(iter(case_cards(content, worst_cases(content)[:1], pictures)), None)
    evaluated = content.newest_run("evaluate")  # which dates the page, so that equal studies give equal pages
    when = f" of {moment(str(evaluated['started']))}" if evaluated and evaluated.get("started") else ""
    dataset = content.study.dataset
    name = content.study.folder.resolve().name if dataset is None else dataset.name
    title = title or f"Tumours on CT: {name}"
    return Page(
        opening=opening(content, title=title, worst=worst),
        uses=uses(content),
        sections=(
            done_section(content),
            cohort_section(content),
            results_section(content),
            failing_section(content, pictures=pictures, no_pictures=no_pictures, viewer=bool(part.html)),
            viewing_section(content, html=part.html, why_not=why_not),
            comparison_section(content),
            *risk_sections(content),
            settings_section(content),
            checklists_section(content),
            citing_section(content, niivue=any(script.startswith("/*! NiiVue") for script in part.scripts)),
        ),
        made=f"From the evaluation{when}",
        version=__version__,
        viewer=bool(part.html),
        policy=content_policy(scripts=scripts, styles=styles, extra=part.csp),
        styles=styles,
        scripts=scripts,
        data=(DataBlock(_RUN_RECORDS_ID, "application/json", content.run_records()), *part.data),
    )


def _viewer(content: StudyContent, wanted: bool, title: str | None, progress: Progress) -> tuple[ViewerPart, str]:
    """Make the viewer, or say why there is none."""
    if not wanted:
        return _NO_VIEWER, "The viewer was left out of this page (--no-viewer)."
    try:
        cases = viewer_cases(content.study, cases=content.cases, settings=content.summary.settings)
        return viewer_part(cases, triage_commands=content.triage_commands(title=title), progress=progress), ""
    except BadInputError as error:
        return _NO_VIEWER, f"The cases cannot be looked at: {content.without_folders(str(error))}."
