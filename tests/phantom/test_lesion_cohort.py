"""The cohort of 20 diagnoses: published rates and levels, every split with both sorts, files as the manifest says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.phantom import (
    LESION_DESIGN,
    MANIFEST_COLUMNS,
    CohortDesign,
    PlannedCase,
    plan_cohort,
    plan_lesion_cohort,
    write_lesion_cohort,
)
from nnunet_amt.phantom.lesion_looks import LESION_KINDS
from tests.phantom.test_cohort import TINY, rows_of

LARGE = CohortDesign(
    training=434, tuning=288, external=352, excluded=0, development_institutions=3, external_institutions=2
)
SPLITS = ("training", "tuning", "external")


@cache
def large_plan(*, shift: bool = False) -> list[PlannedCase]:
    return plan_lesion_cohort(LARGE, shift=shift)


def of(cases: Sequence[PlannedCase], split: str) -> list[PlannedCase]:
    return [case for case in cases if case.split == split]


def diagnoses(cases: Sequence[PlannedCase]) -> list[str]:
    return [dict(case.more)["diagnosis"] for case in cases]


def levels(cases: Sequence[PlannedCase]) -> np.ndarray:
    return np.array([float(text) for case in cases if (text := dict(case.more)["ctc_level"])])


def is_malignant(case: PlannedCase) -> bool:
    return LESION_KINDS[dict(case.more)["diagnosis"]].malignant


def test_as_large_as_the_papers_it_has_the_papers_diagnoses() -> None:
    """Table 2: each count is met, but for one case where both groups are given in turn."""
    published = {
        "training": {"Cyst": 162, "Granuloma": 3, "Schwannoma": 32, "Type AB thymoma": 42, "TSCC": 28, "Carcinoid": 2},
        "tuning": {"Cyst": 54, "Granuloma": 6, "Schwannoma": 17, "Type AB thymoma": 31, "TSCC": 13, "Carcinoid": 4},
        "external": {"Cyst": 90, "Granuloma": 14, "Schwannoma": 34, "Type AB thymoma": 39, "TSCC": 18, "Carcinoid": 5},
    }
    for split, counts in published.items():
        found = Counter(diagnoses(of(large_plan(), split)))
        assert len(found) == 20
        assert {name: found[name] for name in counts} == pytest.approx(counts, abs=1)


@pytest.mark.parametrize("seed", range(5))
def test_two_cases_of_a_split_are_enough_for_both_sorts(seed: int) -> None:
    design = CohortDesign(
        training=2, tuning=2, external=2, excluded=0, development_institutions=1, external_institutions=1, seed=seed
    )
    for split in SPLITS:
        assert {is_malignant(case) for case in of(plan_lesion_cohort(design), split)} == {False, True}


def test_the_default_design_has_common_diagnoses_in_every_split_and_all_locations() -> None:
    cases = plan_lesion_cohort()
    assert 100 <= sum(case.split is not None for case in cases) <= 120
    for split in SPLITS:
        found = of(cases, split)
        assert {"Cyst", "Schwannoma", "Type AB thymoma", "Type B1 thymoma", "Lymphoma"} <= set(diagnoses(found))
        assert {dict(case.more)["location"] for case in found} == {"anterior", "middle", "posterior"}
        assert 0 < len(levels(found)) < len(found)  # some have no level


def test_no_institution_has_one_sort_only() -> None:
    cases = plan_lesion_cohort()
    for institution in {case.institution for case in cases if case.split is not None}:
        sorts = [is_malignant(case) for case in cases if case.institution == institution and case.split is not None]
        assert 0.2 < np.mean(sorts) < 0.8
    assert [case.institution for case in cases] == [case.institution for case in plan_cohort(LESION_DESIGN)]


def test_levels_are_those_of_table_2() -> None:
    """By diagnosis, over all splits; MALT has the highest, 21.66, carcinoid the narrowest, SD 0.67."""
    cases = large_plan()
    cysts = levels([case for case in cases if dict(case.more)["diagnosis"] == "Cyst"])
    assert len(cysts) > 250
    assert (cysts.mean(), cysts.std()) == (pytest.approx(10.38, abs=0.8), pytest.approx(4.44, abs=0.6))
    assert levels([c for c in cases if dict(c.more)["diagnosis"] == "MALT"]).mean() == pytest.approx(21.66, abs=3.5)
    assert levels([c for c in cases if dict(c.more)["diagnosis"] == "Carcinoid"]).std() < 1.2
    assert levels(cases).min() >= 0
    assert 1 - len(levels(cases)) / len(cases) == pytest.approx(0.08, abs=0.02)


def test_the_shift_is_that_of_table_1_and_changes_levels_alone() -> None:
    """12.48, 11.02 and 15.19; without it each split has the mean of its diagnoses, 12 to 13.4."""
    for split, published in zip(SPLITS, (12.48, 11.02, 15.19), strict=True):
        assert levels(of(large_plan(shift=True), split)).mean() == pytest.approx(published, abs=0.7)
        assert levels(of(large_plan(), split)).mean() == pytest.approx(12.7, abs=1.1)
    plain, shifted = large_plan(), large_plan(shift=True)
    assert [case.request for case in plain] == [case.request for case in shifted]
    assert diagnoses(plain) == diagnoses(shifted)


def test_where_lesions_lie_is_near_table_1() -> None:
    """784 anterior, 197 middle and 93 posterior of 1074."""
    found = Counter(dict(case.more)["location"] for case in large_plan())
    assert found["anterior"] / 1074 == pytest.approx(0.73, abs=0.05)
    assert found["middle"] / 1074 == pytest.approx(0.18, abs=0.05)
    assert found["posterior"] / 1074 == pytest.approx(0.09, abs=0.04)


def test_a_case_does_not_depend_on_later_ones() -> None:
    few, many = (plan_lesion_cohort(replace(TINY, training=number)) for number in (3, 9))
    by_id = {case.case_id: case for case in many}
    kept = [case for case in few if case.split is not None]
    assert all((by_id[case.case_id].request, by_id[case.case_id].more) == (case.request, case.more) for case in kept)


def test_a_cohort_on_disk(tmp_path: Path) -> None:
    """The manifest has its three columns, empty for who is excluded; the folder takes no cohort of other levels."""
    manifest = write_lesion_cohort(tmp_path, design=TINY)
    rows = rows_of(manifest)
    assert tuple(rows[0]) == (*MANIFEST_COLUMNS, "ctc_level", "location", "diagnosis")
    planned = {case.case_id: case for case in plan_lesion_cohort(TINY)}
    for row in rows[:5]:
        assert dict(planned[row["case_id"]].more).items() <= row.items()
        assert row["histology"] == row["diagnosis"]
        assert (tmp_path / row["image"]).is_file()
        assert (tmp_path / row["mask"]).is_file()
    assert [(row["exclusion_reason"], row["ctc_level"], row["diagnosis"]) for row in rows[5:]] == [
        ("poor CT image quality", "", ""),
        ("no CTC level", "", ""),
    ]
    with pytest.raises(BadInputError, match="holds phantoms made with"):
        write_lesion_cohort(tmp_path, design=TINY, shift=True)
