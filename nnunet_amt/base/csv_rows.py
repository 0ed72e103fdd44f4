"""CSV files row by row: of people, with every mistake named by its line, and our own results."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from nnunet_amt.errors import BadInputError, ManifestError


def numbered_rows(path: Path, which: str) -> Iterator[tuple[int, list[str]]]:
    """Give the number of its first line and the stripped cells of every row that is not blank.

    Parameters
    ----------
    path
        UTF-8, with or without a byte order mark.
    which
        The file that is wanted, for the message.

    Raises
    ------
    ManifestError
        If the file cannot be read or is no strict CSV.
    """
    yield from numbered_cells(_text_of(path, which), str(path))


def numbered_cells(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Do the same with the text of a file that messages call `name`."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(stripped := [cell.strip() for cell in cells]):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        raise ManifestError(f"{name} line {line}: is not CSV ({error}); check its quotation marks") from error


def require_columns(path: Path, columns: Sequence[str], required: Sequence[str]) -> None:
    """Refuse a header that lacks a column or names one twice.

    Raises
    ------
    ManifestError
        Of the first such column.
    """
    for column in required:
        if column not in columns:
            raise ManifestError(_no_column(path, columns, column))
    for column in columns:
        if column and columns.count(column) > 1:
            raise ManifestError(f"{path} line 1, column {column!r}: stands there twice; remove one")


def row_texts(path: Path, line: int, columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Name the cells of a row by their columns; cells without a column name are left out.

    Raises
    ------
    ManifestError
        If there are more or fewer cells than columns.
    """
    if len(cells) != len(columns):
        raise ManifestError(
            f"{path} line {line}: has {len(cells)} cells, the header has {len(columns)}; "
            "put cells that hold a comma between quotation marks, and write empty cells too"
        )
    return {column: cell for column, cell in zip(columns, cells, strict=True) if column}


def _text_of(path: Path, which: str) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); give {which}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{path} line {line}: is no UTF-8 text (byte 0x{error.object[error.start]:02x}); save it as CSV UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ManifestError(f"{path} line {line}: holds a NUL byte, which no text does; save or copy the file again")
    return text


def _no_column(path: Path, columns: Sequence[str], missing: str) -> str:
    found = ", ".join(columns) or "none"
    advice = "save it with commas, not semicolons" if len(columns) == 1 and ";" in columns[0] else "name it so"
    return f"{path} line 1: has no column {missing!r} (its columns: {found}); {advice}"


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file with a column ``case_id``.

    Raises
    ------
    BadInputError
        If it cannot be read or has no such column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise BadInputError(f"{path}: cannot be read ({cause}); make these results again") from error
    if "case_id" not in (reader.fieldnames or ()):
        raise BadInputError(f"{path}: has no column 'case_id'; make these results again")
    return rows
