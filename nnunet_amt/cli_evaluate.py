"""The evaluate command: label maps to the paper's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli_options import Jobs, require_choice
from nnunet_amt.console import one_line_errors, out, overall_table, progress_bars, show_next, show_written

__all__ = ["evaluate"]


@one_line_errors
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder of predicted label maps.")],
    references: Annotated[Path, typer.Argument(help="Folder of reference label maps of the same names.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for tables and figure.")],
    cohort: Annotated[Path | None, typer.Option(help="cohort.csv, for subgroups.")] = None,
    connectivity: Annotated[int, typer.Option(metavar="6|18|26", help="Neighbours that make one lesion.")] = 26,
    minimum_voxels: Annotated[
        int, typer.Option(min=0, metavar="N", help="Smaller predicted lesions are dropped.")
    ] = 10,
    false_positive_rule: Annotated[
        str, typer.Option(metavar="RULE", help="unmatched (the paper's table) or no_overlap (its text).")
    ] = "unmatched",
    foreground: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Value of tumour in masks that do not hold 0 and 1, such as 255."),
    ] = 1,
    missing_as_empty: Annotated[
        bool, typer.Option("--missing-as-empty", help="Count cases without a prediction as empty predictions.")
    ] = False,
    surface_distances: Annotated[
        bool, typer.Option("--surface-distances", help="Hausdorff and average surface distances too; takes longer.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the bootstrap.")] = 711,
    subgroup: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Another column of the cohort to make subgroups of; may be repeated."),
    ] = None,
    cluster: Annotated[
        str, typer.Option(metavar="UNIT", help="What the bootstrap draws: case, or institution with all of its cases.")
    ] = "case",
    ci_always: Annotated[
        bool, typer.Option("--ci-always", help="Give bootstrap intervals under 20 cases too, as the paper does.")
    ] = False,
    jobs: Jobs = 1,
    executor: Annotated[
        str | None,
        typer.Option(metavar="URL", help="dask://HOST:PORT: use that cluster; it must see the same files."),
    ] = None,
) -> None:
    """Compute voxel metrics, lesion matching, the FROC and the paper's Tables 3 and 4."""
    from nnunet_amt.evaluation import EvaluationSettings
    from nnunet_amt.evaluation import evaluate as evaluate_folders

    require_choice("--connectivity", connectivity, (6, 18, 26))
    require_choice("--false-positive-rule", false_positive_rule, ("unmatched", "no_overlap"))
    require_choice("--cluster", cluster, ("case", "institution"))
    settings = EvaluationSettings(
        connectivity=connectivity,  # type: ignore[arg-type]
        minimum_predicted_voxels=minimum_voxels,
        false_positive_rule=false_positive_rule,  # type: ignore[arg-type]
        foreground=foreground,
        surface_distances=surface_distances,
        seed=seed,
        cluster=cluster,  # type: ignore[arg-type]
        ci_always=ci_always,
        subgroup_columns=tuple(subgroup or ()),
    )
    with progress_bars() as report:
        result = evaluate_folders(
            predictions, references, output, cohort, settings, jobs, report, executor, missing_as_empty
        )
    out.print(overall_table(result))
    show_written(list(result.files))
    show_next(f"look at {output / 'tables.html'} (with subgroups) and {output / 'froc.png'}")
