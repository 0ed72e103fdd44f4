"""The figures command: the paper's figures from a study on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import err, one_line_errors, progress_bars, show_next, show_written
from nnunet_amt.cli.evaluation_options import Output


@one_line_errors
def figures(
    study: Annotated[
        Path,
        typer.Argument(metavar="STUDY_DIR", help="Folder of the study, such as amt_demo: it holds the evaluation."),
    ],
    output: Output,
    cases: Annotated[
        list[str] | None,
        typer.Option(metavar="ID[,ID]", help="Cases for Figures 5 and 6 instead of those that are chosen by rule."),
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The evaluation, where the study holds several.")
    ] = None,
) -> None:
    """Draw the paper's Figures 2, 4, 5 and 6 (flow, FROC, successes, failures) for print, with captions."""
    from nnunet_amt.report.print_figures import make_figures

    asked = [case_id.strip() for word in cases or () for case_id in word.split(",") if case_id.strip()]
    with progress_bars() as progress:
        result = make_figures(study, output, cases=asked, evaluation=evaluation, progress=progress)
    for reason in result.left_out:
        err.print(f"left out: {reason}", markup=False)
    show_written(list(result.files))
    show_next(f"look at the figures and their captions in {output / 'figures.md'}")
