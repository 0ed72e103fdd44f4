"""What the cohort file says of the evaluated cases, as groups to make subgroups of."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_amt import paper
from nnunet_amt.base.files import numbered_rows, require_columns, row_texts
from nnunet_amt.base.spreadsheet_text import as_decimal_point
from nnunet_amt.errors import BadInputError, ManifestError, UnmatchedCasesError
from nnunet_amt.evaluation.measure.label_maps import alike_names, named_cases
from nnunet_amt.evaluation.settings import EvaluationSettings

CohortRows = Mapping[str, Mapping[str, str]]
_YEARS = 10
# Thin sections are up to 1.5 mm; 5 mm, which the paper's external CTs have, is beyond the last limit.
_THICKNESS_LIMITS_MM = (1.5, 3.0)
_MICROMETRE = 1e-3  # headers say 1.4999999 of 1.5 mm
NO_TUMOUR_COLUMN = "no_tumour"
_NO_TUMOUR = "no tumour"  # in place of the histology of a case without one
NOT_STATED = "not stated"
_NAMED_COLUMNS = ("manufacturer", "histology", "institution", "sex")
_IDENTIFIERS = ("case_id", "patient", "patient_id")
_MOST_NUMBERS = 6  # different ones that stand for themselves, such as grades; more are put into thirds
_FEW_TEXTS, _MOST_TEXTS = 6, 30  # allowed in any cohort, and in the largest


def read_cohort_rows(path: Path, *, case_ids: Sequence[str]) -> CohortRows:
    """Read what a cohort file says about the evaluated cases: column to text, by case id.

    The file is CSV with a header line, a column ``case_id`` and any others; rows of other cases are passed over. Texts
    are stripped, and empty where not stated.

    Raises
    ------
    ManifestError
        If the file cannot be read or is no strict CSV, a row has more or fewer cells than the header, there is no
        column ``case_id``, a column or a case stands there twice.
    UnmatchedCasesError
        If an evaluated case has no row.
    """
    numbered = numbered_rows(path, "the cohort.csv of these cases")
    _, columns = next(numbered, (1, []))
    require_columns(path, columns, required=("case_id",))
    rows: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for line, cells in numbered:
        texts = row_texts(path, line, columns=columns, cells=cells)
        case_id = texts["case_id"]
        if case_id and case_id in rows:
            raise ManifestError(
                f"{path} line {line}, column 'case_id': case {case_id} stands on line {lines[case_id]} "
                "already; keep one row a case"
            )
        rows[case_id], lines[case_id] = texts, line
    missing = [case_id for case_id in case_ids if case_id not in rows]
    if missing:
        raise UnmatchedCasesError(
            f"{path}: no row for {named_cases(missing)} that the predictions hold; {alike_names(missing, rows)}"
            "add the rows or give the cohort.csv of these cases"
        )
    return {case_id: rows[case_id] for case_id in case_ids}


def check_tumours(path: Path, rows: CohortRows, *, empty: Collection[str]) -> None:
    """Refuse references that are not what the cohort file's column no_tumour says, if it has one.

    `empty` are the cases whose reference holds no tumour.

    Raises
    ------
    UnmatchedCasesError
        Naming the cases: the file or the references are those of others, or one of them is wrong.
    BadInputError
        If a cell says neither yes nor no.
    """
    if not any(NO_TUMOUR_COLUMN in row for row in rows.values()):
        return
    stated = _without_tumour(rows)
    for says, found, case_ids in (
        ("yes", "holds a tumour", sorted(stated - set(empty))),
        ("no", "is empty", sorted(set(empty) - stated)),
    ):
        if case_ids:
            raise UnmatchedCasesError(
                f"{path}, column {NO_TUMOUR_COLUMN!r}: says {says} of {named_cases(case_ids)}, whose reference "
                f"{found}; correct the column, or give the references of these cases"
            )


def _without_tumour(rows: CohortRows) -> frozenset[str]:
    """Give the cases of which the cohort file says that they have no tumour."""
    if not any(row.get(NO_TUMOUR_COLUMN) for row in rows.values()):
        return frozenset()
    from nnunet_amt.cohort.case import yes_or_no  # pydantic takes its time, and most files have no such column

    found = set()
    for case_id, row in rows.items():
        text = row.get(NO_TUMOUR_COLUMN, "")
        try:
            if yes_or_no(text):
                found.add(case_id)
        except ValueError as error:
            raise BadInputError(
                f"cohort file, column {NO_TUMOUR_COLUMN!r} (case {case_id}): is {text!r}; it {error}"
            ) from error
    return frozenset(found)


def as_number(text: str) -> float | None:
    """Read a finite number, with a decimal point or comma; None where the text is none."""
    try:
        number = float(as_decimal_point(text))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def age_band(years: float) -> str:
    """Name the decade of an age, ``"50–59"``."""
    decade = int(years // _YEARS) * _YEARS
    return f"{decade}–{decade + _YEARS - 1}"


def slice_thickness_band(mm: float) -> str:
    """Name the band of a slice thickness: up to 1.5 mm, over 1.5 to 3 mm, over 3 mm."""
    low, high = _THICKNESS_LIMITS_MM
    if mm <= low + _MICROMETRE:
        return f"up to {low:g} mm"
    return f"over {low:g} to {high:g} mm" if mm <= high + _MICROMETRE else f"over {high:g} mm"


def thirds(values: Sequence[float]) -> tuple[str, ...]:
    """Name the third of the cases that each value falls into, with the lowest and highest value in it.

    The limits are values of the cohort itself (of its sorted values those at one third and two thirds); equal values
    stay together, so that thirds differ in size where many are equal, and may be fewer than three.

    Returns
    -------
    tuple of str
        Of each of the values, one or more, such as ``"1.2 to 3.4"``.
    """
    array = np.asarray(values, dtype=float)
    limits = np.quantile(array, (1 / 3, 2 / 3), method="inverted_cdf")
    third_of_value = np.searchsorted(limits, array, side="left")
    names = {}
    for third in np.unique(third_of_value):
        low, high = array[third_of_value == third].min(), array[third_of_value == third].max()
        names[third] = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return tuple(names[third] for third in third_of_value)


_BANDED_COLUMNS: dict[str, Callable[[float], str]] = {
    "age": age_band,
    "slice_thickness_mm": slice_thickness_band,
}


@dataclass(frozen=True)
class CohortGroup:
    """A column of the cohort file.

    Attributes
    ----------
    subgroup_of
        Value or band of each case, by case id.
    order
        The subgroups as they are to stand in a table.
    """

    name: str
    subgroup_of: Mapping[str, str]
    order: tuple[str, ...]


def cohort_groups(cohort: CohortRows | None, *, settings: EvaluationSettings) -> tuple[CohortGroup, ...]:
    """Make a group of each usual column that says something of a case, and of each column that was asked for.

    The usual columns are manufacturer, histology, institution, sex, age (in decades) and slice_thickness_mm (in
    three bands). As in the paper, histologies other than its four are put together as "others"; cases without a
    tumour, by the column no_tumour, have none. A column that was asked for is taken as it stands, or in thirds of the
    cases if it holds more than six different numbers.

    Raises
    ------
    BadInputError
        If a column asked for is not there, names single cases, is empty, or has a value of its own in nearly
        every case; if an age or slice thickness is no number.
    """
    if cohort is None:
        for name in settings.subgroup_columns:
            raise BadInputError(f"subgroup {name!r}: is a column of the cohort file; give that file too (--cohort)")
        return ()
    usual = [name for name in (*_NAMED_COLUMNS, *_BANDED_COLUMNS) if any(row.get(name) for row in cohort.values())]
    asked = [name for name in dict.fromkeys(settings.subgroup_columns) if name not in usual]
    for name in settings.subgroup_columns:
        _check_asked(name, cohort)
    return tuple(_group(name, cohort) for name in (*usual, *asked))


def institutions_of(groups: Sequence[CohortGroup]) -> Mapping[str, str] | None:
    """Give the institution of each case, by case id; None where there is no such group."""
    return next((group.subgroup_of for group in groups if group.name == "institution"), None)


def _check_asked(name: str, cohort: CohortRows) -> None:
    columns = [column for column in next(iter(cohort.values()), {}) if column not in _IDENTIFIERS]
    if name in _IDENTIFIERS:
        raise BadInputError(f"subgroup {name!r}: names single cases; choose one of {', '.join(columns)}")
    if name not in columns:
        raise BadInputError(f"subgroup {name!r}: the cohort file has no such column; it has {', '.join(columns)}")
    if not any(row[name] for row in cohort.values()):
        raise BadInputError(f"subgroup {name!r}: is empty in all {len(cohort)} evaluated cases; fill the column")


def _group(name: str, cohort: CohortRows) -> CohortGroup:
    texts = {case_id: row.get(name, "") for case_id, row in cohort.items()}
    if name == "histology":
        texts |= dict.fromkeys(_without_tumour(cohort), _NO_TUMOUR)
    if name in _BANDED_COLUMNS:
        return _banded(name, texts)
    if name in _NAMED_COLUMNS:
        return _named(name, texts)
    different = {text for text in texts.values() if text}
    if all(as_number(text) is not None for text in different):
        return _numeric(name, texts)
    if len(different) > max(_FEW_TEXTS, min(_MOST_TEXTS, len(texts) // 2)):
        raise BadInputError(
            f"subgroup {name!r}: has {len(different)} different texts in {len(texts)} cases; "
            "put alike ones together in the cohort file"
        )
    return _named(name, texts)


def _named(name: str, texts: Mapping[str, str]) -> CohortGroup:
    """Take texts as they are, in the paper's spelling and order where it has such rows."""
    published = {row.subgroup.casefold(): row.subgroup for row in paper.TABLE_3 if row.group == name}
    others = published.get("others")
    if name == "histology":
        published[_NO_TUMOUR] = _NO_TUMOUR  # last of those, and none of the others
    subgroup_of = {
        case_id: published.get(text.casefold(), others or text) if text else NOT_STATED
        for case_id, text in texts.items()
    }
    ranks = {subgroup: rank for rank, subgroup in enumerate(published.values())}
    return _ordered(name, subgroup_of, {text: (ranks.get(text, len(ranks)), text) for text in subgroup_of.values()})


def _banded(name: str, texts: Mapping[str, str]) -> CohortGroup:
    band = _BANDED_COLUMNS[name]
    subgroup_of, lowest = {}, dict[str, float]()
    for case_id, text in texts.items():
        number = as_number(text) if text else None
        if text and (number is None or number < 0):
            raise BadInputError(
                f"cohort file, column {name!r} (case {case_id}): {text!r} is no number from 0 up; mend it"
            )
        subgroup_of[case_id] = NOT_STATED if number is None else band(number)
        if number is not None:
            lowest[subgroup_of[case_id]] = min(number, lowest.get(subgroup_of[case_id], number))
    return _ordered(name, subgroup_of, lowest)


def _numeric(name: str, texts: Mapping[str, str]) -> CohortGroup:
    """Put numbers into thirds, or leave them alone where they are few."""
    stated = {case_id: float(text) for case_id, text in texts.items() if text}
    few = len(set(stated.values())) <= _MOST_NUMBERS
    names = [f"{number:g}" for number in stated.values()] if few else list(thirds(list(stated.values())))
    subgroup_of = dict.fromkeys(texts, NOT_STATED) | dict(zip(stated, names, strict=True))
    lowest = dict[str, float]()
    for subgroup, number in zip(names, stated.values(), strict=True):
        lowest[subgroup] = min(number, lowest.get(subgroup, number))
    return _ordered(name, subgroup_of, lowest)


def _ordered(name: str, subgroup_of: Mapping[str, str], rank: Mapping[str, object]) -> CohortGroup:
    """Sort the subgroups by their ranks; those who say nothing come last."""
    stated = [subgroup for subgroup in dict.fromkeys(subgroup_of.values()) if subgroup != NOT_STATED]
    order = sorted(stated, key=lambda subgroup: rank[subgroup])  # type: ignore[arg-type,return-value]
    return CohortGroup(name, subgroup_of, (*order, *([NOT_STATED] if NOT_STATED in subgroup_of.values() else [])))
