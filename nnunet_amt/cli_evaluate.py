"""The evaluate command: label maps to the paper's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli_options import Jobs, require_choice
from nnunet_amt.console import one_line_errors, out, overall_table, progress_bars, show_next, show_written


@one_line_errors
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder of predicted label maps.")],
    references: Annotated[Path, typer.Argument(help="Folder of reference label maps of the same names.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for tables and figure.")],
    cohort: Annotated[Path | None, typer.Option(help="cohort.csv, for subgroups.")] = None,
    connectivity: Annotated[int, typer.Option(metavar="6|18|26", help="Neighbours that make one lesion.")] = 26,
    minimum_voxels: Annotated[int, typer.Option(min=0, help="Smaller predicted components are dropped.")] = 10,
    false_positive_rule: Annotated[
        str,
        typer.Option(metavar="RULE", help="unmatched (the paper's table) or no_overlap (its text)."),
    ] = "unmatched",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 711,
    jobs: Jobs = 1,
) -> None:
    """Compute voxel metrics, lesion matching, the FROC and the paper's Tables 3 and 4."""
    from nnunet_amt.evaluation import EvaluationSettings
    from nnunet_amt.evaluation import evaluate as evaluate_folders

    require_choice("--connectivity", connectivity, (6, 18, 26))
    require_choice("--false-positive-rule", false_positive_rule, ("unmatched", "no_overlap"))
    settings = EvaluationSettings(
        connectivity=connectivity,  # type: ignore[arg-type]
        minimum_predicted_voxels=minimum_voxels,
        false_positive_rule=false_positive_rule,  # type: ignore[arg-type]
        seed=seed,
    )
    with progress_bars() as report:
        result = evaluate_folders(predictions, references, output, cohort, settings, jobs, report)
    out.print(overall_table(result))
    show_written(list(result.files))
    show_next(f"look at {output / 'tables.md'} (with subgroups) and {output / 'froc.png'}")
