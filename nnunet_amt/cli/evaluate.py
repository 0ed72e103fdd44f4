"""The commands evaluate and compare: label maps to the paper's tables, and several of those side by side."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli import options
from nnunet_amt.cli.console import (
    one_line_errors,
    out,
    overall_table,
    printable,
    progress_bars,
    show_next,
    show_written,
    text_table,
)
from nnunet_amt.errors import BadInputError


@one_line_errors
def evaluate(
    predictions: options.Predictions,
    output: options.Output,
    references: options.References = None,
    dataset: options.TestSet = None,
    cohort: Annotated[
        Path | None, typer.Option(metavar="FILE", help="cohort.csv, for subgroups.", show_default="that of -d")
    ] = None,
    connectivity: options.Connectivity = 26,
    minimum_voxels: options.MinimumVoxels = 10,
    false_positive_rule: options.FalsePositiveRule = "unmatched",
    foreground: options.Foreground = 1,
    missing_as_empty: options.MissingAsEmpty = False,
    surface_distances: Annotated[
        bool, typer.Option("--surface-distances", help="Surface Dice and Hausdorff distances too; takes longer.")
    ] = False,
    probabilities: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Predictions with probabilities: write the score FROC and its CPM too."),
    ] = None,
    operating_point: options.OperatingPoint = None,
    components: Annotated[
        bool, typer.Option("--components", help="Write the sensitivity analysis of what counts as a lesion too.")
    ] = False,
    triage: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Decisions exported from the report: accepted findings are not counted as FP."
        ),
    ] = None,
    seed: options.BootstrapSeed = 711,
    subgroup: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Another column of the cohort to make subgroups of; may be repeated."),
    ] = None,
    cluster: options.Cluster = "case",
    ci_always: options.CIAlways = False,
    jobs: options.Jobs = None,
    executor: options.Executor = None,
) -> None:
    """Compute voxel metrics, lesion matching, the FROC, and tables in the form of the paper's Tables 3 and 4."""
    from nnunet_amt.evaluation import evaluate as evaluate_folders

    settings = options.evaluation_settings(
        connectivity, minimum_voxels, false_positive_rule, foreground, cluster, surface_distances=surface_distances,
        seed=seed, ci_always=ci_always, subgroup_columns=tuple(subgroup or ()),
    )  # fmt: skip
    found = options.reference_folders(references, dataset)
    with progress_bars() as progress:
        result = evaluate_folders(
            predictions, found.references, output, cohort=cohort or found.cohort, probabilities=probabilities,
            operating_point=operating_point, triage=triage, settings=settings, missing_as_empty=missing_as_empty,
            component_analysis=components,
            jobs=options.worker_processes(jobs), executor=executor, progress=progress,
        )  # fmt: skip
    out.print(overall_table(result.overall, subjects=result.subjects))
    if result.moved is not None:
        out.print(text_table(result.moved))
    if counted := result.overall.triage:
        out.print(
            f"triage: {counted.accepted} of {counted.candidates} candidate false positives accepted and not counted, "
            f"{counted.dismissed} dismissed, {counted.undecided} undecided"
        )
    show_written(result.files)
    show_next("look", "at", output / "tables.html", "and", output / "froc.png", note="; the worst cases:")
    where = [str(found.references)] if dataset is None else ["-d", str(dataset)]
    command = _failures_command(predictions, where, output, foreground, missing_as_empty)
    out.print(f"  {printable(command)}", markup=False)


def _failures_command(
    predictions: Path, where: list[str], output: Path, foreground: int, missing_as_empty: bool
) -> str:
    """Give the command that looks at the failures of the same cases, with CTs where nnU-Net keeps them.

    `where` is the folder of the references, or the option that names their dataset.
    """
    words = ["nnunet_amt", "failures", str(predictions), *where, "-o", f"{output}_failures"]
    references = Path(where[0])
    images = references.parent / references.name.replace("labels", "images")
    if images != references and images.is_dir():
        words += ["--images", str(images)]
    if foreground != 1:
        words += ["--foreground", str(foreground)]
    if missing_as_empty:
        words.append("--missing-as-empty")
    return shlex.join(words)


@one_line_errors
def compare(
    evaluations: Annotated[
        list[Path],
        typer.Argument(
            metavar="EVALUATION",
            help="Two or more results of evaluate, of the same cases; each is compared with the first.",
        ),
    ],
    output: options.Output,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--names",
            metavar="NAME",
            help="What to call a model; once for each, in their order.",
            show_default="the folders' names",
        ),
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="cohort.csv, for subgroups.", show_default="that of the first evaluation"),
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Put the paper's results beside them; they are of other patients.")
    ] = False,
    primary: Annotated[
        str,
        typer.Option(
            metavar="METRIC", help="The one endpoint named before looking: dice, iou, recall, sensitivity_0.5, ..."
        ),
    ] = "dice",
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
    seed: options.BootstrapSeed = 711,
    cluster: options.Cluster = "case",
    ci_always: options.CIAlways = False,
) -> None:
    """Compare evaluations of the same cases: paired differences with intervals and tests, FROC curves, costs."""
    from nnunet_amt.evaluation.comparison import ComparisonSettings
    from nnunet_amt.evaluation.comparison import compare as compare_evaluations

    options.require_choice("--cluster", cluster, options.CLUSTERS)
    settings = ComparisonSettings(
        seed=seed,
        cluster=cluster,  # type: ignore[arg-type]
        ci_always=ci_always,
        primary=primary,
        tie_margin=tie_margin,
        published=published,
    )
    model_folders = _model_folders(model_folder or [])
    with progress_bars() as progress:
        result = compare_evaluations(
            evaluations, output, names=names, cohort=cohort, settings=settings, model_folders=model_folders,
            progress=progress,
        )  # fmt: skip
    for sentence in result.sentences:
        out.print(sentence, markup=False)
    show_written(result.files)
    show_next("look", "at", output / "comparison.html")


def _model_folders(words: list[str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for word in words:
        name, equals, folder = word.rpartition("=")
        if not (name and equals and folder):
            raise BadInputError(f"--model-folder {word}: must be NAME=FOLDER, with a model's name")
        folders[name] = Path(folder)
    return folders
