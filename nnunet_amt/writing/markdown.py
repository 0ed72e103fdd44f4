"""Tables as pipe tables of GitHub's Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nnunet_amt.writing.table import Document, Row, RowKind, Table

_RULES = {"l": "---", "r": "---:"}


def escape_markdown(text: str) -> str:
    """Write text so that no part of it ends a cell."""
    return text.replace("|", "\\|")


def pipe_table(table: Table, *, alignments: str = "", sources: Mapping[RowKind, str] | None = None) -> str:
    """Lay out the columns and rows of a table, without its title and notes.

    Parameters
    ----------
    table
        What is laid out.
    alignments
        ``l`` (left) or ``r`` (right) for each column that is written, as ``"lrr"``; columns beyond stand left.
    sources
        What a column "Source" after the heads says of each kind of row; None for no such column. Published rows have
        no head then.
    """
    head = [table.heading, *([] if sources is None else ["Source"]), *table.columns]
    rules = [_RULES[letter] for letter in alignments.ljust(len(head), "l")]
    rows = (_cells(row, len(head), sources) for row in table.rows)
    return "\n".join(map(_line, [head, rules, *rows]))


def markdown_document(document: Document, *, alignments: str = "", sources: Mapping[RowKind, str] | None = None) -> str:
    """Lay out sentences and pictures first, then the notes, then the tables, all laid out by `pipe_table`."""
    parts = [f"# {document.title}", *map(escape_markdown, document.sentences)]
    parts += [f"![{picture.text}]({picture.file.name})" for picture in document.pictures]
    parts += _list(document.notes)
    for table in document.tables:
        parts += [f"## {escape_markdown(table.title)}", pipe_table(table, alignments=alignments, sources=sources)]
        parts += _list(table.notes)
    parts += [*map(escape_markdown, document.left_out), *([document.foot] if document.foot else [])]
    return "\n\n".join(parts) + "\n"


def _list(notes: Iterable[str]) -> list[str]:
    """Give a list of the notes as one paragraph; nothing for none."""
    text = "\n".join(f"- {escape_markdown(note)}" for note in notes)
    return [text] if text else []


def _cells(row: Row, width: int, sources: Mapping[RowKind, str] | None) -> list[str]:
    if row.kind == "group":
        return [f"**{row.title}**", *[""] * (width - 1)]
    if sources is None:
        return [row.title, *row.cells]
    return ["" if row.kind == "published" else row.title, sources[row.kind], *row.cells]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(escape_markdown, cells))} |"
