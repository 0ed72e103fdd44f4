"""The table of a reader study as a CSV file: ``reader, level, condition, case, rating``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import numbered_rows, require_columns, row_texts, write_csv
from nnunet_amt.base.spreadsheet_text import as_decimal_point
from nnunet_amt.errors import ManifestError
from nnunet_amt.statistics.reader_table import Reading

READERS_FILE = "readers.csv"
COLUMNS = ("reader", "level", "condition", "case", "rating")
WITHOUT, WITH = "without AI", "with AI"
CONDITION_NAMES = (WITHOUT, WITH)
_CONDITIONS = {
    **dict.fromkeys(("without", "without ai", "unaided", "no ai"), WITHOUT),
    **dict.fromkeys(("with", "with ai", "aided", "assisted", "ai-assisted"), WITH),
}
_WORDS = {"yes": 1.0, "high": 1.0, "no": 0.0, "low": 0.0}


@dataclass(frozen=True)
class ReaderTable:
    """Rows of a reader study, in the file's order, and the level of each reader, such as ``junior``."""

    rows: tuple[Reading, ...]
    levels: Mapping[str, str]

    @property
    def graded(self) -> bool:
        """Whether any rating is something else than yes and no, 1 and 0."""
        return any(row.rating not in (0.0, 1.0) for row in self.rows)

    def of_level(self, level: str) -> tuple[str, ...]:
        """Give the readers of a level, by name."""
        return tuple(sorted(reader for reader, own in self.levels.items() if own == level))


def read_readers(path: Path) -> ReaderTable:
    """Read the table of a reader study.

    Each reader rates each case twice: ``without`` and ``with`` AI. A rating is a number, a higher one for high risk;
    ``yes`` and ``high`` stand for 1, ``no`` and ``low`` for 0.

    Raises
    ------
    ManifestError
        Of one line: if the file cannot be read or lacks a column, a cell is empty, a condition or rating is none that
        is understood, a reading stands there twice, or a reader has two levels.
    """
    numbered = numbered_rows(path, "the table of a reader study")
    _, columns = next(numbered, (1, []))
    require_columns(path, columns, required=COLUMNS)
    lines: dict[tuple[str, str, str], int] = {}
    rows, levels = list[Reading](), dict[str, str]()
    for line, cells in numbered:
        row = row_texts(path, line, columns=columns, cells=cells)
        _require_filled(path, line, row)
        reading = Reading(row["reader"], _condition(path, line, row), row["case"], _rating(path, line, row))
        key = reading.reader, reading.condition, reading.case_id
        if key in lines:
            raise ManifestError(
                f"{path} line {line}: reader {key[0]} has rated case {key[2]} {key[1]} on line {lines[key]} already; "
                "keep one of the two"
            )
        lines[key] = line
        if levels.setdefault(reading.reader, row["level"]) != row["level"]:
            raise ManifestError(
                f"{path} line {line}, column 'level': is {row['level']!r}, reader {reading.reader} was "
                f"{levels[reading.reader]!r} before; give each reader one level"
            )
        rows.append(reading)
    if not rows:
        raise ManifestError(f"{path}: has no readings; write a row for each reader, condition and case")
    return ReaderTable(tuple(rows), levels)


def write_readers(path: Path, table: ReaderTable) -> None:
    """Write what `read_readers` reads."""
    write_csv(
        path,
        COLUMNS,
        ((row.reader, table.levels[row.reader], row.condition, row.case_id, f"{row.rating:g}") for row in table.rows),
    )


def _require_filled(path: Path, line: int, row: Mapping[str, str]) -> None:
    for column in COLUMNS:
        if not row[column]:
            raise ManifestError(f"{path} line {line}, column {column!r}: is empty; fill it in, or remove the row")


def _condition(path: Path, line: int, row: Mapping[str, str]) -> str:
    text = row["condition"]
    try:
        return _CONDITIONS[" ".join(text.casefold().replace("_", " ").split())]
    except KeyError:
        raise ManifestError(
            f"{path} line {line}, column 'condition': is {text!r}; write without or with (AI)"
        ) from None


def _rating(path: Path, line: int, row: Mapping[str, str]) -> float:
    text = row["rating"]
    if text.casefold() in _WORDS:
        return _WORDS[text.casefold()]
    try:
        number = float(as_decimal_point(text))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ManifestError(
            f"{path} line {line}, column 'rating': is {text!r}; write a number, higher for high risk, or yes and no"
        )
    return number
