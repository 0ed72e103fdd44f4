"""tables.md: the result tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nnunet_amt.base.files import write_text
from nnunet_amt.evaluation.results.tables import ResultTable, ResultTables, TableRow


def write_tables_markdown(path: Path, tables: ResultTables) -> None:
    """Write `tables_markdown` to a file."""
    write_text(path, tables_markdown(tables))


def tables_markdown(tables: ResultTables) -> str:
    """Lay out the tables as pipe tables of GitHub's Markdown."""
    parts = [f"# {tables.title}", "\n".join(f"- {note}" for note in tables.notes)]
    for table in tables.tables:
        parts += [f"## {table.title}", _table(table)]
    return "\n\n".join([*parts, *tables.left_out]) + "\n"


def _table(table: ResultTable) -> str:
    head = ["Subgroup", "Source", "Cases", *table.columns]
    rule = ["---", "---", "---:", *["---"] * len(table.columns)]
    return "\n".join(map(_line, [head, rule, *(_cells(row, len(head)) for row in table.rows)]))


def _cells(row: TableRow, width: int) -> list[str]:
    title = row.title.replace("|", "\\|")
    if row.kind == "group":
        return [f"**{title}**", *[""] * (width - 1)]
    return ["" if row.kind == "published" else title, row.kind, str(row.cases), *row.cells]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
