"""Read the manifest: the one file in which a cohort is described."""

from __future__ import annotations

import difflib
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from nnunet_amt.base.files import numbered_cells
from nnunet_amt.base.spreadsheet_text import decoded_table
from nnunet_amt.cohort.case import CohortCase, ExcludedCase, ExcludedRow, IncludedRow, place_in_manifest, problems_in
from nnunet_amt.cohort.diagnosis import DIAGNOSES, broader_name
from nnunet_amt.cohort.lesion_findings import LESION_COLUMNS
from nnunet_amt.cohort.spelling import closed_up, letters, punctuation_apart
from nnunet_amt.cohort.thymic_findings import (
    THYMIC_COLUMNS,
    clinical_column_problem,
    is_clinical,
    telling_clinical_texts,
)
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
# Between two CTs of one patient; a series of CTs may well run over decades, but not over a life.
_MOST_YEARS_APART = 50
_MOST_LINES = 10  # that a warning names
_LABEL_FILE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
# Cells that go into the dataset as they are written, and what must not stand in them.
_FREE_TEXT = ("histology", "diagnosis", "manufacturer", "exclusion_reason")
_IDENTIFIERS = ("patient_id", "case_id", "institution")
# Shorter ones are too likely to be words or numbers of their own.
_SHORTEST_IDENTIFIER = 4
_YEAR, _OF_TWO = r"(?:19|20)\d\d", r"\d{1,2}"
_DATE = re.compile(
    rf"(?<![\d.])(?:{_YEAR}([-./]){_OF_TWO}\1{_OF_TWO}|{_OF_TWO}([-./]){_OF_TWO}\2{_YEAR}"
    rf"|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)"
)

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
    text = _decoded(path)
    lines = numbered_cells(text, path.name)
    header = _header(path, *next(lines, (1, [])))
    cases: list[CohortCase] = []
    excluded: list[ExcludedCase] = []
    problems: list[str] = []
    rows: dict[int, dict[str, str | None]] = {}
    for line, cells in lines:
        try:
            row = rows[line] = _row(header, cells, path.name, line)
            if row.get("exclusion_reason"):
                excluded.append(ExcludedCase(**ExcludedRow.model_validate(row).model_dump(), line=line))
            else:
                fields = IncludedRow.model_validate(row).model_dump()
                fields |= {name: path.parent / fields[name] for name in ("image", "mask", "mask_2") if fields[name]}
                clinical = tuple((name, text) for name, text in row.items() if is_clinical(name) and text)
                cases.append(CohortCase(**fields, clinical=clinical, line=line))
        except ValidationError as error:
            case_id = row.get("case_id")
            problems += [
                f"{place_in_manifest(path.name, line, column, case_id)}: {words}"
                for column, words in problems_in(error)
            ]
        except ManifestError as error:
            problems.append(str(error))
    problems += _problems_between_rows(path.name, cases, excluded)
    problems += _identifying_texts(path.name, rows)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ManifestError(problems[0] + more)
    if not cases:
        raise ManifestError(f"{path.name}: has no included case; give one row a case")
    _warn_of_diagnoses(path.name, cases)
    return Manifest(path, tuple(cases), tuple(excluded))


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


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); check the manifest's path") from error
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ManifestError(f"{path.name}: is a spreadsheet, not a CSV file; {_SAVE_AS}")
    try:
        return decoded_table(content, name=path.name)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{path.name} line {line}: is not in UTF-8; {_SAVE_AS}") from error


def near_column(name: str, known: Sequence[str]) -> str | None:
    """Give the known column that an unknown one, in small letters, may be meant to be; None if it is like none."""
    if name in known:
        return None
    meant = ["ctc_level"] if _CTC_NAME.fullmatch(name) else _MEANT.get(name)
    near = meant or difflib.get_close_matches(name, known, 1, cutoff=0.8)
    return near[0] if near else None


def _header(path: Path, line: int, cells: list[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    place = f"{path.name} line {line}"
    if len(names) == 1 and re.search("[,;\t]", names[0]):
        raise ManifestError(f"{place}: is one cell that holds separators; take away the quotation marks around lines")
    known = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
    for name in names:
        if names.count(name) > 1:
            raise ManifestError(f"{place}, column {name!r}: stands there twice; remove one")
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    for name in missing:
        near = difflib.get_close_matches(name, [other for other in names if other not in known], 1)
        hint = f"rename {near[0]!r}" if near else f"the header must have {', '.join(REQUIRED_COLUMNS)}"
        raise ManifestError(f"{place}, column {name!r}: is missing; {hint}")
    for name in names:
        meant = near_column(name, known)
        if meant and (meant != "no_tumour" or name.startswith("no")):  # "tumour" is another
            raise ManifestError(f"{place}, column {name!r}: is unknown; did you mean {meant!r}?")
        if is_clinical(name) and (problem := clinical_column_problem(name)):
            raise ManifestError(f"{place}, column {name!r}: {problem}")
    if ignored := [name for name in names if name not in known and not is_clinical(name)]:
        logger.info("%s: columns not used: %s", path.name, ", ".join(ignored))
    return names


def _row(header: list[str], cells: list[str], name: str, line: int) -> dict[str, str | None]:
    # Excel leaves out separators at the end of rows whose last cells are empty.
    if not set(header[len(cells) :]) & set(REQUIRED_COLUMNS):
        cells = cells + [""] * (len(header) - len(cells))
    if any(cells[len(header) :]) or len(cells) < len(header):
        raise ManifestError(
            f"{name} line {line}: has {len(cells)} cells, the header has {len(header)}; "
            "put cells that hold a comma between quotation marks"
        )
    excluded = dict(zip(header, cells, strict=False)).get("exclusion_reason")
    for column, cell in zip(header, cells, strict=False):
        if cell in _SPREADSHEET_ERRORS:
            place = place_in_manifest(name, line, column)
            raise ManifestError(f"{place}: holds the spreadsheet's error {cell}; mend the formula or empty the cell")
        needed = ("case_id", "exclusion_reason") if excluded else _IDENTIFIERS
        if column in needed and cell.lower() in _WORDS_FOR_NOTHING:
            place = place_in_manifest(name, line, column)
            raise ManifestError(f"{place}: is {cell!r}, a program's word for an empty cell; enter what belongs there")
        used = column in REQUIRED_COLUMNS + OPTIONAL_COLUMNS or is_clinical(column)
        if used and len(cell.splitlines()) > 1:
            case_id = dict(zip(header, cells, strict=False)).get("case_id")
            place = place_in_manifest(name, line, column, case_id)
            raise ManifestError(f"{place}: holds a line break; write it on one line")
        if "\0" in cell:
            place = place_in_manifest(name, line, column, dict(zip(header, cells, strict=False)).get("case_id"))
            raise ManifestError(f"{place}: holds a null character; {_SAVE_AS}")
    return {column: cell or None for column, cell in zip(header, cells, strict=False)}


def _problems_between_rows(name: str, cases: Sequence[CohortCase], excluded: Sequence[ExcludedCase]) -> Iterator[str]:
    """Find ids that stand twice, names spelt in two ways, patients who are two persons, and masks given twice.

    Each is a message with the manifest's `name`, line, column and case.
    """
    yield from _repeated_case_ids(name, cases, excluded)
    yield from _spelt_twice(name, cases, "institution", letters, "capitals, spaces, accents, punctuation or zeros")
    yield from _spelt_twice(name, cases, "patient_id", closed_up, "capitals, spaces, zeros or forms of characters")
    yield from _punctuated_twice(name, cases)
    yield from _shortened_ids(name, cases)
    yield from _unlike_persons(name, cases)
    yield from _repeated_masks(name, cases)


def _repeated_case_ids(name: str, cases: Sequence[CohortCase], excluded: Sequence[ExcludedCase]) -> Iterator[str]:
    first_lines: dict[str, int] = {}
    rows: list[CohortCase | ExcludedCase] = [*cases, *excluded]
    for row in sorted(rows, key=lambda row: row.line):
        # Some file systems do not tell capitals apart, and spreadsheets make 7 of 007.
        first = first_lines.setdefault(closed_up(row.case_id), row.line)
        if first != row.line:
            place = place_in_manifest(name, row.line, "case_id", row.case_id)
            yield f"{place}: line {first} has the same case_id; each row needs its own"


def _spelt_twice(
    name: str, cases: Sequence[CohortCase], column: str, key: Callable[[str], str], what: str
) -> Iterator[str]:
    """Find values that differ in their spelling only: the split would take them for two."""
    first_cases: dict[str, CohortCase] = {}
    for case in cases:
        value = str(getattr(case, column))
        first = first_cases.setdefault(key(value), case)
        if getattr(first, column) != value:
            place = place_in_manifest(name, case.line, column, case.case_id)
            yield f"{place}: differs from line {first.line} in {what} only; spell both alike"


def _punctuated_twice(name: str, cases: Sequence[CohortCase]) -> Iterator[str]:
    """Find patients' ids that differ in punctuation only, unless it stands at other places: see `punctuation_apart`."""
    first_cases: dict[str, dict[frozenset[int], CohortCase]] = {}
    for case in cases:
        characters, places = punctuation_apart(case.patient_id)
        known = first_cases.setdefault(characters, {})
        for other, first in known.items():
            one_in_other = places <= other or other <= places
            if one_in_other and closed_up(first.patient_id) != closed_up(case.patient_id):
                place = place_in_manifest(name, case.line, "patient_id", case.case_id)
                yield (
                    f"{place}: differs from line {first.line} in punctuation only (and perhaps capitals or zeros); "
                    "spell both alike if that is one patient, otherwise write something before one of the two, such as "
                    "where the CT was made"
                )
                break
        known.setdefault(places, case)


def _shortened_ids(name: str, cases: Sequence[CohortCase]) -> Iterator[str]:
    """Find patients' ids of which a spreadsheet has kept the first digits: two patients may have become one."""
    for case in cases:
        if re.fullmatch(r"\d([.,]\d+)?E\+?\d+", case.patient_id, re.IGNORECASE):
            place = place_in_manifest(name, case.line, "patient_id", case.case_id)
            yield (
                f"{place}: is a number that a spreadsheet has shortened (as 1.23E+05), its last digits are lost; "
                "format the column as text and enter it again"
            )


def _unlike_persons(name: str, cases: Sequence[CohortCase]) -> Iterator[str]:
    """Find patients of two sexes or of ages a lifetime apart: two persons have one id, and would share a split."""
    first_sexes: dict[str, CohortCase] = {}
    youngest: dict[str, CohortCase] = {}
    for case in cases:
        first = first_sexes.setdefault(case.patient_id, case) if case.sex else case
        if first.sex != case.sex:
            place = place_in_manifest(name, case.line, "sex", case.case_id)
            yield f"{place}: line {first.line} has the same patient_id and another sex; correct one of them"
    for case in sorted((case for case in cases if case.age is not None), key=lambda case: (case.age, case.line)):
        first = youngest.setdefault(case.patient_id, case)
        if case.age is not None and first.age is not None and case.age - first.age > _MOST_YEARS_APART:
            place = place_in_manifest(name, case.line, "age", case.case_id)
            yield (
                f"{place}: line {first.line} has the same patient_id and an age {case.age - first.age:g} years lower; "
                "correct one of them"
            )


def _repeated_masks(name: str, cases: Sequence[CohortCase]) -> Iterator[str]:
    """Find a label file under two CTs: on grids that are alike nothing else would tell that one is wrong.

    Folders, zips and RTSTRUCTs may hold the masks of several CTs; those say which one they were drawn on.
    """
    first_cases: dict[Path, CohortCase] = {}
    for case in cases:
        for column, mask in (("mask", case.mask), ("mask_2", case.mask_2)):
            if mask is None or not mask.name.lower().endswith(_LABEL_FILE_ENDINGS):
                continue
            first = first_cases.setdefault(mask, case)
            if first.image != case.image:
                place = place_in_manifest(name, case.line, column, case.case_id)
                yield f"{place}: line {first.line} has the same mask and another image; give each CT its own"


def _identifying_texts(name: str, rows: Mapping[int, Mapping[str, str | None]]) -> Iterator[str]:
    """Find dates and the manifest's own identifiers in the cells that go into the dataset as they are written.

    Columns that are shifted by one come to light so, and reasons such as "same patient as P017". Each is a message
    with the manifest's `name`, line, column and case, and without what was found.
    """
    found = {
        value.casefold(): column
        for column in reversed(_IDENTIFIERS)
        for row in rows.values()
        if (value := row.get(column)) and len(value) >= _SHORTEST_IDENTIFIER
    }
    longest_first = sorted(found, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)") if found else None
    known: dict[str, str | None] = {}
    clinical = list(dict.fromkeys(column for row in rows.values() for column in row if is_clinical(column)))
    for column, texts in (*((column, rows) for column in clinical), ("diagnosis", _unknown_diagnoses(rows))):
        for line, problem in telling_clinical_texts(column, texts):
            yield f"{place_in_manifest(name, line, column, rows[line].get('case_id'))}: {problem}"
    for line, row in rows.items():
        for column in (*_FREE_TEXT, *clinical):
            text = (row.get(column) or "").casefold()
            if text not in known:
                match = pattern.search(text) if pattern else None
                known[text] = (
                    "a date" if _DATE.search(text) else f"a {found[match.group()]} of this table" if match else None
                )
            if what := known[text]:
                place = place_in_manifest(name, line, column, row.get("case_id"))
                yield f"{place}: holds {what.replace('a inst', 'an inst')} and goes into the dataset; take it out"


def _unknown_diagnoses(rows: Mapping[int, Mapping[str, str | None]]) -> dict[int, dict[str, str | None]]:
    """Give the diagnoses alone, with one word for all that are known: twenty of them in twenty rows are no names."""
    texts = {line: row.get("diagnosis") for line, row in rows.items()}
    return {
        line: {"diagnosis": "known" if text and broader_name(text) else text} for line, text in texts.items() if text
    }
