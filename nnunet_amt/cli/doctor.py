"""The doctor command: what usually goes wrong, looked for beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from nnunet_amt.cli.console import one_line_errors, out, progress_bars, show_next


@one_line_errors
def doctor(
    dataset: Annotated[
        int | None,
        typer.Option(
            "--dataset", "-d", min=1, max=999, metavar="N", help="Look into its files, plans and checkpoints too."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="A checkpoint from elsewhere: would it run code when loaded? It is not loaded for that."),
    ] = None,
) -> None:
    """Check what usually goes wrong before an hour of GPU is spent; exit code 1 if something would."""
    from nnunet_amt.nnunet.doctor import examine

    colours = {"ok": "green", "warning": "yellow", "problem": "red"}
    problems = 0
    with progress_bars() as report:
        for finding in examine(dataset, checkpoint=checkpoint, progress=report):
            problems += finding.verdict == "problem"
            colour = colours[finding.verdict]
            advice = f" -> {finding.advice}" if finding.advice else ""
            out.print(f"[{colour}]{finding.verdict:8}[/{colour}] {finding.check}: {escape(finding.seen + advice)}")
    if problems:
        out.print(f"{problems} problem{'s' if problems > 1 else ''} found")
        raise typer.Exit(1)
    out.print("no problem found")
    if dataset or not checkpoint:
        show_next(f"nnunet_amt train {dataset}" if dataset else "nnunet_amt convert MANIFEST.csv -d 711")
