"""The ablation's levels: of another patient of the same split, and as many of each as before."""

from __future__ import annotations

from dataclasses import replace

from nnunet_amt.risk.fusion.shuffled_ctc import with_shuffled_ctc
from tests.risk.fusion.training_cases import cohort_of, lesion, without_levels


def test_levels_stay_in_their_split_and_nothing_else_changes() -> None:
    """Between splits, a shift of a laboratory would go with them and tell the split; missing ones are shuffled too."""
    cases = without_levels(cohort_of(30, 12, 12), "tuning").cases
    cases = (*cases[:3], replace(cases[3], ctc_level=None), *cases[4:])
    shuffled = with_shuffled_ctc(cases, seed=0)
    for split in ("training", "tuning", "external"):
        before, after = ([str(c.ctc_level) for c in some if c.split == split] for some in (cases, shuffled))
        assert sorted(before) == sorted(after) and (before != after or split == "tuning")
    assert [replace(case, ctc_level=None) for case in shuffled] == [replace(case, ctc_level=None) for case in cases]


def test_it_follows_from_the_seed_and_not_from_the_order() -> None:
    cases = cohort_of().cases
    assert with_shuffled_ctc(cases[::-1], seed=1)[::-1] == with_shuffled_ctc(cases, seed=1)
    assert with_shuffled_ctc(cases, seed=1) != with_shuffled_ctc(cases, seed=2)


def test_two_lesions_of_a_patient_get_levels_of_one_patient() -> None:
    """Else the second lesion would tell who has two."""
    pairs = [replace(lesion(n), patient=f"p{n // 2}", ctc_level=float(n // 2)) for n in range(20)]
    levels = [case.ctc_level for case in with_shuffled_ctc(pairs, seed=0)]
    assert levels[::2] == levels[1::2] and sorted(levels[::2]) == [float(n) for n in range(10)]  # type: ignore[type-var]
