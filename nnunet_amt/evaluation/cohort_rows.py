"""The rows of cohort.csv that belong to the evaluated cases."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nnunet_amt.errors import ManifestError, UnmatchedCasesError
from nnunet_amt.evaluation.label_maps import named_cases

__all__ = ["CohortRows", "read_cohort_rows"]

CohortRows = Mapping[str, Mapping[str, str]]


def read_cohort_rows(path: Path, case_ids: Sequence[str]) -> CohortRows:
    """Read what a cohort file says about the evaluated cases.

    Parameters
    ----------
    path
        CSV with a header line, a column ``case_id`` and any others; rows of other cases are passed over.
    case_ids
        The evaluated cases.

    Returns
    -------
    dict of dict
        Column to text (stripped; empty where not stated), by case id.

    Raises
    ------
    ManifestError
        If the file cannot be read or is no strict CSV, a row has more or fewer cells than the header, there is no
        column ``case_id``, a column or a case stands there twice.
    UnmatchedCasesError
        If an evaluated case has no row.
    """
    numbered = _numbered_rows(path, _text_of(path))
    _, columns = next(numbered, (1, []))
    _check_columns(path, columns)
    rows = _by_case(path, columns, numbered)
    missing = [case_id for case_id in case_ids if case_id not in rows]
    if missing:
        raise UnmatchedCasesError(
            f"{path}: no row for {named_cases(missing)} that the predictions hold; "
            "add the rows or give the cohort.csv of these cases"
        )
    return {case_id: rows[case_id] for case_id in case_ids}


def _text_of(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); give the cohort.csv of these cases") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{path} line {line}: is no UTF-8 text (byte 0x{error.object[error.start]:02x}); save it as CSV UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ManifestError(f"{path} line {line}: holds a NUL byte, which no text does; save or copy the file again")
    return text


def _numbered_rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the number of its first line and the stripped cells of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(stripped := [cell.strip() for cell in cells]):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        raise ManifestError(f"{path} line {line}: is not CSV ({error}); check its quotation marks") from error


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    if "case_id" not in columns:
        raise ManifestError(_no_case_id(path, columns))
    for column in columns:
        if column and columns.count(column) > 1:
            raise ManifestError(f"{path} line 1, column {column!r}: stands there twice; remove one")


def _by_case(path: Path, columns: Sequence[str], rows: Iterator[tuple[int, list[str]]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for line, cells in rows:
        if len(cells) != len(columns):
            raise ManifestError(
                f"{path} line {line}: has {len(cells)} cells, the header has {len(columns)}; "
                "put cells that hold a comma between quotation marks, and write empty cells too"
            )
        texts = {column: cell for column, cell in zip(columns, cells, strict=True) if column}
        case_id = texts["case_id"]
        if case_id and case_id in found:
            raise ManifestError(
                f"{path} line {line}, column 'case_id': case {case_id} stands on line {lines[case_id]} "
                "already; keep one row a case"
            )
        found[case_id], lines[case_id] = texts, line
    return found


def _no_case_id(path: Path, columns: Sequence[str]) -> str:
    found = ", ".join(columns) or "none"
    advice = "save it with commas, not semicolons" if len(columns) == 1 and ";" in columns[0] else "name it so"
    return f"{path} line 1: has no column 'case_id' (its columns: {found}); {advice}"
