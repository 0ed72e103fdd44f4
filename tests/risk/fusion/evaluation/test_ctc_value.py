"""What the level adds to the score of CT alone, and who has no level."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.risk.fusion.evaluation.ctc_value import NestedCtc, ctc_subgroups, nested_ctc
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, gather_lesion_scores
from nnunet_amt.risk.fusion.lesion_case import LesionCase
from tests.risk.fusion.evaluation.made_up import cohort_of, guessed_rows, many_cases, write_all_models, write_rows

CASES = many_cases(20)


def nested(folder: Path, cases: list[LesionCase]) -> NestedCtc:
    rows = guessed_rows("regnet", 0, cases, "binary", strength=1)
    scores = gather_lesion_scores(write_rows(folder, rows).scores("binary"), cohort_of(cases), task="binary")
    return nested_ctc(scores)[-1]


def with_levels(levels: np.ndarray) -> list[LesionCase]:
    return [replace(case, ctc_level=float(level)) for case, level in zip(CASES, levels, strict=True)]


def test_levels_of_malignant_cases_tell_more(tmp_path: Path) -> None:
    """They are 4 higher, with a deviation of 3; of 60 external cases six have none."""
    found = nested(tmp_path, CASES)
    assert (found.cases, found.without_level, found.why_not) == (54, 6, "")
    assert found.test is not None
    assert found.test.p < 0.01
    assert found.odds_ratio is not None
    assert found.odds_ratio[1][0] > 1


def test_levels_drawn_for_all_alike_tell_nothing(tmp_path: Path) -> None:
    found = nested(tmp_path, with_levels(np.random.default_rng(3).normal(12, 3, len(CASES))))
    assert found.test is not None
    assert found.test.p > 0.05


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        (np.full(len(CASES), 12.0), "all levels are equal"),
        (np.array([float(case.malignant) for case in CASES]), "tell the classes apart without error"),
    ],
)
def test_levels_without_a_regression_are_told(tmp_path: Path, levels: np.ndarray, why: str) -> None:
    found = nested(tmp_path, with_levels(levels))
    assert (found.test, found.odds_ratio) == (None, None)
    assert why in found.why_not


def test_few_cases_of_a_class_are_not_tested(tmp_path: Path) -> None:
    """Eight benign external cases, one of them without a level."""
    found = nested(tmp_path, many_cases(8))
    assert found.test is None
    assert found.why_not == "fewer than 10 cases of a class have a level"


def all_models(folder: Path, cases: list[LesionCase]) -> LesionScores:
    at = write_all_models(folder, cases)
    return gather_lesion_scores(at.scores("binary"), cohort_of(cases), task="binary")


def test_patients_without_a_level_are_judged_apart(tmp_path: Path) -> None:
    """Of 60 six have none, two of each class: too few for an AUC, but counted."""
    found = [one for one in ctc_subgroups(all_models(tmp_path, CASES)) if one.performance.split == "external"]
    assert [(one.measured, one.performance.cases) for one in found] == [(True, 54), (False, 6)]
    assert found[0].performance.areas["auc"].value is not None
    assert found[1].performance.areas["auc"].value is None
    assert found[1].performance.rates["sensitivity"].n == 4


def test_where_all_have_a_level_there_are_no_subgroups(tmp_path: Path) -> None:
    assert ctc_subgroups(all_models(tmp_path, with_levels(np.arange(len(CASES))))) == ()
