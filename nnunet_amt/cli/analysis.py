"""The commands that look further into an evaluation: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nnunet_amt.cli.console import one_line_errors, out, progress_bars, show_next, show_written
from nnunet_amt.cli.options import (
    Connectivity,
    FalsePositiveRule,
    Foreground,
    Jobs,
    MinimumVoxels,
    MissingAsEmpty,
    Output,
    Predictions,
    References,
    evaluation_settings,
)


@one_line_errors
def failures(
    predictions: Predictions,
    references: References,
    output: Output,
    images: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="CTs <case>_0000.nii.gz, as imagesTs; without them only shapes count."),
    ] = None,
    connectivity: Connectivity = 26,
    minimum_voxels: MinimumVoxels = 10,
    false_positive_rule: FalsePositiveRule = "unmatched",
    foreground: Foreground = 1,
    missing_as_empty: MissingAsEmpty = False,
    jobs: Jobs = 1,
) -> None:
    """Compare the tumours of the worst with those of the best segmented tenth, and say how each case fails."""
    from nnunet_amt.evaluation.failures import analyse_failures

    with progress_bars() as progress:
        result = analyse_failures(
            predictions,
            references,
            output,
            images=images,
            settings=evaluation_settings(connectivity, minimum_voxels, false_positive_rule, foreground),
            missing_as_empty=missing_as_empty,
            jobs=jobs,
            progress=progress,
        )
    size = len(result.groups.bottom)
    group = f"{size} case{'' if size == 1 else 's'}"
    out.print(f"compared: {group} of lowest against {group} of highest Dice")
    show_written(result.files)
    show_next(f"look at {output / 'failures.md'} and {output / 'failure_features.png'}")


@one_line_errors
def score_froc(
    predictions: Predictions,
    references: References,
    output: Output,
    probabilities: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="nnU-Net's <case>.npz (--save_probabilities), if not beside the predictions."
        ),
    ] = None,
    connectivity: Connectivity = 26,
    minimum_voxels: MinimumVoxels = 10,
    false_positive_rule: FalsePositiveRule = "unmatched",
    foreground: Foreground = 1,
    missing_as_empty: MissingAsEmpty = False,
    jobs: Jobs = 1,
) -> None:
    """Rank predicted lesions by tumour probability: the score FROC and its CPM, apart from the paper's IoU sweep."""
    from nnunet_amt.evaluation.score_froc import analyse_scores

    with progress_bars() as progress:
        result = analyse_scores(
            predictions,
            references,
            output,
            probabilities=probabilities,
            settings=evaluation_settings(connectivity, minimum_voxels, false_positive_rule, foreground),
            missing_as_empty=missing_as_empty,
            jobs=jobs,
            progress=progress,
        )
    for curve in result.curves:
        cpm = "undefined (no reference lesion)" if curve.cpm is None else f"{curve.cpm:.2f}"
        out.print(f"CPM of the {curve.confidence} probability: {cpm}")
    show_written(result.files)
    show_next(f"look at {output / 'score_froc.md'} and {output / 'score_froc.png'}")


@one_line_errors
def components(
    predictions: Predictions,
    references: References,
    output: Output,
    minimum_voxels: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Smallest size in voxels; may be repeated. Without either option: 0, 10, 30."),
    ] = None,
    minimum_mm3: Annotated[
        list[float] | None,
        typer.Option(metavar="MM3", help="Smallest size in mm3; may be repeated. Without either option: 25, 75, 500."),
    ] = None,
    false_positive_rule: FalsePositiveRule = "unmatched",
    foreground: Foreground = 1,
    missing_as_empty: MissingAsEmpty = False,
    jobs: Jobs = 1,
) -> None:
    """Show how much the lesion metrics depend on connectivity and smallest predicted size, in one table."""
    from nnunet_amt.base.run_record import RECORD_FILE
    from nnunet_amt.evaluation.component_analysis import (
        COMPONENT_FILES,
        MINIMUM_SIZES,
        MinimumSize,
        analyse_components,
    )

    sizes = [MinimumSize(voxels, "voxels") for voxels in minimum_voxels or ()]
    sizes += [MinimumSize(volume, "mm3") for volume in minimum_mm3 or ()]
    with progress_bars() as progress:
        analyse_components(
            predictions,
            references,
            output,
            minimum_sizes=sizes or MINIMUM_SIZES,
            settings=evaluation_settings(false_positive_rule=false_positive_rule, foreground=foreground),
            missing_as_empty=missing_as_empty,
            jobs=jobs,
            progress=progress,
        )
    show_written([output / name for name in (*COMPONENT_FILES, RECORD_FILE)])
    show_next(f"look at {output / 'component_analysis.md'}")
