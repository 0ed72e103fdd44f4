"""Cohort rows and subgroups."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.errors import ManifestError, UnmatchedCasesError
from nnunet_amt.evaluation.measure.case import CaseEvaluation, evaluate_counts
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.cohort_groups import CohortRows, cohort_groups, read_cohort_rows
from nnunet_amt.evaluation.summary.subgroups import split_into_subgroups, tumour_size
from tests.evaluation.builders import count, row_mask


def case_of(case_id: str, *diameters_mm: float) -> CaseEvaluation:
    """A case with a reference lesion of each diameter."""
    counts = count(row_mask(40), row_mask(40, *((3 * i, 3 * i + 1) for i in range(len(diameters_mm)))), case_id=case_id)
    counts = replace(counts, reference_diameters_mm=np.array(diameters_mm, dtype=float))
    return evaluate_counts(counts, settings=EvaluationSettings())


@pytest.mark.parametrize(
    ("diameters_mm", "expected"),
    [
        ((49.9,), "small"),
        ((50.0,), "medium"),  # 5 cm and 8 cm are medium: small is below 5, large above 8
        ((80.0,), "medium"),
        ((80.1,), "large"),
        ((10.0, 60.0, 20.0), "medium"),  # the largest lesion, not the sum
        ((), "no lesion"),
    ],
)
def test_tumour_size(diameters_mm: tuple[float, ...], expected: str) -> None:
    assert tumour_size(case_of("a", *diameters_mm)) == expected


def test_size_needs_no_cohort() -> None:
    subgroups = split_into_subgroups([case_of("a", 90), case_of("b", 10), case_of("c")])
    assert [(s.group, s.name, len(s.cases)) for s in subgroups] == [
        ("tumour_size", "large", 1),
        ("tumour_size", "small", 1),
        ("tumour_size", "no lesion", 1),
    ]


def test_groups_of_the_cohort_in_the_order_of_the_paper() -> None:
    rows = {
        "a": {"manufacturer": "SIEMENS", "histology": "Thymoma", "institution": "H2"},
        "b": {"manufacturer": "canon medical systems", "histology": "carcinoid", "institution": "H1"},
        "c": {"manufacturer": "", "histology": "teratoma", "institution": "H1", "sex": ""},
        "d": {"manufacturer": "Aurora", "histology": "", "institution": "H1"},
    }
    subgroups = split_into_subgroups(
        [case_of(case_id, 10) for case_id in rows], cohort_groups(rows, settings=EvaluationSettings())
    )
    assert [(s.group, s.name, "".join(case.case_id for case in s.cases)) for s in subgroups] == [
        ("manufacturer", "Canon Medical Systems", "b"),
        ("manufacturer", "Siemens", "a"),
        ("manufacturer", "Aurora", "d"),
        ("manufacturer", "not stated", "c"),
        ("tumour_size", "small", "abcd"),
        ("histology", "thymoma", "a"),
        ("histology", "others", "bc"),
        ("histology", "not stated", "d"),
        ("institution", "H1", "bcd"),
        ("institution", "H2", "a"),
    ]  # no column says anything of sex, so there is no such group


def read(tmp_path: Path, text: str, *case_ids: str, encoding: str = "utf-8") -> CohortRows:
    path = tmp_path / "cohort.csv"
    path.write_text(text, encoding=encoding)
    return read_cohort_rows(path, case_ids=case_ids)


def test_rows_of_other_cases_are_passed_over(tmp_path: Path) -> None:
    text = "case_id,sex\r\ntrain_1,M\r\nb, F \r\n\r\na,\r\n"
    assert read(tmp_path, text, "a", "b", encoding="utf-8-sig") == {
        "a": {"case_id": "a", "sex": ""},
        "b": {"case_id": "b", "sex": "F"},
    }


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("case,sex\na,F\n", ManifestError, "cohort.csv line 1: has no column 'case_id' (its columns: case, sex)"),
        ("case_id;sex\na;F\n", ManifestError, "save it with commas, not semicolons"),
        ("", ManifestError, "has no column 'case_id' (its columns: none)"),
        ("case_id\na\nb\na\n", ManifestError, "line 4, column 'case_id': case a stands on line 2 already"),
        ("case_id,case_id\na,b\n", ManifestError, "line 1, column 'case_id': stands there twice; remove one"),
        ("case_id,sex\na,F\nb,F,60\n", ManifestError, "cohort.csv line 3: has 3 cells, the header has 2; put cells"),
        ("case_id,sex\na,F,\nb,F\n", ManifestError, "cohort.csv line 2: has 3 cells, the header has 2; put cells"),
        ("case_id,sex\na\nb,F\n", ManifestError, "cohort.csv line 2: has 1 cells, the header has 2; put cells"),
        ("case_id,sex\na,F\nother\n", ManifestError, "cohort.csv line 3: has 1 cells, the header has 2"),
        (
            'case_id,sex\na,F\nb,"F\n',
            ManifestError,
            "cohort.csv line 3: is not CSV (unexpected end of data); check",
        ),
        ('case_id,sex\na,"F"M\nb,F\n', ManifestError, "cohort.csv line 2: is not CSV ("),
        ('case_id,"sex\na,F\nb,F\n', ManifestError, "cohort.csv line 1: is not CSV (unexpected end of data)"),
        ("case_id,sex\na,F\nb,F\0\n", ManifestError, "cohort.csv line 3: holds a NUL byte"),
        ("case_id\na\n", UnmatchedCasesError, "no row for 1 case (b) that the predictions hold"),
    ],
)
def test_bad_cohort_files(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        read(tmp_path, text, "a", "b")


def test_a_cohort_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        ManifestError, match=r"cohort\.csv: cannot be read \(No such file or directory\); give the cohort"
    ):
        read_cohort_rows(tmp_path / "cohort.csv", case_ids=["a"])
    with pytest.raises(ManifestError, match=r"line 2: is no UTF-8 text \(byte 0xfc\); save it as CSV UTF-8"):
        read(tmp_path, "case_id,name\na,ü\n", "a", encoding="latin-1")
