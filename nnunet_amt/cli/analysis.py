"""The commands that look further: into the failures and scores of an evaluation, and into the paper's tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from nnunet_amt import paper
from nnunet_amt.cli import options
from nnunet_amt.cli.console import one_line_errors, out, progress_bars, show_next, show_written
from nnunet_amt.writing.numbers import value_text

_SPLITS = ("training", "tuning", "external")
_TABLE_3 = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall"}
_TABLE_4 = {
    "sensitivity_01": "sens., IoU 0.1",
    "fp_per_scan_01": "FP/scan, IoU 0.1",
    "sensitivity_05": "sens., IoU 0.5",
    "fp_per_scan_05": "FP/scan, IoU 0.5",
}


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


@one_line_errors
def published(
    check: Annotated[
        bool, typer.Option("--check", help="Say which rows of Tables 3 and 4 do not average to their overall row.")
    ] = False,
) -> None:
    """Show the paper's Tables 1 to 4, or check that their rows average to the overall row.

    The check ends with 0 whatever it finds: what it looks at is printed, and nothing that runs can mend it.
    """
    if check:
        _show_check()
    else:
        _show_tables()


def _show_tables() -> None:
    out.print(f"{paper.CITATION}, doi:{paper.DOI}", markup=False)
    cases = Table("", *_SPLITS, title="Table 1: cases", title_justify="left")
    counts = (paper.TRAINING_CASES, paper.TUNING_CASES, paper.EXTERNAL_CASES)
    institutions = (paper.TRAINING_INSTITUTIONS, paper.TUNING_INSTITUTIONS, paper.EXTERNAL_INSTITUTIONS)
    cases.add_row("cases", *map(str, counts))
    cases.add_row("institutions", *map(str, institutions))
    ages = (paper.AGES[split] for split in _SPLITS)
    cases.add_row("age, median (range)", *(f"{median:.1f} ({low}–{high})" for median, low, high in ages))
    for diagnosis, numbers in paper.DIAGNOSES.items():
        cases.add_row(diagnosis, *map(str, numbers))
    scanners = Table("manufacturer", "cases", title="Table 2: external cases by scanner", title_justify="left")
    for manufacturer, number in paper.MANUFACTURERS.items():
        scanners.add_row(manufacturer, str(number))
    out.print(cases)
    out.print(scanners)
    out.print(_estimates("Table 3: voxels, mean±SD (95% CI)", paper.TABLE_3, _TABLE_3))
    out.print(_estimates("Table 4: lesions, mean±SD (95% CI)", paper.TABLE_4, _TABLE_4))
    out.print(f"Do the rows add up? {_adding_up()} Compare with the overall row; --check has every average.")


def _estimates(
    title: str, rows: Sequence[paper.PublishedVoxelRow | paper.PublishedLesionRow], metrics: dict[str, str]
) -> Table:
    from nnunet_amt.evaluation.results.tables import subgroup_title

    table = Table("", "cases", *metrics.values(), title=title, title_justify="left")
    for i, row in enumerate(rows):
        last_of_group = i + 1 == len(rows) or rows[i + 1].group != row.group
        cells = [str(getattr(row, field)) for field in metrics]
        table.add_row(subgroup_title(row.group, row.subgroup), str(row.cases), *cells, end_section=last_of_group)
    return table


def _adding_up() -> str:
    """Say in a sentence which of the paper's rows do not average to their overall row."""
    from nnunet_amt.evaluation.summary.subgroups import published_checks

    wrong = (check for check in published_checks() if not check.consistent)
    rows = {f"the {check.group.replace('_', ' ')} rows of Table {check.table}" for check in wrong}
    whose = f"{', '.join(sorted(rows))} do not" if rows else "all rows"
    return f"{whose[0].upper()}{whose[1:]} average to the overall row."


def _show_check() -> None:
    from nnunet_amt.evaluation.summary.subgroups import published_checks

    table = Table("Table, rows", "metric", "average", "overall", "apart", "rounding", box=SIMPLE)
    checks = published_checks()
    plain = {check.group: check.group.replace("_", " ") for check in checks}
    for check, following in zip(checks, (*checks[1:], None), strict=True):
        low, high = check.average
        table.add_row(
            f"{check.table}, {plain[check.group]}",
            check.metric,
            f"{low:.3f}" if low == high else f"{low:.2f}–{high:.2f}",
            f"{check.overall:.2f}",
            f"{check.difference:+.3f}" if check.difference else "",
            "[green]within[/green]" if check.consistent else "[red]beyond[/red]",
            end_section=following is not None and following.group != check.group,
        )
    out.print(table)
    out.print(_adding_up())
    out.print(
        "Rows are weighted with their cases; printed with two decimals they may be 0.01 apart.\n"
        "The sensitivity is weighted with lesions, whose numbers are not published: it must\n"
        "lie between the lowest and the highest row."
    )
