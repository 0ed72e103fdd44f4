"""What no single row of a manifest tells: ids that stand twice, two persons under one id, texts that tell who it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.cohort.case import CohortCase, ExcludedCase, place_in_manifest
from nnunet_amt.cohort.diagnosis import broader_name
from nnunet_amt.cohort.spelling import closed_up, letters, punctuation_apart
from nnunet_amt.cohort.thymic_findings import is_clinical, telling_clinical_texts

# Between two CTs of one patient; a series of CTs may well run over decades, but not over a life.
_MOST_YEARS_APART = 50
_LABEL_FILE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
# Cells that go into the dataset as they are written, and what must not stand in them.
_FREE_TEXT = ("histology", "diagnosis", "manufacturer", "exclusion_reason")
IDENTIFIERS = ("patient_id", "case_id", "institution")
# Shorter ones are too likely to be words or numbers of their own.
_SHORTEST_IDENTIFIER = 4
_YEAR, _OF_TWO = r"(?:19|20)\d\d", r"\d{1,2}"
_DATE = re.compile(
    rf"(?<![\d.])(?:{_YEAR}([-./]){_OF_TWO}\1{_OF_TWO}|{_OF_TWO}([-./]){_OF_TWO}\2{_YEAR}"
    rf"|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)"
)


@dataclass(frozen=True)
class ManifestProblem:
    """What is wrong in a manifest, and where.

    Attributes
    ----------
    line
        Line of the file, the header being line 1 as a rule.
    column
        Name of the column; None where the whole line is meant.
    words
        What is wrong, and what to do. A value that may be a name or a date is not among them.
    case_id
        Of the row, where its case is to be named.
    """

    line: int
    column: str | None
    words: str
    case_id: str | None = None

    def message(self, name: str) -> str:
        """Say it in one line, of a manifest that is called `name`."""
        if self.column is None:
            return f"{name} line {self.line}: {self.words}"
        return f"{place_in_manifest(name, self.line, self.column, self.case_id)}: {self.words}"


def problems_between_rows(cases: Sequence[CohortCase], excluded: Sequence[ExcludedCase]) -> Iterator[ManifestProblem]:
    """Find ids that stand twice, names spelt in two ways, patients who are two persons, and masks given twice."""
    yield from _repeated_case_ids(cases, excluded)
    yield from _spelt_twice(cases, "institution", letters, "capitals, spaces, accents, punctuation or zeros")
    yield from _spelt_twice(cases, "patient_id", closed_up, "capitals, spaces, zeros or forms of characters")
    yield from _punctuated_twice(cases)
    yield from _shortened_ids(cases)
    yield from _unlike_persons(cases)
    yield from _repeated_masks(cases)


def _repeated_case_ids(cases: Sequence[CohortCase], excluded: Sequence[ExcludedCase]) -> Iterator[ManifestProblem]:
    first_lines: dict[str, int] = {}
    rows: list[CohortCase | ExcludedCase] = [*cases, *excluded]
    for row in sorted(rows, key=lambda row: row.line):
        # Some file systems do not tell capitals apart, and spreadsheets make 7 of 007.
        first = first_lines.setdefault(closed_up(row.case_id), row.line)
        if first != row.line:
            words = f"line {first} has the same case_id; each row needs its own"
            yield ManifestProblem(row.line, "case_id", words, row.case_id)


def _spelt_twice(
    cases: Sequence[CohortCase], column: str, key: Callable[[str], str], what: str
) -> Iterator[ManifestProblem]:
    """Find values that differ in their spelling only: the split would take them for two."""
    first_cases: dict[str, CohortCase] = {}
    for case in cases:
        value = str(getattr(case, column))
        first = first_cases.setdefault(key(value), case)
        if getattr(first, column) != value:
            words = f"differs from line {first.line} in {what} only; spell both alike"
            yield ManifestProblem(case.line, column, words, case.case_id)


def _punctuated_twice(cases: Sequence[CohortCase]) -> Iterator[ManifestProblem]:
    """Find patients' ids that differ in punctuation only, unless it stands at other places: see `punctuation_apart`."""
    first_cases: dict[str, dict[frozenset[int], CohortCase]] = {}
    for case in cases:
        characters, places = punctuation_apart(case.patient_id)
        known = first_cases.setdefault(characters, {})
        for other, first in known.items():
            one_in_other = places <= other or other <= places
            if one_in_other and closed_up(first.patient_id) != closed_up(case.patient_id):
                words = (
                    f"differs from line {first.line} in punctuation only (and perhaps capitals or zeros); spell both "
                    "alike if that is one patient, otherwise write something before one of the two, such as where the "
                    "CT was made"
                )
                yield ManifestProblem(case.line, "patient_id", words, case.case_id)
                break
        known.setdefault(places, case)


def _shortened_ids(cases: Sequence[CohortCase]) -> Iterator[ManifestProblem]:
    """Find patients' ids of which a spreadsheet has kept the first digits: two patients may have become one."""
    for case in cases:
        if re.fullmatch(r"\d([.,]\d+)?E\+?\d+", case.patient_id, re.IGNORECASE):
            words = (
                "is a number that a spreadsheet has shortened (as 1.23E+05), its last digits are lost; format the "
                "column as text and enter it again"
            )
            yield ManifestProblem(case.line, "patient_id", words, case.case_id)


def _unlike_persons(cases: Sequence[CohortCase]) -> Iterator[ManifestProblem]:
    """Find patients of two sexes or of ages a lifetime apart: two persons have one id, and would share a split."""
    first_sexes: dict[str, CohortCase] = {}
    youngest: dict[str, CohortCase] = {}
    for case in cases:
        first = first_sexes.setdefault(case.patient_id, case) if case.sex else case
        if first.sex != case.sex:
            words = f"line {first.line} has the same patient_id and another sex; correct one of them"
            yield ManifestProblem(case.line, "sex", words, case.case_id)
    for case in sorted((case for case in cases if case.age is not None), key=lambda case: (case.age, case.line)):
        first = youngest.setdefault(case.patient_id, case)
        if case.age is not None and first.age is not None and case.age - first.age > _MOST_YEARS_APART:
            words = (
                f"line {first.line} has the same patient_id and an age {case.age - first.age:g} years lower; correct "
                "one of them"
            )
            yield ManifestProblem(case.line, "age", words, case.case_id)


def _repeated_masks(cases: Sequence[CohortCase]) -> Iterator[ManifestProblem]:
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
                words = f"line {first.line} has the same mask and another image; give each CT its own"
                yield ManifestProblem(case.line, column, words, case.case_id)


def identifying_texts(rows: Mapping[int, Mapping[str, str | None]]) -> Iterator[ManifestProblem]:
    """Find dates and the manifest's own identifiers in the cells that go into the dataset as they are written.

    Columns that are shifted by one come to light so, and reasons such as "same patient as P017". What was found is not
    told.
    """
    found = {
        value.casefold(): column
        for column in reversed(IDENTIFIERS)
        for row in rows.values()
        if (value := row.get(column)) and len(value) >= _SHORTEST_IDENTIFIER
    }
    longest_first = sorted(found, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)") if found else None
    known: dict[str, str | None] = {}
    clinical = list(dict.fromkeys(column for row in rows.values() for column in row if is_clinical(column)))
    for column, texts in (*((column, rows) for column in clinical), ("diagnosis", _unknown_diagnoses(rows))):
        for line, problem in telling_clinical_texts(column, texts):
            yield ManifestProblem(line, column, problem, rows[line].get("case_id"))
    for line, row in rows.items():
        for column in (*_FREE_TEXT, *clinical):
            text = (row.get(column) or "").casefold()
            if text not in known:
                match = pattern.search(text) if pattern else None
                known[text] = (
                    "a date" if _DATE.search(text) else f"a {found[match.group()]} of this table" if match else None
                )
            if what := known[text]:
                words = f"holds {what.replace('a inst', 'an inst')} and goes into the dataset; take it out"
                yield ManifestProblem(line, column, words, row.get("case_id"))


def _unknown_diagnoses(rows: Mapping[int, Mapping[str, str | None]]) -> dict[int, dict[str, str | None]]:
    """Give the diagnoses alone, with one word for all that are known: twenty of them in twenty rows are no names."""
    texts = {line: row.get("diagnosis") for line, row in rows.items()}
    return {
        line: {"diagnosis": "known" if text and broader_name(text) else text} for line, text in texts.items() if text
    }
