"""Tables as text: what every table of the page is laid out from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnunet_amt.report.markdown_reader import MarkdownTable
from nnunet_amt.writing.table import Table


@dataclass(frozen=True)
class TextRow:
    """A line of a table.

    Attributes
    ----------
    title
        Its head.
    cells
        The rest; none for the title of a group, which spans the table.
    kind
        ``row``; ``group`` for a title alone; ``published`` for other people's figures, set apart.
    link
        Where the head leads to on the page (``#...``); empty for nowhere.
    """

    title: str
    cells: tuple[str, ...] = ()
    kind: str = "row"
    link: str = ""


@dataclass(frozen=True)
class TextTable:
    """A table of the page.

    Attributes
    ----------
    title
        Its caption.
    columns
        Titles of the column of heads and of every cell.
    rows
        In order.
    notes
        What stands below it.
    words
        Columns of words, by their number, which may break into lines; the others hold figures.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[TextRow, ...]
    notes: tuple[str, ...] = ()
    words: frozenset[int] = frozenset()


def result_table(table: Table) -> TextTable:
    """Take a table of the evaluation, with the published rows below ours."""
    rows = tuple(TextRow(row.title, row.cells, row.kind) for row in table.rows)
    columns = (column.replace("IoU > ", "IoU\u00a0>\u00a0") for column in table.columns)
    return TextTable(table.title, (table.heading, *columns), rows)


def markdown_table(title: str, table: MarkdownTable, notes: Sequence[str] = (), heads: int = 1) -> TextTable:
    """Take a table of a Markdown file of ours.

    Parameters
    ----------
    title
        Its caption.
    table
        Of the file.
    notes
        For below it.
    heads
        Leading columns that together name a row, such as variable and value.
    """
    rows = tuple(TextRow(_joined(row[:heads]), tuple(row[heads:])) for row in table.rows)
    return TextTable(title, (table.columns[0], *table.columns[heads:]), rows, tuple(notes))


def comparison_table(content: Mapping[str, Any]) -> TextTable:
    """Take a table of ``comparison.json``, whose cells are text already."""
    rows = tuple(
        TextRow(str(row["title"]), tuple(map(str, row.get("cells", ()))), str(row.get("kind", "row")))
        for row in content["rows"]
    )
    columns = (str(content.get("heading", "")), *map(str, content["columns"]))
    return TextTable(str(content["title"]), columns, rows, tuple(map(str, content.get("notes", ()))))


def _joined(words: Sequence[str]) -> str:
    return ": ".join(word for word in words if word)
