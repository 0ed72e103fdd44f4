"""Subgroup rows average to the overall row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_amt.errors import WorkFailedError
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.subgroups import check_subgroups_add_up
from nnunet_amt.evaluation.summary.summary import GroupSummary, summarise
from tests.evaluation.builders import evaluated, row_mask

SETTINGS = EvaluationSettings(bootstrap_resamples=10)


def case(prediction_stop: int, reference_stop: int) -> CaseEvaluation:
    return evaluated(row_mask(60, (0, prediction_stop)), row_mask(60, (0, reference_stop)))


def groups(cases: list[CaseEvaluation], names: list[str]) -> list[tuple[str, str, GroupSummary]]:
    return [
        ("sex", name, summarise([c for c, its in zip(cases, names, strict=True) if its == name], settings=SETTINGS))
        for name in sorted(set(names))
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from("abc")), min_size=1, max_size=12))
def test_any_partition_adds_up(drawn: list[tuple[int, int, str]]) -> None:
    """Also with empty masks, where a metric is undefined in some cases and its weight is not the cases'."""
    cases = [case(prediction, reference) for prediction, reference, _ in drawn]
    subgroups = groups(cases, [name for *_, name in drawn])
    check_subgroups_add_up(overall=summarise(cases, settings=SETTINGS), subgroups=subgroups)


def test_a_subgroup_too_few_is_told() -> None:
    cases = [case(20, 20), case(10, 20), case(5, 20)]
    rows = groups(cases, ["a", "a", "b"])
    overall = summarise(cases, settings=SETTINGS)
    message = "subgroups by sex: the number of cases is 2 over the subgroups and 3 overall; nothing was written"
    with pytest.raises(WorkFailedError, match=message):
        check_subgroups_add_up(overall=overall, subgroups=rows[:1])


def test_a_wrong_mean_is_told() -> None:
    cases = [case(20, 20), case(20, 20)]
    rows = groups(cases, ["a", "b"])
    wrong = replace(rows[1][2], voxel=rows[1][2].voxel | {"dice": replace(rows[1][2].voxel["dice"], mean=0.9)})
    with pytest.raises(WorkFailedError, match=r"mean dice is 0\.95 over the subgroups and 1 overall"):
        check_subgroups_add_up(overall=summarise(cases, settings=SETTINGS), subgroups=[rows[0], ("sex", "b", wrong)])
