"""The command that shows the paper's tables, and whether they add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from nnunet_amt import paper
from nnunet_amt.cli.console import one_line_errors, out

_SPLITS = ("training", "tuning", "external")
_TABLE_3 = {"dice": "Dice", "iou": "IoU", "precision": "precision", "recall": "recall"}
_TABLE_4 = {
    "sensitivity_01": "sens., IoU 0.1",
    "fp_per_scan_01": "FP/scan, IoU 0.1",
    "sensitivity_05": "sens., IoU 0.5",
    "fp_per_scan_05": "FP/scan, IoU 0.5",
}


@one_line_errors
def published(
    check: Annotated[
        bool,
        typer.Option("--check", help="Say which rows of Tables 3 and 4 do not average to their overall row."),
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
    out.print(_table_1())
    out.print(_table_2())
    out.print(_estimates("Table 3: voxels, mean±SD (95% CI)", paper.TABLE_3, _TABLE_3))
    out.print(_estimates("Table 4: lesions, mean±SD (95% CI)", paper.TABLE_4, _TABLE_4))


def _table_1() -> Table:
    table = Table("", *_SPLITS, title="Table 1: cases", title_justify="left")
    cases = (paper.TRAINING_CASES, paper.TUNING_CASES, paper.EXTERNAL_CASES)
    institutions = (paper.TRAINING_INSTITUTIONS, paper.TUNING_INSTITUTIONS, paper.EXTERNAL_INSTITUTIONS)
    table.add_row("cases", *map(str, cases))
    table.add_row("institutions", *map(str, institutions))
    ages = (paper.AGES[split] for split in _SPLITS)
    table.add_row("age, median (range)", *(f"{median:.1f} ({low}–{high})" for median, low, high in ages))
    for name, counts in paper.DIAGNOSES.items():
        table.add_row(name, *map(str, counts))
    return table


def _table_2() -> Table:
    table = Table("manufacturer", "cases", title="Table 2: external cases by scanner", title_justify="left")
    for name, cases in paper.MANUFACTURERS.items():
        table.add_row(name, str(cases))
    return table


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


def _show_check() -> None:
    from nnunet_amt.evaluation.summary.subgroups import published_checks

    table = Table("Table, rows", "metric", "average", "overall", "apart", "rounding", box=SIMPLE)
    checks = published_checks()
    for check, following in zip(checks, (*checks[1:], None), strict=True):
        low, high = check.average
        table.add_row(
            f"{check.table}, {_plain(check.group)}",
            check.metric,
            f"{low:.3f}" if low == high else f"{low:.2f}–{high:.2f}",
            f"{check.overall:.2f}",
            f"{check.difference:+.3f}" if check.difference else "",
            "[green]within[/green]" if check.consistent else "[red]beyond[/red]",
            end_section=following is not None and following.group != check.group,
        )
    out.print(table)
    rows = {f"the {_plain(check.group)} rows of Table {check.table}" for check in checks if not check.consistent}
    whose = f"{', '.join(sorted(rows))} do not" if rows else "all rows"
    out.print(f"{whose[0].upper()}{whose[1:]} average to the overall row.")
    out.print(
        "Rows are weighted with their cases; printed with two decimals they may be 0.01 apart.\n"
        "The sensitivity is weighted with lesions, whose numbers are not published: it must\n"
        "lie between the lowest and the highest row."
    )


def _plain(group: str) -> str:
    return group.replace("_", " ")
