"""The DMFN against its rivals on the same cases, corrected for their number."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.risk.fusion.evaluation.comparison import (
    Comparison,
    area_differences,
    compare_with_monomodal,
    difference_of,
)
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, gather_lesion_scores
from nnunet_amt.risk.fusion.lesion_case import Task
from nnunet_amt.statistics.roc import delong_test
from nnunet_amt.statistics.tests import holm
from tests.risk.fusion.evaluation.made_up import (
    STRENGTHS,
    binary_rows,
    cohort_of,
    few_cases,
    guessed_rows,
    many_cases,
    write_all_models,
    write_rows,
)

MANY = many_cases()


@pytest.fixture(scope="module", params=["binary", "multiclass"])
def scores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LesionScores:
    task: Task = request.param
    at = write_all_models(tmp_path_factory.mktemp("models"), MANY, task=task)
    return gather_lesion_scores(at.scores(task), cohort_of(MANY), task=task)


def test_the_dmfn_is_compared_with_every_other_and_holm_is_over_these(scores: LesionScores) -> None:
    differences = area_differences(scores)
    of_dmfn = [one for one in differences if (one.model, one.split) == ("dmfn", "external")]
    assert [one.other for one in of_dmfn] == list(STRENGTHS)[1:]
    raw = [one.difference.p for one in of_dmfn]
    assert [one.p_holm for one in of_dmfn] == holm([p for p in raw if p is not None])
    shuffled = difference_of(differences, "dmfn-shuffled-ctc", "regnet", "external")
    assert shuffled is not None
    assert shuffled.p_holm is None


def test_a_difference_is_that_of_the_two_areas(scores: LesionScores) -> None:
    for one in area_differences(scores):
        assert one.difference.difference == pytest.approx(one.areas[0] - one.areas[1])
        assert one.difference.interval is not None
        assert one.difference.interval[0] <= one.difference.difference <= one.difference.interval[1]


def test_two_classes_have_delongs_test(tmp_path: Path) -> None:
    at = write_all_models(tmp_path, MANY)
    scores = gather_lesion_scores(at.scores("binary"), cohort_of(MANY), task="binary")
    found = difference_of(area_differences(scores), "dmfn", "regnet", "external")
    dmfn, regnet = (scores.of(name, "external") for name in ("dmfn", "regnet"))
    assert dmfn is not None
    assert regnet is not None
    assert found is not None
    assert found.difference == delong_test(regnet.malignant_score, dmfn.malignant_score, dmfn.malignant)


def compared(folder: Path) -> tuple[Comparison, ...]:
    """The DMFN calls all right, the monomodal network one benign and one malignant external case wrong, at 0.5."""
    cases, tuning = few_cases(), {"u0": 0.4, "u1": 0.4, "u2": 0.6, "u3": 0.6}
    rows = binary_rows("dmfn", 0, {**tuning, "x0": 0.1, "x1": 0.2, "x2": 0.8, "x3": 0.9}, cases)
    rows += binary_rows("regnet", 0, {**tuning, "x0": 0.1, "x1": 0.7, "x2": 0.8, "x3": 0.3}, cases)
    scores = gather_lesion_scores(write_rows(folder, rows).scores("binary"), cohort_of(cases), task="binary")
    return compare_with_monomodal(scores, area_differences(scores))


def test_mcnemar_is_of_the_cases_that_one_alone_calls_right(tmp_path: Path) -> None:
    """One case against none has p = 1; and the AUC of so few cases has no test."""
    tuning, external = compared(tmp_path)
    sensitivity, specificity = external.rates
    assert (sensitivity.rate, specificity.rate) == ("sensitivity", "specificity")
    assert (sensitivity.cases, sensitivity.k, sensitivity.other_k) == (2, 2, 1)
    assert (sensitivity.only, sensitivity.only_other, sensitivity.p) == (1, 0, 1.0)
    assert (specificity.only, specificity.only_other) == (1, 0)
    assert external.area is not None
    assert external.area.areas == (1.0, 0.75)
    assert (external.area.difference.p, external.area.p_holm) == (None, None)
    assert tuning.split == "tuning"


def test_holm_is_over_area_and_rates(scores: LesionScores) -> None:
    comparison = compare_with_monomodal(scores, area_differences(scores))[-1]
    assert comparison.area is not None
    of_all = [(comparison.area.difference.p, comparison.area.p_holm)]
    of_all += [(one.p, one.p_holm) for one in comparison.rates]
    assert [corrected for _, corrected in of_all] == holm([p for p, _ in of_all if p is not None])
    names = [one.rate for one in comparison.rates]
    expected = {"binary": ["sensitivity", "specificity"], "multiclass": ["top_1", "top_3", "malignant_as_benign"]}
    assert names == expected[scores.task]


def test_nothing_is_compared_with_what_is_not_there(tmp_path: Path) -> None:
    at = write_rows(tmp_path, guessed_rows("ctc", 0, MANY, "binary", strength=1))
    scores = gather_lesion_scores(at.scores("binary"), cohort_of(MANY), task="binary")
    assert area_differences(scores) == ()
    assert compare_with_monomodal(scores, ()) == ()


def test_without_a_threshold_rates_are_not_compared(tmp_path: Path) -> None:
    external = [case for case in MANY if case.split == "external"]
    rows = [row for name in ("dmfn", "regnet") for row in guessed_rows(name, 0, external, "binary", strength=1)]
    scores = gather_lesion_scores(write_rows(tmp_path, rows).scores("binary"), cohort_of(MANY), task="binary")
    (comparison,) = compare_with_monomodal(scores, area_differences(scores))
    assert comparison.rates == ()
    assert comparison.area is not None
