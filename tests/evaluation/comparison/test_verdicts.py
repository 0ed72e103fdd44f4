"""Wins, ties and losses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.evaluation.comparison.verdicts import case_verdicts
from nnunet_amt.evaluation.results.evaluated_model import EvaluatedModel, read_evaluated_model
from tests.evaluation.comparison.evaluations import FIRST, OTHER, write_evaluation


def with_dice(model: EvaluatedModel, dice: list[float]) -> EvaluatedModel:
    return replace(model, voxel=np.array([[value] * 4 for value in dice]))


@pytest.fixture
def model(tmp_path: Path) -> EvaluatedModel:
    return read_evaluated_model(write_evaluation(tmp_path / "first", FIRST), "first")


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        # 0.81 - 0.80 is the margin itself, and no tie; in binary it is a little more, 0.80 - 0.79 a little less
        (0.01, ["win", "tie", "loss", "loss"]),
        (0.02, ["tie", "tie", "tie", "loss"]),
        (0.0, ["win", "tie", "loss", "loss"]),
    ],
)
def test_less_than_the_margin_is_a_tie(model: EvaluatedModel, margin: float, expected: list[str]) -> None:
    first, other = with_dice(model, [0.80, 0.5, 0.80, 0.9]), with_dice(model, [0.81, 0.5, 0.79, 0.1])
    assert [case.verdict for case in case_verdicts(first, other, margin)] == expected


def test_in_a_case_without_tumour_who_marks_nothing_wins(model: EvaluatedModel) -> None:
    nothing = np.nan
    first = with_dice(model, [nothing, nothing, 0.0, 0.0])
    other = with_dice(model, [nothing, 0.0, nothing, 0.0])
    found = case_verdicts(first, other, 0.01)
    assert [case.verdict for case in found] == ["tie", "loss", "win", "tie"]
    assert [case.difference for case in found] == [None, None, None, 0.0]


def test_the_four_cases(model: EvaluatedModel, tmp_path: Path) -> None:
    other = read_evaluated_model(write_evaluation(tmp_path / "other", OTHER), "other")
    found = case_verdicts(model, other, 0.01)
    assert [(case.case_id, case.verdict) for case in found] == [
        ("a", "loss"),
        ("b", "win"),
        ("c", "loss"),
        ("d", "loss"),
    ]
    assert [case.difference for case in found] == [pytest.approx(-0.25), 1, pytest.approx(-0.2), None]
    assert (found[3].dice_first, found[3].dice_other) == (None, 0)
