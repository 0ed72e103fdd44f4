"""A table of ready text, in no format yet: what every Markdown, HTML, LaTeX and CSV table is laid out from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

RowKind = Literal["row", "group", "published"]


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes
    ----------
    title
        Its head.
    cells
        One a column after the first; none for the title of a group, which spans the table.
    kind
        ``"group"``: `title` alone, of the rows that follow. ``"published"``: other people's figures, set apart.
    link
        Where the head leads to on a page (``#...``); empty for nowhere.
    """

    title: str
    cells: tuple[str, ...] = ()
    kind: RowKind = "row"
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table without format.

    Attributes
    ----------
    title
        Its caption.
    heading
        Of the column of heads.
    columns
        Titles of the cells of its rows.
    rows
        In order.
    notes
        What must be said of it, a sentence each.
    words
        Columns of words, by their number among `columns`, which may break into lines; the others hold figures.
    """

    title: str
    heading: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    words: frozenset[int] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """Give what a results file holds of it; `table_from_json` reads it back."""
        return {
            "title": self.title,
            "heading": self.heading,
            "columns": list(self.columns),
            "rows": [{"kind": row.kind, "title": row.title, "cells": list(row.cells)} for row in self.rows],
            "notes": list(self.notes),
        }


def table_from_json(content: Mapping[str, Any]) -> Table:
    """Take a table from a results file.

    Raises
    ------
    KeyError, TypeError
        If it is none; the reader of the file says which file that is.
    """
    rows = tuple(
        Row(str(row["title"]), tuple(map(str, row.get("cells", ()))), row.get("kind", "row")) for row in content["rows"]
    )
    columns = tuple(map(str, content["columns"]))
    return Table(str(content["title"]), str(content.get("heading", "")), columns, rows, tuple(content.get("notes", ())))
