"""A leak makes the external result worthless without looking wrong: it must stop the conversion."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnunet_amt.cohort import SplitCounts, audit_splits, audit_voxels
from nnunet_amt.cohort.audit import split_problems
from nnunet_amt.errors import ManifestError, SplitLeakageError
from tests.cohort.cases import make_case

CLEAN = [
    make_case("a", "North", "p1", "training"),
    make_case("b", "North", "p1", "training"),
    make_case("c", "North", "p2", "tuning"),
    make_case("d", "South", "p3", "tuning"),
    make_case("e", "East", "p4", "external"),
]


def test_counts() -> None:
    audit = audit_splits(CLEAN)
    assert audit.splits == (
        SplitCounts("training", cases=2, patients=1, institutions=1),
        SplitCounts("tuning", cases=2, patients=2, institutions=2),
        SplitCounts("external", cases=1, patients=1, institutions=1),
    )
    assert audit.cases_by_institution["North"] == {"training": 2, "tuning": 1}


@pytest.mark.parametrize("split", ["training", "tuning"])
def test_an_external_institution_must_not_be_elsewhere(split: str) -> None:
    cases = [*CLEAN, make_case("f", "East", "p5", split, line=7)]  # type: ignore[arg-type]
    with pytest.raises(SplitLeakageError) as error:
        audit_splits(cases)
    assert "East" not in str(error.value)
    for part in ("case 'e' (line 2, external)", f"case 'f' (line 7, {split})"):
        assert part in str(error.value)


def test_a_patient_in_two_splits_is_refused_without_showing_who() -> None:
    cases = [*CLEAN, make_case("f", "West", "p2", "training", line=7)]
    with pytest.raises(SplitLeakageError) as error:
        audit_splits(cases)
    assert "case 'c' (line 2, tuning) and case 'f' (line 7, training)" in str(error.value)
    assert "p2" not in str(error.value)


@pytest.mark.parametrize("split", ["training", "tuning", "external"])
def test_every_split_needs_a_case(split: str) -> None:
    with pytest.raises(ManifestError, match=f"no case is in '{split}'"):
        audit_splits([case for case in CLEAN if case.split != split])


@pytest.mark.parametrize("split", ["training", "tuning", "external"])
def test_every_split_needs_a_tumour(split: str) -> None:
    """Nothing can be learnt from, selected by, or found in a set of healthy people alone."""
    cases = [replace(case, no_tumour=case.split == split) for case in CLEAN]
    with pytest.raises(ManifestError, match=rf"no case in '{split}' has a tumour \(\d with no_tumour = yes\)"):
        audit_splits(cases)


def test_cases_without_a_tumour_are_counted() -> None:
    audit = audit_splits([*CLEAN, make_case("f", "North", "p1", "training", no_tumour=True)])
    assert [split.without_tumour for split in audit.splits] == [1, 0, 0]
    assert (audit.without_tumour, audit.splits[0].cases) == (1, 3)


def test_the_total_counts_a_shared_institution_once() -> None:
    """North gives training and tuning cases: 1 + 2 + 1 institutions are three."""
    audit = audit_splits(CLEAN)
    assert audit.total == (5, 4, 3)
    assert audit.shared_institutions == 1
    with_west = audit_splits([*CLEAN, make_case("f", "West", split="training")])
    assert with_west.shared_institutions == 1


def test_codes_replace_the_names_of_institutions() -> None:
    audit = audit_splits(CLEAN).coded({"North": "i-3", "South": "i-1", "East": "i-2"})
    assert audit.cases_by_institution == {
        "i-1": {"tuning": 1},
        "i-2": {"external": 1},
        "i-3": {"training": 2, "tuning": 1},
    }
    assert list(audit.cases_by_institution) == ["i-1", "i-2", "i-3"]


def test_all_breaches_are_counted() -> None:
    """One patient on two sides, and two cases of an institution on the other side: three breaches."""
    cases = [*CLEAN, make_case("f", "West", "p2", "training"), *(make_case(c, "East", split="tuning") for c in "gh")]
    with pytest.raises(SplitLeakageError, match=r"\(and 2 more\)$"):
        audit_splits(cases)


def test_equal_voxels_under_two_case_ids_are_refused() -> None:
    digests = {"a": "1", "b": "2", "c": "3", "d": "4", "e": "2"}
    with pytest.raises(SplitLeakageError) as error:
        audit_voxels(digests, CLEAN)
    assert str(error.value) == (
        "column 'image': case 'b' (line 2, training) and case 'e' (line 2, external) are the same CT, "
        "voxel for voxel; remove one of them"
    )


def test_equal_voxels_within_a_split_are_refused_too_and_counted() -> None:
    """Three cases of one CT are two too many; they would count thrice."""
    with pytest.raises(SplitLeakageError, match=r"case 'a' .* and case 'b' .*\(and 1 more\)$"):
        audit_voxels(dict.fromkeys("abc", "1"), CLEAN)


def test_parts_of_one_ct_under_two_patients_are_refused() -> None:
    """Without the end slice no CT is the other, voxel for voxel; two of three slices are."""
    digests = {"a": "1", "b": "2", "e": "3"}
    with pytest.raises(SplitLeakageError) as error:
        audit_voxels(digests, CLEAN, slices={"a": "xyz", "b": "klm", "e": "yz"})
    assert str(error.value) == (
        "column 'image': case 'a' (line 2, training) and case 'e' (line 2, external) have 2 slices of 2 in common, "
        "voxel for voxel: parts of one CT under two patient_ids; remove one of them, or give both the id of their "
        "patient"
    )


def test_two_series_of_one_patient_may_share_slices() -> None:
    """Chest and abdomen, made in one go; the patient is in one split."""
    cases = [*CLEAN, make_case("f", "North", CLEAN[0].patient_id, "training")]
    audit_voxels({"a": "1", "f": "2"}, cases, slices={"a": "xyz", "f": "zkl"})


def test_a_ct_of_equal_voxels_is_named_once() -> None:
    with pytest.raises(SplitLeakageError, match=r"are the same CT, voxel for voxel; remove one of them$"):
        audit_voxels({"a": "1", "e": "1"}, CLEAN, slices={"a": "xyz", "e": "xyz"})


def test_cases_that_could_not_be_read_have_no_voxels_to_compare() -> None:
    audit_voxels({"a": "1", "e": "2"}, CLEAN)


def test_what_a_split_breaks_is_told_in_its_rows() -> None:
    """Who mends a table is to see each row, and before the conversion: the audit tells the first breach only."""
    cases = [
        make_case("a", "North", "p1", "training", line=2),
        make_case("b", "South", "p1", "tuning", line=3),
        make_case("c", "North", "p3", "external", line=4),
        make_case("d", "North", "p4", "tuning", line=5),
        make_case("e", "East", "p5", None, line=6),
    ]
    found = {problem.line: problem.words.split(";")[0] for problem in split_problems(cases)}
    assert found == {
        3: "line 2 is of the same patient and in 'training'",
        4: "line 2 is of the same institution and in 'training'",
        6: "is empty, other rows fill it",
    }
    assert list(split_problems([replace(case, split=None) for case in cases])) == []
