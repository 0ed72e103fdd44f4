"""What each set holds, counted on one's fingers."""

from __future__ import annotations

from dataclasses import replace

from nnunet_amt.cohort.set_counts import Spread, counts_by_set
from tests.cohort.test_audit import CLEAN


def test_each_set_and_all_are_counted() -> None:
    """North gives to training and tuning: 1 + 2 + 1 institutions are three."""
    ages = {"a": 40.0, "b": 50.0, "c": 61.0, "d": None, "e": 70.0}
    cases = [replace(case, age=ages[case.case_id], slice_thickness_mm=5.0) for case in CLEAN]
    cases[0] = replace(cases[0], no_tumour=True, histology=None, sex="F")
    counts = counts_by_set(cases)
    assert [(one.cases, one.patients, one.institutions) for one in counts.values()] == [
        *((2, 1, 1), (2, 2, 2), (1, 1, 1), (5, 4, 3)),
    ]
    assert counts["tuning"].age == Spread(61.0, 61.0, 61.0, missing=1)
    assert counts["all"].age == Spread(55.5, 40.0, 70.0, missing=1)
    assert counts["all"].without_tumour == 1
    assert counts["training"].histologies == {"": 1}  # the case without a tumour has none to state
    assert counts["all"].sexes == {"F": 1, "": 4}


def test_a_set_of_nobody_has_no_median() -> None:
    counts = counts_by_set([case for case in CLEAN if case.split != "external"])
    assert (counts["external"].cases, counts["external"].age) == (0, None)
