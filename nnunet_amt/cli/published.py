"""The published tables of three papers: shown, and checked like any table of one's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from nnunet_amt import paper
from nnunet_amt.cli.console import one_line_errors, out, printable
from nnunet_amt.cli.options import require_choice
from nnunet_amt.errors import BadInputError
from nnunet_amt.writing.numbers import counted

if TYPE_CHECKING:
    from nnunet_amt.statistics.consistency.averages import AverageCheck
    from nnunet_amt.statistics.consistency.check import PublishedTables
    from nnunet_amt.statistics.consistency.printed import Finding

_PAPERS = ("takemura", "tet-risk", "wang")
_SPLITS = ("training", "tuning", "external")
_STYLES = {"cannot be": "red", "doubtful": "yellow", "notice": "cyan"}


@one_line_errors
def published(
    whose: Annotated[
        str | None, typer.Option("--paper", metavar="|".join(_PAPERS), help="Whose tables.", show_default="takemura")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Say which figures cannot be, or are doubtful, and why.")
    ] = False,
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Check a table of your own instead.")
    ] = None,
) -> None:
    """Show a paper's tables, or check whether their figures fit together.

    The check looks for whole numbers of patients behind rates; an accuracy
    between sensitivity and specificity; one share of positive patients behind
    accuracy, PPV and NPV; intervals that hold their estimate and are as wide
    as so many patients make them; sums, percentages and averages; p-values
    that a usual test of the counts gives; equal rows. It ends with 0 whatever
    it finds: that is printed, and nothing that runs can mend it.

    Columns of --csv (row is needed, cells hold what is printed, all digits):

    - rates: row, table, set, n_positive, n_negative (or n), readings (of each
    patient, where a row averages readers or runs), patients (where images are
    counted), auc, accuracy, sensitivity, specificity, ppv, npv, f1, and the
    limits of each, such as auc_low and auc_high

    - means: row, table, group, n, mean, mean_low, mean_high, sd; the rows of a
    group average to the row whose group is "overall"

    - counts: row (a level), table, variable, p, and for each group of patients
    count_NAME, percent_NAME and size_NAME
    """
    if table is not None:
        if whose is not None:
            raise BadInputError(f"--csv {table} and --paper {whose}: two tables to check; give one of them")
        _show_findings(_of_file(table))
        return
    whose = whose or _PAPERS[0]
    require_choice("--paper", whose, _PAPERS)
    if check:
        _show_findings(_of_paper(whose))
    elif whose == "takemura":
        _show_takemura()
    else:
        _show_tables(whose)


def _of_file(table: Path) -> PublishedTables:
    from nnunet_amt.statistics.consistency.table_file import read_published_table

    return read_published_table(table)


def _of_paper(whose: str) -> PublishedTables:
    from nnunet_amt.statistics.consistency.papers import publication, takemura_tables

    if whose == "takemura":
        return takemura_tables()
    return publication(cast(Literal["tet-risk", "wang"], whose)).tables


def _show_tables(whose: str) -> None:
    from nnunet_amt.statistics.consistency.check import check_tables
    from nnunet_amt.statistics.consistency.papers import publication

    found = publication(cast(Literal["tet-risk", "wang"], whose))
    out.print(f"{found.citation}, doi:{found.doi}", markup=False)
    for one in found.shown:
        table = Table(title=one.title, title_justify="left")
        for column in one.columns:
            table.add_column(column, overflow="fold")
        for cells in one.rows:
            table.add_row(*cells)
        out.print(table)
    numbers = _numbers(check_tables(found.tables))
    out.print(f"Do the figures fit together? Found: {numbers}. --check has every one.")


def _show_takemura() -> None:
    from nnunet_amt.statistics.consistency.papers import LESION_TITLES, VOXEL_TITLES

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
    out.print(_estimates("Table 3: voxels, mean±SD (95% CI)", paper.TABLE_3, VOXEL_TITLES))
    out.print(_estimates("Table 4: lesions, mean±SD (95% CI)", paper.TABLE_4, LESION_TITLES))
    adding_up = _adding_up(_average_checks(_of_paper("takemura")))
    out.print(f"Do the rows add up? {adding_up} Compare with the overall row; --check has every average.")


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


def _average_checks(tables: PublishedTables) -> tuple[AverageCheck, ...]:
    from nnunet_amt.statistics.consistency.averages import check_average

    return tuple(map(check_average, tables.averages))


def _adding_up(checks: Sequence[AverageCheck]) -> str:
    """Say which rows do not average to the row of all."""
    wrong = {
        f"The {check.group.replace('_', ' ')} rows of {check.table} do not average to {check.source}."
        for check in checks
        if not check.consistent
    }
    return " ".join(sorted(wrong)) or "All rows average to the overall row."


def _show_findings(tables: PublishedTables) -> None:
    from nnunet_amt.statistics.consistency.check import check_tables

    if tables.averages:
        _show_averages(_average_checks(tables))
    findings = check_tables(tables)
    for finding in findings:
        out.print(f"[{_STYLES[finding.certainty]}]{finding.certainty}[/]  ", end="")
        out.print(printable(str(finding)), markup=False)
    out.print(f"found: {_numbers(findings)}.")


def _numbers(findings: Sequence[Finding]) -> str:
    numbers = Counter(finding.certainty for finding in findings)
    notices = counted(numbers["notice"], "notice")
    return f"{numbers['cannot be']} that cannot be, {numbers['doubtful']} doubtful, {notices}"


def _show_averages(checks: Sequence[AverageCheck]) -> None:
    table = Table("Table, rows", "metric", "average", "overall", "apart", "rounding", box=SIMPLE)
    for check, following in zip(checks, (*checks[1:], None), strict=True):
        low, high = check.average
        table.add_row(
            Text(printable(f"{check.table.removeprefix('Table ')}, {check.group.replace('_', ' ')}".strip(", "))),
            check.metric,
            f"{low:.3f}" if low == high else f"{low:.2f}–{high:.2f}",
            f"{check.overall:.{check.digits}f}",
            f"{check.difference:+.3f}" if check.difference else "",
            "[green]within[/green]" if check.consistent else "[red]beyond[/red]",
            end_section=following is not None and following.group != check.group,
        )
    out.print(table)
    out.print(_adding_up(checks))
    out.print(
        "Rows are weighted with their cases; rounding may set them a unit of the last digit apart.\n"
        "A sensitivity is weighted with lesions; where weights are not published, the overall row\n"
        "must lie between the lowest and the highest row."
    )
