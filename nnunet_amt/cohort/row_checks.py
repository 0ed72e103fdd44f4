"""What is wrong with rows of a manifest that are right one by one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from nnunet_amt.cohort.case import CohortCase, ExcludedCase, place_in_manifest

# Between two CTs of one patient; a series of CTs may well run over decades, but not over a life.
_MOST_YEARS_APART = 50
_LABEL_FILE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")


def problems_between_rows(name: str, cases: Sequence[CohortCase], excluded: Sequence[ExcludedCase]) -> Iterator[str]:
    """Find ids that stand twice, names spelt in two ways, patients who are two persons, and masks given twice.

    Parameters
    ----------
    name
        Of the manifest, for messages.
    cases, excluded
        Its rows.

    Yields
    ------
    str
        A message, with line, column and case.
    """
    yield from _repeated_case_ids(name, cases, excluded)
    yield from _spelt_twice(name, cases, "institution", _letters, "capitals, spaces, accents or punctuation")
    yield from _spelt_twice(name, cases, "patient_id", _closed_up, "capitals or spaces")
    yield from _unlike_persons(name, cases)
    yield from _repeated_masks(name, cases)


def _repeated_case_ids(name: str, cases: Sequence[CohortCase], excluded: Sequence[ExcludedCase]) -> Iterator[str]:
    first_lines: dict[str, int] = {}
    rows: list[CohortCase | ExcludedCase] = [*cases, *excluded]
    for row in sorted(rows, key=lambda row: row.line):
        # Some file systems do not tell capitals apart.
        first = first_lines.setdefault(row.case_id.lower(), row.line)
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


def _closed_up(value: str) -> str:
    """Leave out capitals and spaces, and the ways in which Unicode writes one letter."""
    return "".join(unicodedata.normalize("NFKC", value).split()).casefold()


def _letters(value: str) -> str:
    """Leave out accents and punctuation too: "St. Mary's" is "St Marys". Between digits it stays: 1.1 is not 11."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", value) if not unicodedata.combining(char))
    return re.sub(r"(?<!\d)[\W_]+|[\W_]+(?!\d)", "", plain).casefold() or _closed_up(value)


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
        if not case.mask.name.lower().endswith(_LABEL_FILE_ENDINGS):
            continue
        first = first_cases.setdefault(case.mask, case)
        if first.image != case.image:
            place = place_in_manifest(name, case.line, "mask", case.case_id)
            yield f"{place}: line {first.line} has the same mask and another image; give each CT its own"


# Cells that go into the dataset as they are written, and what must not stand in them.
_FREE_TEXT = ("histology", "manufacturer", "exclusion_reason")
_IDENTIFIERS = ("patient_id", "case_id", "institution")
# Shorter ones are too likely to be words or numbers of their own.
_SHORTEST_IDENTIFIER = 4
_YEAR, _OF_TWO = r"(?:19|20)\d\d", r"\d{1,2}"
_DATE = re.compile(
    rf"(?<![\d.])(?:{_YEAR}([-./]){_OF_TWO}\1{_OF_TWO}|{_OF_TWO}([-./]){_OF_TWO}\2{_YEAR}"
    rf"|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)"
)


def identifying_texts(name: str, rows: Mapping[int, Mapping[str, str | None]]) -> Iterator[str]:
    """Find dates and the manifest's own identifiers in the cells that go into the dataset as they are written.

    Columns that are shifted by one come to light so, and reasons such as "same patient as P017".

    Parameters
    ----------
    name
        Of the manifest, for messages.
    rows
        Cells by column, by line.

    Yields
    ------
    str
        A message, with line, column and case; what was found is not in it.
    """
    found = {
        value.casefold(): column
        for column in reversed(_IDENTIFIERS)
        for row in rows.values()
        if (value := row.get(column)) and len(value) >= _SHORTEST_IDENTIFIER
    }
    longest_first = sorted(found, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)") if found else None
    told: dict[str, str | None] = {}
    for line, row in rows.items():
        for column in _FREE_TEXT:
            text = (row.get(column) or "").casefold()
            if text not in told:
                match = pattern.search(text) if pattern else None
                told[text] = (
                    "a date" if _DATE.search(text) else f"a {found[match.group()]} of this table" if match else None
                )
            if what := told[text]:
                place = place_in_manifest(name, line, column, row.get("case_id"))
                yield f"{place}: holds {what.replace('a inst', 'an inst')} and goes into the dataset; take it out"
