"""Tables of ready text, in no format yet: what every Markdown, HTML, LaTeX, CSV and JSON table is laid out from."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from nnunet_amt.base.files import csv_text
from nnunet_amt.base.json_file import misfit

RowKind = Literal["row", "group", "published"]
# Columns that hold the paper's results.
_PUBLISHED = ("Total, published", "External test, published", "Published p", "Published (other patients)")
_TABLE = {
    "title": str,
    "heading?": str,
    "columns": [str],
    "rows": [{"title": str, "cells?": [str], "kind?": str}],
    "notes?": [str],
}


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

    def without_published(self) -> Table:
        """Leave out the rows, columns and notes that hold the paper's results, which are of patients."""
        kept = [number for number, column in enumerate(self.columns) if column not in _PUBLISHED]
        rows = (row for row in self.rows if row.kind != "published")
        return replace(
            self,
            columns=tuple(self.columns[number] for number in kept),
            rows=tuple(
                replace(row, cells=tuple(row.cells[number] for number in kept if number < len(row.cells)))
                for row in rows
            ),
            notes=tuple(note for note in self.notes if not note.startswith("Published")),
            words=frozenset(place for place, number in enumerate(kept) if number in self.words),
        )

    def as_csv(self) -> str:
        """Give the titles of the columns and the rows as CSV."""
        return csv_text((self.heading, *self.columns), ((row.title, *row.cells) for row in self.rows))


def table_from_json(content: Mapping[str, Any]) -> Table:
    """Take a table from a results file.

    Raises
    ------
    ValueError
        If it is none; the reader of the file says which file that is.
    """
    if reason := misfit(content, _TABLE):
        raise ValueError(f"no table: {reason}")
    columns = tuple(content["columns"])
    rows = tuple(Row(row["title"], tuple(row.get("cells", ())), row.get("kind", "row")) for row in content["rows"])
    for number, row in enumerate(rows, start=1):
        cells = 0 if row.kind == "group" else len(columns)
        if row.kind not in get_args(RowKind) or len(row.cells) != cells:
            raise ValueError(f"no table: row {number} of {content['title']!r} has not the cells of its columns")
    return Table(content["title"], content.get("heading", ""), columns, rows, tuple(content.get("notes", ())))


@dataclass(frozen=True)
class Picture:
    """A figure beside the tables.

    Attributes
    ----------
    file
        A PNG.
    text
        What is to be seen on it, for those who cannot.
    wide
        Whether it is made for the width of a page, not of a column.
    """

    file: Path
    text: str
    wide: bool = False

    @property
    def source(self) -> str:
        """The picture itself, so that a page needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.file.read_bytes()).decode('ascii')}"


@dataclass(frozen=True)
class Document:
    """Tables, and what is said and shown beside them.

    Attributes
    ----------
    title
        Heading of the whole.
    tables
        In order.
    sentences
        What was found, a paragraph each.
    pictures
        Files beside the document.
    notes
        What the rows, the figures and the signs of all tables mean.
    left_out
        A sentence for each thing that is too long for a table.
    foot
        The last line; empty for none.
    """

    title: str
    tables: tuple[Table, ...]
    sentences: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    foot: str = ""

    def without_published(self) -> Document:
        """Leave out what `Table.without_published` does, in all tables and in the notes of all."""
        return replace(
            self,
            tables=tuple(table.without_published() for table in self.tables),
            notes=tuple(note for note in self.notes if not note.startswith("Published")),
        )

    def as_json(self) -> dict[str, Any]:
        """Give its tables and notes for a results file; `document_from_json` reads them back."""
        return {
            "title": self.title,
            "notes": list(self.notes),
            "tables": [table.as_json() for table in self.tables],
            "left_out": list(self.left_out),
        }


def document_from_json(content: Mapping[str, Any]) -> Document:
    """Take tables and notes from a results file; raises as `table_from_json`."""
    if reason := misfit(content, {"title": str, "tables": [dict], "notes": [str], "left_out": [str]}):
        raise ValueError(f"no tables: {reason}")
    return Document(
        title=content["title"],
        tables=tuple(map(table_from_json, content["tables"])),
        notes=tuple(content["notes"]),
        left_out=tuple(content["left_out"]),
    )
