"""Read the manifest: the one file in which a cohort is described."""

from __future__ import annotations

import csv
import difflib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from nnunet_amt.cohort.case import CohortCase, ExcludedCase, Manifest, place_in_manifest
from nnunet_amt.cohort.manifest_row import ExcludedRow, IncludedRow, problems_in
from nnunet_amt.cohort.row_checks import identifying_texts, problems_between_rows
from nnunet_amt.errors import ManifestError

REQUIRED_COLUMNS = ("case_id", "patient_id", "institution", "image", "mask")
OPTIONAL_COLUMNS = (
    "split",
    "roi",
    "age",
    "sex",
    "histology",
    "manufacturer",
    "slice_thickness_mm",
    "exclusion_reason",
)
_SPREADSHEET_ERRORS = {"#N/A", "#NAME?", "#VALUE!", "#REF!", "#DIV/0!", "#NUM!", "#NULL!", "#NV", "#WERT!", "#BEZUG!"}
_SAVE_AS = "save it as 'CSV UTF-8 (comma separated)'"

logger = logging.getLogger(__name__)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest and check every row of it.

    Parameters
    ----------
    path
        A CSV file in UTF-8, with a header line. It must have the `REQUIRED_COLUMNS` and may have the
        `OPTIONAL_COLUMNS`; others are ignored. File names in it are relative to its folder. A row with an
        ``exclusion_reason`` needs no more than a ``case_id``.

    Returns
    -------
    Manifest
        With at least one included case. Whether the files exist is checked by the conversion.

    Raises
    ------
    ManifestError
        The first problem, with line and column, and how many more there are.
    """
    text = _decoded(path)
    lines = _cells(path, text)
    header = _header(path, next(lines, (1, []))[1])
    cases: list[CohortCase] = []
    excluded: list[ExcludedCase] = []
    problems: list[str] = []
    rows: dict[int, dict[str, str | None]] = {}
    for line, cells in lines:
        try:
            row = rows[line] = _row(header, cells, path.name, line)
            if row.get("exclusion_reason"):
                excluded.append(_excluded(row, line))
            else:
                cases.append(_included(row, line, path.parent))
        except ValidationError as error:
            case_id = row.get("case_id")
            problems += [
                f"{place_in_manifest(path.name, line, column, case_id)}: {words}"
                for column, words in problems_in(error)
            ]
        except ManifestError as error:
            problems.append(str(error))
    problems += problems_between_rows(path.name, cases, excluded)
    problems += identifying_texts(path.name, rows)
    _raise_first(problems)
    if not cases:
        raise ManifestError(f"{path.name}: has no included case; give one row a case")
    return Manifest(path, tuple(cases), tuple(excluded))


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); check the manifest's path") from error
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ManifestError(f"{path.name}: is a spreadsheet, not a CSV file; {_SAVE_AS}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{path.name} line {line}: is not in UTF-8; {_SAVE_AS}") from error


def _cells(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the first line number and the stripped cells of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        raise ManifestError(f"{path.name} line {line}: is not CSV ({error}); check its quotation marks") from error


def _header(path: Path, cells: list[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            raise ManifestError(f"{path.name} line 1: columns are separated by {word}; {_SAVE_AS}, with commas")
    known = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
    for name in names:
        if names.count(name) > 1:
            raise ManifestError(f"{path.name} line 1, column {name!r}: stands there twice; remove one")
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    for name in missing:
        near = difflib.get_close_matches(name, [other for other in names if other not in known], 1)
        hint = f"rename {near[0]!r}" if near else f"the header must have {', '.join(REQUIRED_COLUMNS)}"
        raise ManifestError(f"{path.name} line 1, column {name!r}: is missing; {hint}")
    for name in names:
        near = difflib.get_close_matches(name, known, 1, cutoff=0.8)
        if name not in known and near:
            raise ManifestError(f"{path.name} line 1, column {name!r}: is unknown; did you mean {near[0]!r}?")
    if ignored := [name for name in names if name not in known]:
        logger.info("%s: columns not used: %s", path.name, ", ".join(ignored))
    return names


def _row(header: list[str], cells: list[str], name: str, line: int) -> dict[str, str | None]:
    if any(cells[len(header) :]) or len(cells) < len(header):
        raise ManifestError(
            f"{name} line {line}: has {len(cells)} cells, the header has {len(header)}; "
            "put cells that hold a comma between quotation marks"
        )
    for column, cell in zip(header, cells, strict=False):
        if cell in _SPREADSHEET_ERRORS:
            place = place_in_manifest(name, line, column)
            raise ManifestError(f"{place}: holds the spreadsheet's error {cell}; mend the formula or empty the cell")
        if column in REQUIRED_COLUMNS + OPTIONAL_COLUMNS and len(cell.splitlines()) > 1:
            case_id = dict(zip(header, cells, strict=False)).get("case_id")
            place = place_in_manifest(name, line, column, case_id)
            raise ManifestError(f"{place}: holds a line break; write it on one line")
        if "\0" in cell:
            place = place_in_manifest(name, line, column, dict(zip(header, cells, strict=False)).get("case_id"))
            raise ManifestError(f"{place}: holds a null character; {_SAVE_AS}")
    return {column: cell or None for column, cell in zip(header, cells, strict=False)}


def _included(row: dict[str, str | None], line: int, folder: Path) -> CohortCase:
    fields = IncludedRow.model_validate(row).model_dump()
    fields["image"] = folder / fields["image"]
    fields["mask"] = folder / fields["mask"]
    return CohortCase(**fields, line=line)


def _excluded(row: dict[str, str | None], line: int) -> ExcludedCase:
    return ExcludedCase(**ExcludedRow.model_validate(row).model_dump(), line=line)


def _raise_first(problems: list[str]) -> None:
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ManifestError(problems[0] + more)
