"""The report command: a study's folder to one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import one_line_errors, out, progress_bars, show_next, show_written


@one_line_errors
def report(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY_DIR", help="Folder of the study, which holds the evaluation.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The page.")] = Path("report.html"),
    evaluation: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The evaluation that is meant, where there are several.")
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the page.")] = None,
    viewer: Annotated[
        bool, typer.Option("--viewer/--no-viewer", help="Put the cases in, to look at slice by slice.")
    ] = True,
) -> None:
    """Write one HTML page that opens offline: result, cohort, tables, failures, viewer, comparison, settings."""
    from nnunet_amt.report import write_report
    from nnunet_amt.writing.numbers import file_size

    with progress_bars() as told:
        result = write_report(study, output, evaluation, title, viewer, told)
    if result.worst:
        out.print(f"failed worst: {result.worst}", markup=False)
    show_written([result.path])
    out.print(f"  {file_size(result.size)}, opens without a network", markup=False)
    show_next(f"open {result.path} in a browser")
