"""Bands of numbers and groups of cohort columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.cohort_groups import (
    CohortGroup,
    CohortRows,
    age_band,
    check_tumours,
    cohort_groups,
    institutions_of,
    slice_thickness_band,
    thirds,
)


def rows(column: str, *values: str) -> dict[str, dict[str, str]]:
    return {f"c{i}": {"case_id": f"c{i}", column: value} for i, value in enumerate(values)}


def group(cohort: CohortRows, *asked: str) -> CohortGroup:
    (only,) = cohort_groups(cohort, settings=EvaluationSettings(subgroup_columns=asked))
    return only


@pytest.mark.parametrize(
    ("years", "band"), [(20, "20–29"), (29.9, "20–29"), (30, "30–39"), (9, "0–9"), (101, "100–109")]
)
def test_ages_are_in_decades(years: float, band: str) -> None:
    assert age_band(years) == band


@pytest.mark.parametrize(
    ("mm", "band"),
    [
        (0.625, "up to 1.5 mm"),
        (1.5, "up to 1.5 mm"),
        (1.5000004, "up to 1.5 mm"),  # as headers say it
        (2.0, "over 1.5 to 3 mm"),
        (3.0, "over 1.5 to 3 mm"),
        (5.0, "over 3 mm"),
    ],
)
def test_slice_thickness_is_in_three_bands(mm: float, band: str) -> None:
    assert slice_thickness_band(mm) == band


def test_thirds_on_paper() -> None:
    assert thirds([6, 1, 2, 3, 4, 5]) == ("5 to 6", "1 to 2", "1 to 2", "3 to 4", "3 to 4", "5 to 6")
    assert thirds([1, 1, 1, 1, 9]) == ("1", "1", "1", "1", "9")  # equal values stay together


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=40))
def test_thirds_keep_order_and_lose_nobody(values: list[int]) -> None:
    names = thirds(values)
    assert len(names) == len(values)
    for name in set(names):
        members = [value for value, its in zip(values, names, strict=True) if its == name]
        assert all(
            its == name for value, its in zip(values, names, strict=True) if min(members) <= value <= max(members)
        )
    assert len(set(names)) <= 3


def test_decades_stand_in_the_order_of_age() -> None:
    ages = group(rows("age", "101", "", "23", "9", "28.5"))
    assert ages.order == ("0–9", "20–29", "100–109", "not stated")
    assert ages.subgroup_of["c1"] == "not stated"


def test_usual_columns_without_a_value_make_no_group() -> None:
    assert cohort_groups(rows("sex", "", ""), settings=EvaluationSettings()) == ()
    assert cohort_groups(None, settings=EvaluationSettings()) == ()


def test_a_column_that_was_asked_for_stands_as_it_is() -> None:
    stage = group(rows("stage", "II", "I", "", "II"), "stage", "stage")
    assert (stage.name, stage.order) == ("stage", ("I", "II", "not stated"))


def test_few_numbers_are_names_in_their_own_order_and_many_are_thirds() -> None:
    assert group(rows("grade", "10", "9", "", "9.0"), "grade").order == ("9", "10", "not stated")
    kilovolts = group(rows("kvp", *(str(number) for number in range(80, 89))), "kvp")
    assert kilovolts.order == ("80 to 82", "83 to 85", "86 to 88")


def with_tumours(*words: str) -> dict[str, dict[str, str]]:
    return rows("no_tumour", *words)


def test_a_case_without_a_tumour_has_no_histology() -> None:
    """'normal' would count among the paper's others, an empty cell as not stated."""
    texts = ("thymoma", "", "normal", "", "Castleman disease")
    cohort = {f"c{i}": {"histology": text, "no_tumour": "yes" if i in (2, 3) else "no"} for i, text in enumerate(texts)}
    histology = next(
        group for group in cohort_groups(cohort, settings=EvaluationSettings()) if group.name == "histology"
    )
    assert [histology.subgroup_of[f"c{i}"] for i in range(5)] == [
        *("thymoma", "not stated", "no tumour", "no tumour", "others")
    ]
    assert histology.order[-2:] == ("no tumour", "not stated")


def test_the_cohort_file_and_the_references_must_tell_the_same() -> None:
    path = Path("cohort.csv")
    for words in (("yes", "no"), ("1", ""), ("TRUE", "0")):
        check_tumours(path, with_tumours(*words), empty=["c0"])
    check_tumours(path, rows("sex", "F", "M"), empty=["c0"])  # says nothing of it
    with pytest.raises(
        UnmatchedCasesError, match=r"'no_tumour': says yes of 1 case \(c0\), whose reference holds a tumour"
    ):
        check_tumours(path, with_tumours("yes", "no"), empty=[])
    with pytest.raises(
        UnmatchedCasesError, match=r"says no of 1 case \(c1\), whose reference is empty; correct the column"
    ):
        check_tumours(path, with_tumours("yes", ""), empty=["c0", "c1"])
    with pytest.raises(BadInputError, match=r"column 'no_tumour' \(case c1\): is 'maybe'; it must be yes or no"):
        check_tumours(path, with_tumours("yes", "maybe"), empty=["c0"])


def test_asking_for_a_usual_column_makes_it_once() -> None:
    assert group(rows("sex", "F", "M"), "sex").name == "sex"


@pytest.mark.parametrize(
    ("cohort", "settings", "message"),
    [
        (
            None,
            {"subgroup_columns": ("stage",)},
            "subgroup 'stage': is a column of the cohort file; give that file too",
        ),
        (
            {"c0": {"patient": "patient-0001", "sex": "F"}},
            {"subgroup_columns": ("patient",)},
            "subgroup 'patient': names single cases; choose one of sex",
        ),
        (
            rows("sex", "F"),
            {"subgroup_columns": ("stage",)},
            "subgroup 'stage': the cohort file has no such column; it has sex",
        ),
        (
            rows("sex", "F"),
            {"subgroup_columns": ("case_id",)},
            "subgroup 'case_id': names single cases; choose one of sex",
        ),
        (
            rows("stage", "", ""),
            {"subgroup_columns": ("stage",)},
            "subgroup 'stage': is empty in all 2 evaluated cases",
        ),
        (
            rows("note", *"abcdefgh"),
            {"subgroup_columns": ("note",)},
            "subgroup 'note': has 8 different texts in 8 cases; put alike ones together",
        ),
        (rows("age", "40", "old"), {}, "cohort file, column 'age' (case c1): 'old' is no number from 0 up; mend it"),
        (rows("age", "nan"), {}, "'nan' is no number from 0 up"),
        (rows("slice_thickness_mm", "-5"), {}, "column 'slice_thickness_mm' (case c0): '-5' is no number from 0 up"),
    ],
)
def test_what_cannot_be_grouped(cohort: CohortRows | None, settings: dict[str, object], message: str) -> None:
    with pytest.raises(BadInputError, match=re.escape(message)) as caught:
        cohort_groups(cohort, settings=EvaluationSettings(**settings))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_institutions_are_a_group_like_others() -> None:
    settings = EvaluationSettings()
    assert institutions_of(cohort_groups(rows("institution", "H1", "H2"), settings=settings)) == {
        "c0": "H1",
        "c1": "H2",
    }
    assert institutions_of(cohort_groups(rows("sex", "F"), settings=settings)) is None
