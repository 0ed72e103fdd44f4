"""A leak makes the external result worthless without looking wrong: it must stop the conversion."""

from __future__ import annotations

import pytest

from nnunet_amt.cohort import SplitCounts, audit_splits
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
    for part in ("'East'", "case 'e' (line 2, external)", f"case 'f' (line 7, {split})"):
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
