"""Read the manifest: the one file in which a cohort is described."""

from __future__ import annotations

import difflib
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from nnunet_amt.base.files import numbered_cells
from nnunet_amt.base.spreadsheet_text import decoded_table
from nnunet_amt.cohort.case import CohortCase, ExcludedCase, ExcludedRow, IncludedRow, problems_in
from nnunet_amt.cohort.diagnosis import DIAGNOSES, broader_name
from nnunet_amt.cohort.lesion_findings import LESION_COLUMNS
from nnunet_amt.cohort.manifest_checks import (
    IDENTIFIERS,
    ManifestProblem,
    identifying_texts,
    problems_between_rows,
)
from nnunet_amt.cohort.thymic_findings import (
    THYMIC_COLUMNS,
    clinical_column_problem,
    is_clinical,
)
from nnunet_amt.errors import ManifestError

REQUIRED_COLUMNS = ("case_id", "patient_id", "institution", "image", "mask")
FILE_COLUMNS = ("image", "mask", "mask_2")  # paths, relative to the manifest
OPTIONAL_COLUMNS = (
    "split",
    "roi",
    "age",
    "sex",
    "histology",
    "manufacturer",
    "slice_thickness_mm",
    "no_tumour",
    "exclusion_reason",
    *THYMIC_COLUMNS,
    *LESION_COLUMNS,
    "mask_2",
)
# The tables of the studies call the columns so; they must not be passed over.
_MEANT = {
    "enhancement_pattern": ["enhancement"],
    **{name: ["location"] for name in ("lesion_location", "lesion_localization", "tumour_location", "compartment")},
}
_CTC_NAME = re.compile(r"ctcs?([ _-]?(levels?|counts?|values?))?([ _/(\[-].*(ml|cells?).*)?")
_SPREADSHEET_ERRORS = {"#N/A", "#NAME?", "#VALUE!", "#REF!", "#DIV/0!", "#NUM!", "#NULL!", "#NV", "#WERT!", "#BEZUG!"}
_WORDS_FOR_NOTHING = {"nan", "none", "null", "<na>", "n/a"}  # they would make one patient of several
_SAVE_AS = "save it as 'CSV UTF-8 (comma separated)'"
_MOST_LINES = 10  # that a warning names

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manifest:
    """A manifest that obeys its schema."""

    path: Path  # the file it was read from
    cases: tuple[CohortCase, ...]  # included rows, in the manifest's order
    excluded: tuple[ExcludedCase, ...]  # rows with an exclusion reason

    @property
    def excluded_by_reason(self) -> dict[str, int]:
        """Excluded cases by reason, the most frequent first."""
        counts = Counter(case.exclusion_reason for case in self.excluded)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


Row = Mapping[str, str | None]


@dataclass(frozen=True)
class CheckedManifest:
    """A manifest with all of its problems.

    Attributes
    ----------
    header
        Names of the columns, in small letters.
    rows
        The cells of each row that is not blank as they stand, by line; more or fewer than columns where they are so.
    cases, excluded
        Rows without a problem of their own.
    problems
        Of the rows: those of single rows in the order of the lines, and then those between rows.
    header_problems
        What is wrong with the names of the columns; with one of these no row was looked at.
    """

    header: tuple[str, ...]
    rows: Mapping[int, list[str]]
    cases: tuple[CohortCase, ...]
    excluded: tuple[ExcludedCase, ...]
    problems: tuple[ManifestProblem, ...] = ()
    header_problems: tuple[ManifestProblem, ...] = ()


def read_manifest(path: Path) -> Manifest:
    """Read a manifest and check every row of it.

    Parameters
    ----------
    path
        A CSV file with a header line; see `decoded_table` and `table_text` for the encodings and separators that are
        understood. It must have the `REQUIRED_COLUMNS` and may have the
        `OPTIONAL_COLUMNS` and any ``clinical_*``; others are ignored. File names in it are relative to its folder. A
        row with an ``exclusion_reason`` needs no more than a ``case_id``.

    Returns
    -------
    Manifest
        With at least one included case. Whether the files exist is checked by the conversion.

    Raises
    ------
    ManifestError
        The first problem, with line and column, and how many more there are.
    """
    checked = check_manifest(decoded_manifest(path), name=path.name, folder=path.parent)
    if checked.header_problems:
        raise ManifestError(checked.header_problems[0].message(path.name))
    if checked.problems:
        more = f" (and {len(checked.problems) - 1} more)" if len(checked.problems) > 1 else ""
        raise ManifestError(checked.problems[0].message(path.name) + more)
    if not checked.cases:
        raise ManifestError(f"{path.name}: has no included case; give one row a case")
    if ignored := [name for name in checked.header if not is_used(name)]:
        logger.info("%s: columns not used: %s", path.name, ", ".join(ignored))
    _warn_of_diagnoses(path.name, checked.cases)
    return Manifest(path, checked.cases, checked.excluded)


def check_manifest(text: str, *, name: str, folder: Path) -> CheckedManifest:
    """Check every row of a manifest, and tell all of its problems.

    Parameters
    ----------
    text
        As `decoded_manifest` gives it.
    name
        What messages call the file.
    folder
        Its folder, to which the file names in it are relative.

    Raises
    ------
    ManifestError
        If the text is no CSV, or its header is one cell that holds separators: there is no row to check.
    """
    lines = numbered_cells(text, name)
    first, cells = next(lines, (1, []))
    header = _names(cells)
    rows = dict(lines)
    if len(header) == 1 and re.search("[,;\t]", header[0]):
        words = "is one cell that holds separators; take away the quotation marks around lines"
        raise ManifestError(ManifestProblem(first, None, words).message(name))
    if wrong_header := tuple(_header_problems(header, first)):
        return CheckedManifest(header, rows, (), (), header_problems=wrong_header)
    problems: list[ManifestProblem] = []
    included: list[CohortCase] = []
    excluded: list[ExcludedCase] = []
    named: dict[int, Row] = {}
    for line, cells in rows.items():
        if wrong := _wrong_count(header, cells, line):
            problems.append(wrong)
            continue
        filled = _filled_up(header, cells)
        row = named[line] = {column: cell or None for column, cell in zip(header, filled, strict=False)}
        case, found = _checked_row(row, line, folder)
        problems += found
        if isinstance(case, ExcludedCase):
            excluded.append(case)
        elif case is not None:
            included.append(case)
    problems += problems_between_rows(included, excluded)
    problems += identifying_texts(named)
    return CheckedManifest(header, rows, tuple(included), tuple(excluded), tuple(problems))


def _warn_of_diagnoses(name: str, cases: Sequence[CohortCase]) -> None:
    """Say which diagnoses are none that we know, and so wait for a class map; they may be names, and are not shown."""
    unknown = [case for case in cases if case.diagnosis and broader_name(case.diagnosis) is None]
    if unknown:
        first = ", ".join(str(case.line) for case in unknown[:_MOST_LINES])
        more = ", ..." if len(unknown) > _MOST_LINES else ""
        logger.warning(
            "%s, column 'diagnosis': cells that are none of %s, nor a kind of one: %d (line %s%s); they go into the "
            "dataset as they are written, and the study of CT with circulating tumour cells needs a class map that has "
            "them",
            name,
            ", ".join(DIAGNOSES),
            len(unknown),
            first,
            more,
        )


def decoded_manifest(path: Path) -> str:
    """Read the text of a manifest; ManifestError if the file cannot be read, or is no text."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); check the manifest's path") from error
    return manifest_text(content, name=path.name)


def manifest_text(content: bytes, *, name: str) -> str:
    """Decode the bytes of a manifest that messages call `name`; ManifestError if they are no text."""
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ManifestError(f"{name}: is a spreadsheet, not a CSV file; {_SAVE_AS}")
    try:
        return decoded_table(content, name=name)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{name} line {line}: is not in UTF-8; {_SAVE_AS}") from error


def near_column(name: str, known: Sequence[str]) -> str | None:
    """Give the known column that an unknown one, in small letters, may be meant to be; None if it is like none."""
    if name in known:
        return None
    meant = ["ctc_level"] if _CTC_NAME.fullmatch(name) else _MEANT.get(name)
    near = meant or difflib.get_close_matches(name, known, 1, cutoff=0.8)
    return near[0] if near else None


def is_used(column: str) -> bool:
    """Whether a column of a manifest is one that we read."""
    return column in REQUIRED_COLUMNS + OPTIONAL_COLUMNS or is_clinical(column)


def _names(cells: Sequence[str]) -> tuple[str, ...]:
    names = [cell.lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return tuple(names)


def _header_problems(names: Sequence[str], line: int) -> Iterator[ManifestProblem]:
    known = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield ManifestProblem(line, name, "stands there twice; remove one")
    for name in REQUIRED_COLUMNS:
        if name not in names:
            near = difflib.get_close_matches(name, [other for other in names if other not in known], 1)
            hint = f"rename {near[0]!r}" if near else f"the header must have {', '.join(REQUIRED_COLUMNS)}"
            yield ManifestProblem(line, name, f"is missing; {hint}")
    for name in dict.fromkeys(names):
        meant = near_column(name, known)
        if meant and (meant != "no_tumour" or name.startswith("no")):  # "tumour" is another
            yield ManifestProblem(line, name, f"is unknown; did you mean {meant!r}?")
        if is_clinical(name) and (problem := clinical_column_problem(name)):
            yield ManifestProblem(line, name, problem)


def _filled_up(header: Sequence[str], cells: list[str]) -> list[str]:
    """Add the empty cells that Excel leaves out at the end of a row, unless one of them is required."""
    if not set(header[len(cells) :]) & set(REQUIRED_COLUMNS):
        return cells + [""] * (len(header) - len(cells))
    return cells


def _wrong_count(header: Sequence[str], cells: list[str], line: int) -> ManifestProblem | None:
    if not any(cells[len(header) :]) and len(_filled_up(header, cells)) >= len(header):
        return None
    words = f"has {len(cells)} cells, the header has {len(header)}; put cells that hold a comma between quotation marks"
    return ManifestProblem(line, None, words)


def _checked_row(row: Row, line: int, folder: Path) -> tuple[CohortCase | ExcludedCase | None, list[ManifestProblem]]:
    """Make a case of a row; or none, and what is wrong with it."""
    problems = list(_cell_problems(row, line))
    try:
        if row.get("exclusion_reason"):
            excluded = ExcludedCase(**ExcludedRow.model_validate(row).model_dump(), line=line)
            return (None if problems else excluded), problems
        fields = IncludedRow.model_validate(row).model_dump()
    except ValidationError as error:
        known = {problem.column for problem in problems}
        others = [(column, words) for column, words in problems_in(error) if column not in known]
        return None, problems + [ManifestProblem(line, column, words, row.get("case_id")) for column, words in others]
    if problems:
        return None, problems
    fields |= {name: folder / fields[name] for name in FILE_COLUMNS if fields[name]}
    clinical = tuple((name, text) for name, text in row.items() if is_clinical(name) and text)
    return CohortCase(**fields, clinical=clinical, line=line), []


def _cell_problems(row: Row, line: int) -> Iterator[ManifestProblem]:
    """Find what no cell may hold, whatever its column; the first of each."""
    needed = ("case_id", "exclusion_reason") if row.get("exclusion_reason") else IDENTIFIERS
    for column, cell in row.items():
        if not cell:
            continue
        if cell in _SPREADSHEET_ERRORS:
            words = f"holds the spreadsheet's error {cell}; mend the formula or empty the cell"
            yield ManifestProblem(line, column, words)
        elif is_used(column) and cell.startswith("="):
            words = "holds a formula; enter the value that it gives"
            yield ManifestProblem(line, column, words, row.get("case_id"))
        elif column in needed and cell.lower() in _WORDS_FOR_NOTHING:
            words = f"is {cell!r}, a program's word for an empty cell; enter what belongs there"
            yield ManifestProblem(line, column, words)
        elif is_used(column) and len(cell.splitlines()) > 1:
            yield ManifestProblem(line, column, "holds a line break; write it on one line", row.get("case_id"))
        elif "\0" in cell:
            yield ManifestProblem(line, column, f"holds a null character; {_SAVE_AS}", row.get("case_id"))
