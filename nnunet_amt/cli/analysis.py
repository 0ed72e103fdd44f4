"""The commands that look further into an evaluation: its failures, its scores, its components."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli import options
from nnunet_amt.cli.console import one_line_errors, out, progress_bars, show_next, show_written
from nnunet_amt.writing.numbers import value_text


@one_line_errors
def failures(
    predictions: options.Predictions,
    output: options.Output,
    references: options.References = None,
    dataset: options.TestSet = None,
    images: Annotated[
        Path | None,
        typer.Option(
            *options.IMAGES,
            metavar="FOLDER",
            help="CTs <case>_0000.nii.gz; without them only shapes count.",
            show_default="those of -d",
        ),
    ] = None,
    connectivity: options.Connectivity = 26,
    minimum_voxels: options.MinimumVoxels = 10,
    false_positive_rule: options.FalsePositiveRule = "unmatched",
    foreground: options.Foreground = 1,
    missing_as_empty: options.MissingAsEmpty = False,
    cohort: Annotated[Path | None, typer.Option(metavar="FILE", help="cohort.csv, for --cluster.")] = None,
    cluster: options.Cluster = "case",
    jobs: options.Jobs = None,
) -> None:
    """Compare the tumours of the worst with those of the best segmented tenth, and say how each case fails."""
    from nnunet_amt.evaluation.failures import analyse_failures

    found = options.reference_folders(references, dataset)
    with progress_bars() as progress:
        result = analyse_failures(
            predictions, found.references, output, images=images or found.images, cohort=cohort or found.cohort,
            settings=options.evaluation_settings(
                connectivity, minimum_voxels, false_positive_rule, foreground, cluster
            ),
            missing_as_empty=missing_as_empty, jobs=options.worker_processes(jobs), progress=progress,
        )  # fmt: skip
    size = len(result.groups.bottom)
    group = f"{size} case{'' if size == 1 else 's'}"
    out.print(f"compared: {group} of lowest against {group} of highest Dice")
    show_written(result.files)
    show_next("look", "at", output / "failures.md", "and", output / "failure_features.png")


@one_line_errors
def score_froc(
    predictions: options.Predictions,
    output: options.Output,
    references: options.References = None,
    dataset: options.TestSet = None,
    probabilities: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Probabilities of predict --probabilities, or nnU-Net's <case>.npz, if not beside the predictions.",
        ),
    ] = None,
    connectivity: options.Connectivity = 26,
    minimum_voxels: options.MinimumVoxels = 10,
    false_positive_rule: options.FalsePositiveRule = "unmatched",
    foreground: options.Foreground = 1,
    missing_as_empty: options.MissingAsEmpty = False,
    jobs: options.Jobs = None,
) -> None:
    """Rank predicted lesions by tumour probability: the score FROC and its CPM, apart from the paper's IoU sweep."""
    from nnunet_amt.evaluation.score_froc import analyse_scores

    found = options.reference_folders(references, dataset)
    with progress_bars() as progress:
        result = analyse_scores(
            predictions, found.references, output, probabilities=probabilities,
            settings=options.evaluation_settings(connectivity, minimum_voxels, false_positive_rule, foreground),
            missing_as_empty=missing_as_empty, jobs=options.worker_processes(jobs), progress=progress,
        )  # fmt: skip
    for curve, interval in zip(result.curves, result.intervals, strict=True):
        cpm = "undefined (no reference lesion)" if curve.cpm is None else value_text(curve.cpm, interval.cpm, digits=2)
        out.print(f"CPM of the {curve.confidence} probability: {cpm}")
    show_written(result.files)
    show_next("look", "at", output / "score_froc.md", "and", output / "score_froc.png")


@one_line_errors
def components(
    predictions: options.Predictions,
    output: options.Output,
    references: options.References = None,
    dataset: options.TestSet = None,
    minimum_voxels: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Smallest size in voxels; may be repeated. Without either option: 0, 10, 30."),
    ] = None,
    minimum_mm3: Annotated[
        list[float] | None,
        typer.Option(metavar="MM3", help="Smallest size in mm3; may be repeated. Without either option: 25, 75, 500."),
    ] = None,
    false_positive_rule: options.FalsePositiveRule = "unmatched",
    foreground: options.Foreground = 1,
    missing_as_empty: options.MissingAsEmpty = False,
    jobs: options.Jobs = None,
) -> None:
    """Show how much the lesion metrics depend on connectivity and smallest predicted size, in one table."""
    from nnunet_amt.base.run_record import RECORD_FILE
    from nnunet_amt.evaluation.component_analysis import COMPONENT_FILES, MINIMUM_SIZES, MinimumSize, analyse_components

    sizes = [MinimumSize(voxels, "voxels") for voxels in minimum_voxels or ()]
    sizes += [MinimumSize(volume, "mm3") for volume in minimum_mm3 or ()]
    found = options.reference_folders(references, dataset)
    with progress_bars() as progress:
        analyse_components(
            predictions, found.references, output, minimum_sizes=sizes or MINIMUM_SIZES,
            settings=options.evaluation_settings(false_positive_rule=false_positive_rule, foreground=foreground),
            missing_as_empty=missing_as_empty, jobs=options.worker_processes(jobs), progress=progress,
        )  # fmt: skip
    show_written([output / name for name in (*COMPONENT_FILES, RECORD_FILE)])
    show_next("look", "at", output / "component_analysis.md")
