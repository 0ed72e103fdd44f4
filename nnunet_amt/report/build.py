"""The stage: a study's folder becomes one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import write_text
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import recorded_run
from nnunet_amt.errors import BadInputError
from nnunet_amt.report.page import make_page, page_text
from nnunet_amt.report.study_content import read_study_content
from nnunet_amt.study import find_study


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
        The case that failed worst, and how; empty without a Dice.
    """

    path: Path
    size: int
    worst: str


def write_report(
    folder: Path,
    output: Path,
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
        The page, written whole or not at all.
    evaluation
        The evaluation that is meant, where there are several.
    title, viewer, report
        See `nnunet_amt.report.page.make_page`.

    Raises
    ------
    BadInputError
        If there is no evaluation, one of its files is broken, or `output` is a folder.
    """
    if output.is_dir():
        raise BadInputError(f"{output}: is a folder; give the name of a file, such as {output / 'report.html'}")
    content = read_study_content(find_study(folder, evaluation))
    settings = {"title": title, "viewer": viewer}
    inputs = {"evaluation": content.study.evaluation.path / "summary.json"}
    with recorded_run(output.parent, "report", settings=settings, inputs=inputs, outputs=[output.name]) as notes:
        page = make_page(content, title, viewer, progress)
        text = page_text(page)
        write_text(output, text)
        notes.counts["cases"] = len(content.cases)
    worst = page.opening.worst
    told = "" if worst is None else f"{worst.story.case_id} (Dice {worst.story.dice}, {worst.story.kind})"
    return ReportResult(output, len(text.encode()), told)
