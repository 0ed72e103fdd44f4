"""All that is wrong in a split is told at once, and what the audit refuses is among it, neither more nor less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from nnunet_amt import paper
from nnunet_amt.cohort import CohortCase, Split, assign_splits, audit_splits
from nnunet_amt.cohort.split_findings import SplitFinding, split_findings
from nnunet_amt.errors import BadInputError
from tests.cohort.cases import cohort_of, make_case
from tests.cohort.test_audit import CLEAN as CLEAN_OF_ONE_FILE

CLEAN = [replace(case, image=case.image.with_name(f"{case.case_id}.nii.gz")) for case in CLEAN_OF_ONE_FILE]


def find(cases: Sequence[CohortCase]) -> tuple[SplitFinding, ...]:
    return split_findings(cases, fewest_cases=20, fewest_institutions=20)


def refused(cases: Sequence[CohortCase]) -> list[str]:
    return [finding.kind for finding in find(cases) if finding.is_refused]


def is_refused_by_the_audit(cases: Sequence[CohortCase]) -> bool:
    try:
        audit_splits(assign_splits(cases))
    except BadInputError:
        return True
    return False


def test_a_clean_split_is_only_small() -> None:
    """One external case of one institution: both are under 20."""
    assert [(finding.kind, finding.is_refused) for finding in find(CLEAN)] == [
        ("few_cases", False),
        ("few_institutions", False),
    ]
    assert not is_refused_by_the_audit(CLEAN)


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"a": "external"}, ["institution_in_two_sets", "patient_in_two_sets"]),  # a and b are of one patient
        ({"b": "tuning"}, ["patient_in_two_sets"]),
        ({"e": "training"}, ["empty_set"]),
        ({"d": None}, ["rows_without_split"]),
        ({"c": "training", "d": "training"}, ["empty_set"]),
    ],
)
def test_what_the_audit_refuses_is_found(changes: dict[str, Split | None], kinds: list[str]) -> None:
    cases = [replace(case, split=changes.get(case.case_id, case.split)) for case in CLEAN]
    assert refused(cases) == kinds
    assert is_refused_by_the_audit(cases)


def test_a_set_without_a_tumour_is_found() -> None:
    cases = [replace(case, no_tumour=case.split == "tuning") for case in CLEAN]
    [finding] = [finding for finding in find(cases) if finding.is_refused]
    assert (finding.kind, finding.splits) == ("set_without_tumour", ("tuning",))
    assert is_refused_by_the_audit(cases)


def test_breaches_name_institutions_and_lines_and_no_patient() -> None:
    """Of North three cases learn or tune and one tests: the one is named, as that is what was misplaced."""
    cases = [*CLEAN, make_case("f", "North", "p9", "external", line=7)]
    [torn] = [finding for finding in find(cases) if finding.kind == "institution_in_two_sets"]
    assert (torn.institutions, torn.lines) == (("North",), (7,))
    assert torn.splits == ("training", "tuning", "external")
    assert "p9" not in str(find(cases))


def test_one_file_in_two_sets_is_told_once_per_file_and_not_again_for_a_patient() -> None:
    cases = [*CLEAN]
    assert "same_file" not in {finding.kind for finding in find(cases)}
    cases[4] = replace(cases[4], image=cases[0].image)
    [finding] = [finding for finding in find(cases) if finding.kind == "same_file"]
    assert (finding.splits, finding.is_refused) == (("training", "external"), False)
    same_patient = [*cases[:4], replace(cases[4], patient_id="p1")]
    assert "same_file" not in {finding.kind for finding in find(same_patient)}


def test_values_of_one_set_are_told_with_their_cases() -> None:
    """Lymphoma is only learnt, teratoma only tested; thymoma is everywhere."""
    names = {"a": "lymphoma", "b": "lymphoma", "c": "thymoma", "d": "thymoma", "e": "thymoma"}
    cases = [replace(case, histology=names[case.case_id]) for case in CLEAN]
    cases.append(replace(make_case("f", "East", "p5", "external"), histology="teratoma"))
    found = {finding.splits: dict(finding.values) for finding in find(cases) if finding.kind == "one_set_only"}
    assert found == {("training",): {"lymphoma": 2}, ("external",): {"teratoma": 1}}


def test_a_cohort_without_a_split_has_nothing_to_find() -> None:
    assert find(cohort_of({"A": 3, "B": 2})) == ()


def test_a_cohort_of_the_papers_size_is_neither_refused_nor_small() -> None:
    small = {f"small{number:03d}": 1 if number < 78 else 2 for number in range(paper.EXTERNAL_INSTITUTIONS)}
    large = {f"large{number:02d}": 36 if number < 8 else 37 for number in range(15)}
    cases = [replace(case, image=case.image.with_name(case.case_id)) for case in cohort_of(large | small)]
    assert find(assign_splits(cases)) == ()
