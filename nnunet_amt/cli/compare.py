"""The compare command: evaluations of the same cases, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import one_line_errors, out, progress_bars, show_next, show_written
from nnunet_amt.cli.evaluation_options import Output
from nnunet_amt.cli.options import require_choice
from nnunet_amt.errors import BadInputError


@one_line_errors
def compare(
    evaluations: Annotated[
        list[Path],
        typer.Argument(
            metavar="EVALUATION",
            help="Two or more results of evaluate, of the same cases; each is compared with the first.",
        ),
    ],
    output: Output,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--names", metavar="NAME", help="What to call a model; once for each, in their order. Default: the folders."
        ),
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="cohort.csv, for subgroups. Default: that of the first evaluation."),
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Put the paper's results beside them; they are of other patients.")
    ] = False,
    tie_margin: Annotated[
        float, typer.Option("--tie-margin", metavar="DICE", help="Smaller differences of a case's Dice are ties.")
    ] = 0.01,
    model_folder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="nnU-Net's folder of a trained model, for its training time where no record leads there.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the bootstrap.")] = 711,
    cluster: Annotated[
        str, typer.Option(metavar="UNIT", help="What the bootstrap draws: case, or institution with all of its cases.")
    ] = "case",
    ci_always: Annotated[
        bool, typer.Option("--ci-always", help="Give bootstrap intervals under 20 cases too.")
    ] = False,
) -> None:
    """Compare evaluations of the same cases: paired differences with intervals and tests, FROC curves, costs."""
    from nnunet_amt.evaluation.comparison import ComparisonSettings
    from nnunet_amt.evaluation.comparison import compare as compare_evaluations

    require_choice("--cluster", cluster, ("case", "institution"))
    settings = ComparisonSettings(
        seed=seed,
        cluster=cluster,  # type: ignore[arg-type]
        ci_always=ci_always,
        tie_margin=tie_margin,
        published=published,
    )
    folders = _model_folders(model_folder or [])
    with progress_bars() as report:
        result = compare_evaluations(
            evaluations,
            output,
            names=names,
            cohort=cohort,
            model_folders=folders,
            settings=settings,
            progress=report,
        )
    for sentence in result.sentences:
        out.print(sentence, markup=False)
    show_written(list(result.files))
    show_next(f"look at {output / 'comparison.html'}")


def _model_folders(words: list[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for word in words:
        name, equals, folder = word.rpartition("=")
        if not (name and equals and folder):
            raise BadInputError(f"--model-folder {word}: must be NAME=FOLDER, with a model's name")
        folders[name] = Path(folder)
    return folders
