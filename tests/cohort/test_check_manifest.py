"""All problems of a manifest at once: who mends a table of 711 rows is not to be told one at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.cohort.manifest import CheckedManifest, check_manifest
from nnunet_amt.errors import ManifestError

HEADER = "case_id,patient_id,institution,image,mask,split,age,sex,exclusion_reason"


def check(*lines: str, header: str = HEADER) -> CheckedManifest:
    return check_manifest("\n".join([header, *lines]), name="manifest.csv", folder=Path("cohort"))


def places(checked: CheckedManifest) -> list[tuple[int, str | None]]:
    return [(problem.line, problem.column) for problem in checked.problems]


def test_every_problem_is_told_with_its_line_and_column() -> None:
    """Two in one row, one in another, one between rows, a row with a cell too many."""
    checked = check(
        "c1,p1,North,i1,m1,trainning,200,F,",
        "c2,,North,i2,m2,,,,",
        "c3,p3,North,i3,m3,,,,",
        "C3,p4,North,i4,m4,,,,",
        "c5,p5,North,i5,m5,,,,,one,more",
    )
    assert places(checked) == [(2, "split"), (2, "age"), (3, "patient_id"), (6, None), (5, "case_id")]
    assert (
        checked.problems[-1]
        .message("manifest.csv")
        .startswith("manifest.csv line 5, column 'case_id' (case 'C3'): line 4 has the same case_id")
    )
    assert [case.line for case in checked.cases] == [4, 5]


def test_the_cells_of_all_rows_are_given_as_they_stand() -> None:
    checked = check("c1,p1,North,i1,m1,,NaN years,,", "short", "c3,p3,North,i3,m3,,,,no CT")
    assert checked.rows[2][6] == "NaN years"
    assert checked.rows[3] == ["short"]
    assert [case.case_id for case in checked.excluded] == ["c3"]


def test_a_cell_is_complained_of_once() -> None:
    assert places(check("c1,p1,North,i1,m1,#N/A,,,", "c2,nan,North,i2,m2,,,#REF!,")) == [
        (2, "split"),
        (3, "patient_id"),
        (3, "sex"),
    ]


def test_a_wrong_header_is_told_whole_and_no_row_is_looked_at() -> None:
    checked = check("c1,p1,North,i1,m1,F", header="case_id,patient,institution,image,image,histolgy")
    assert [(problem.column, problem.words.split(";")[0]) for problem in checked.header_problems] == [
        ("image", "stands there twice"),
        ("patient_id", "is missing"),
        ("mask", "is missing"),
        ("patient", "is unknown"),
        ("histolgy", "is unknown"),
    ]
    assert checked.cases == ()
    assert checked.rows[2][0] == "c1"


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ManifestError, match="one cell that holds separators"):
        check('"c1,p1"', header='"case_id,patient_id"')
    with pytest.raises(ManifestError, match="line 2: is not CSV"):
        check('"c1')
