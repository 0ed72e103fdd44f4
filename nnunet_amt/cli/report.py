"""The commands report and figures: a study's folder to one page, and to the paper's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import err, one_line_errors, out, progress_bars, show_next, show_written
from nnunet_amt.cli.options import Output

Study = Annotated[
    Path,
    typer.Argument(metavar="STUDY_DIR", help="Folder of the study, such as amt_demo: it holds the evaluation."),
]
Evaluation = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="The evaluation that is meant, where the study holds several.")
]


@one_line_errors
def report(
    study: Study,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page.")] = Path("report.html"),
    evaluation: Evaluation = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the page.")] = None,
    viewer: Annotated[
        bool, typer.Option("--viewer/--no-viewer", help="Put the cases in, to look at slice by slice.")
    ] = True,
) -> None:
    """Write one HTML page that opens offline: result, cohort, tables, failures, viewer, comparison, settings."""
    from nnunet_amt.report import write_report
    from nnunet_amt.writing.numbers import file_size

    with progress_bars() as progress:
        result = write_report(study, output, evaluation=evaluation, title=title, viewer=viewer, progress=progress)
    if result.worst:
        out.print(f"failed worst: {result.worst}", markup=False)
    show_written([result.path])
    out.print(f"  {file_size(result.size)}, opens without a network", markup=False)
    show_next(f"open {result.path} in a browser")


@one_line_errors
def figures(
    study: Study,
    output: Output,
    cases: Annotated[
        list[str] | None,
        typer.Option(metavar="ID[,ID]", help="Cases for Figures 5 and 6 instead of those that are chosen by rule."),
    ] = None,
    evaluation: Evaluation = None,
) -> None:
    """Draw the paper's Figures 2, 4, 5 and 6 (flow, FROC, successes, failures) for print, with captions."""
    from nnunet_amt.report.print_figures import make_figures

    asked = [case_id.strip() for word in cases or () for case_id in word.split(",") if case_id.strip()]
    with progress_bars() as progress:
        result = make_figures(study, output, cases=asked, evaluation=evaluation, progress=progress)
    for reason in result.left_out:
        err.print(f"left out: {reason}", markup=False)
    show_written(result.files)
    show_next(f"look at the figures and their captions in {output / 'figures.md'}")
