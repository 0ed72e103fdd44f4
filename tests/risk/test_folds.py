"""Folds that keep a patient together and have both classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.risk.folds import grouped_folds


@dataclass(frozen=True)
class Case:
    case_id: str
    patient: str
    high: bool


def cases_of(patients: int, cts: int = 2) -> list[Case]:
    """Every third patient is of low risk, each with so many CTs."""
    return [Case(f"c{p:02d}{ct}", f"p{p}", p % 3 > 0) for p in range(patients) for ct in range(cts)]


def test_a_patient_is_held_out_once_and_whole() -> None:
    cases = cases_of(15)
    folds = grouped_folds(cases, folds=5, seed=1)
    assert sorted(place for _, held_out in folds for place in held_out) == list(range(30))
    for kept, held_out in folds:
        assert {cases[place].patient for place in kept}.isdisjoint(cases[place].patient for place in held_out)
        assert sum(not cases[place].high for place in held_out) == 2  # 5 low patients of 2 CTs in 5 folds


def test_folds_follow_from_the_seed_and_not_from_the_order() -> None:
    cases = cases_of(15)
    turned = cases[::-1]
    named = [{cases[place].case_id for place in held_out} for _, held_out in grouped_folds(cases, seed=4)]
    assert named == [{turned[place].case_id for place in held_out} for _, held_out in grouped_folds(turned, seed=4)]
    assert named != [{cases[place].case_id for place in held_out} for _, held_out in grouped_folds(cases, seed=5)]


@pytest.mark.parametrize(
    ("cases", "folds", "words"),
    [
        (cases_of(12), 5, "4 patients of low risk: 5 folds need 5 or more"),
        ([case for case in cases_of(15) if case.high], 5, "0 patients of low risk"),
        ([], 5, "0 patients of low risk"),
    ],
)
def test_a_class_with_too_few_patients_is_refused(cases: list[Case], folds: int, words: str) -> None:
    with pytest.raises(TooFewCasesError, match=words):
        grouped_folds(cases, folds=folds)


def test_external_cases_are_refused() -> None:
    @dataclass(frozen=True)
    class SplitCase(Case):
        split: str = "training"

    cases = [SplitCase(case.case_id, case.patient, case.high) for case in cases_of(15)]
    assert grouped_folds(cases) == grouped_folds(cases_of(15))
    with pytest.raises(BadInputError, match="case c000: is of the external set, on which nothing is trained or chosen"):
        grouped_folds([replace(cases[0], split="external"), *cases[1:]])


def test_one_fold_and_a_case_named_twice_are_refused() -> None:
    with pytest.raises(BadInputError, match="folds 1: must be 2 or more"):
        grouped_folds(cases_of(15), folds=1)
    with pytest.raises(BadInputError, match="case c000: stands twice"):
        grouped_folds([*cases_of(15), Case("c000", "p0", high=False)])
