"""Our own Markdown files read back: headings, notes and tables, with the words they were written in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_RULE_CELL = re.compile(r":?-{3,}:?")
_BAR = re.compile(r"(?<!\\)\|")
_EMPHASIS = re.compile(r"\*\*|`")


@dataclass(frozen=True)
class MarkdownTable:
    """Columns and rows of text, every row as long as the columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class MarkdownPart:
    """What stands under a heading.

    Attributes
    ----------
    heading
        Without its ``#``; empty for what stands above the first.
    notes
        List items and paragraphs, in order, without marks of emphasis.
    tables
        In order.
    """

    heading: str
    notes: tuple[str, ...]
    tables: tuple[MarkdownTable, ...]


def read_markdown(path: Path) -> tuple[MarkdownPart, ...]:
    """Read a file that this package wrote: ATX headings, list items of one line, pipe tables, paragraphs.

    Returns
    -------
    tuple of MarkdownPart
        A part a heading; none if there is no such file.
    """
    if not path.is_file():
        return ()
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            parts.append((_plain(line.lstrip("#")), []))
        else:
            parts[-1][1].append(line)
    return tuple(_part(heading, lines) for heading, lines in parts if heading or any(lines))


def _part(heading: str, lines: list[str]) -> MarkdownPart:
    notes: list[str] = []
    tables: list[MarkdownTable] = []
    block: list[str] = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            block.append(line)
            continue
        if block:
            tables.append(_table(block))
            block = []
        if line.strip():
            notes.append(_plain(line.removeprefix("- ")))
    return MarkdownPart(heading, tuple(notes), tuple(tables))


def _table(lines: list[str]) -> MarkdownTable:
    rows = [tuple(_plain(cell) for cell in _BAR.split(line.strip())[1:-1]) for line in lines]
    body = [row for row in rows[1:] if not all(_RULE_CELL.fullmatch(cell) for cell in row)]
    return MarkdownTable(rows[0], tuple(body))


def _plain(text: str) -> str:
    return _EMPHASIS.sub("", text).replace("\\|", "|").strip()
