"""The evaluate command: label maps to the paper's tables."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunet_amt.cli.console import one_line_errors, out, overall_table, progress_bars, show_next, show_written
from nnunet_amt.cli.evaluation_options import (
    ConnectivityOption,
    FalsePositiveRuleOption,
    ForegroundOption,
    MinimumVoxels,
    MissingAsEmpty,
    Output,
    Predictions,
    References,
)
from nnunet_amt.cli.options import Jobs, require_choice

if TYPE_CHECKING:
    from nnunet_amt.evaluation.summary.triage import TriageSummary


@one_line_errors
def evaluate(
    predictions: Predictions,
    references: References,
    output: Output,
    cohort: Annotated[Path | None, typer.Option(metavar="FILE", help="cohort.csv, for subgroups.")] = None,
    connectivity: ConnectivityOption = 26,
    minimum_voxels: MinimumVoxels = 10,
    false_positive_rule: FalsePositiveRuleOption = "unmatched",
    foreground: ForegroundOption = 1,
    missing_as_empty: MissingAsEmpty = False,
    surface_distances: Annotated[
        bool, typer.Option("--surface-distances", help="Hausdorff and average surface distances too; takes longer.")
    ] = False,
    probabilities: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="nnU-Net's <case>.npz: write the score FROC too, as score-froc does."),
    ] = None,
    components: Annotated[
        bool, typer.Option("--components", help="Write the table of lesion definitions too, as components does.")
    ] = False,
    triage: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Decisions exported from the report: accepted findings are not counted as FP."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the bootstrap.")] = 711,
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
    """Compute voxel metrics, lesion matching, the FROC and Tables 3 and 4 of the paper."""
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
            predictions,
            references,
            output,
            cohort=cohort,
            triage=triage,
            probabilities=probabilities,
            settings=settings,
            missing_as_empty=missing_as_empty,
            component_analysis=components,
            jobs=jobs,
            executor=executor,
            progress=report,
        )
    out.print(overall_table(result))
    if result.overall.triage is not None:
        out.print(_triage_line(result.overall.triage), markup=False)
    show_written(list(result.files))
    show_next(f"look at {output / 'tables.html'} (with subgroups) and {output / 'froc.png'}; the worst cases:")
    out.print(f"  {_failures_command(predictions, references, output, foreground, missing_as_empty)}", markup=False)


def _triage_line(triage: TriageSummary) -> str:
    return (
        f"triage: {triage.accepted} of {triage.candidates} candidate false positives accepted and not counted, "
        f"{triage.dismissed} dismissed, {triage.undecided} undecided"
    )


def _failures_command(
    predictions: Path, references: Path, output: Path, foreground: int, missing_as_empty: bool
) -> str:
    """Give the command that looks at the failures of the same cases, with CTs where nnU-Net keeps them."""
    words = ["nnunet_amt", "failures", str(predictions), str(references), "-o", f"{output}_failures"]
    images = references.parent / references.name.replace("labels", "images")
    if images != references and images.is_dir():
        words += ["--images", str(images)]
    if foreground != 1:
        words += ["--foreground", str(foreground)]
    if missing_as_empty:
        words.append("--missing-as-empty")
    return shlex.join(words)
