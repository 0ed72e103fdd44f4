"""Two models on the same cases: tests against p-values that can be counted on paper, wins, ties and losses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.evaluation.comparison.paired import (
    LesionTable,
    PairedTest,
    case_verdicts,
    corrected,
    paired_tests,
)
from nnunet_amt.evaluation.results.read_results import EvaluatedModel, read_evaluated_model
from tests.evaluation.comparison.evaluations import FIRST, OTHER, TUMOUR, write_evaluation


def test_holm_counts_the_tests_of_all_models_together() -> None:
    first = PairedTest("dice", None, "wilcoxon", 9, 0.01), PairedTest("iou", None, "wilcoxon", 9, 0.04)
    second = PairedTest("dice", None, "wilcoxon", 9, 0.03), PairedTest("iou", None, "wilcoxon", 0, None)
    found = corrected([first, second])
    # 3 x 0.01; 2 x 0.03; 1 x 0.04, but no less than the one before.
    assert [[test.p_holm for test in tests] for tests in found] == [
        [pytest.approx(0.03), pytest.approx(0.06)],
        [pytest.approx(0.06), None],
    ]


def test_what_is_tested(tmp_path: Path) -> None:
    contents = {"first": FIRST, "other": OTHER}
    models = [
        read_evaluated_model(write_evaluation(tmp_path / name, cases), name=name) for name, cases in contents.items()
    ]
    found = {(test.metric, test.iou_threshold): test for test in paired_tests(*models)}
    assert list(found) == [
        *[(name, None) for name in ("dice", "iou", "precision", "recall")],
        *[(name, t) for t in (0.1, 0.5) for name in ("sensitivity", "fp_per_scan")],
    ]
    assert [found[name, None].n for name in ("dice", "precision", "recall")] == [3, 2, 3]
    # -0.25, +1 and -0.2: ranks 2, 3 and 1, up 3 and down 3.
    assert found["dice", None].p == pytest.approx(1.0)
    sensitivity = found["sensitivity", 0.5]
    assert (sensitivity.test, sensitivity.n, sensitivity.p) == ("mcnemar", 3, pytest.approx(1.0))
    assert sensitivity.lesions == LesionTable(both=2, only_first=0, only_other=1, neither=0)
    # 0, 0, +1, +1 false positives: ranks 3.5 and 3.5 of two signs; both up or both down in 2 of 4.
    assert (found["fp_per_scan", 0.5].n, found["fp_per_scan", 0.5].p) == (4, pytest.approx(0.5))


def test_lesions_that_both_or_neither_find(tmp_path: Path) -> None:
    seven = {f"case_{i}": TUMOUR for i in range(7)}
    # the first finds the first of seven, the other all but the last: 1 both, 5 by the other alone, 1 by neither
    first = {name: (run if name == "case_0" else [], run) for name, run in seven.items()}
    other = {name: (run if name != "case_6" else [], run) for name, run in seven.items()}
    models = [
        read_evaluated_model(write_evaluation(tmp_path / str(i), c), name=str(i)) for i, c in enumerate([first, other])
    ]
    (test,) = [test for test in paired_tests(*models) if (test.metric, test.iou_threshold) == ("sensitivity", 0.1)]
    assert test.lesions == LesionTable(both=1, only_first=0, only_other=5, neither=1)
    assert test.p == pytest.approx(0.0625)


def test_without_lesions_there_is_no_test_of_them(tmp_path: Path) -> None:
    models = [
        read_evaluated_model(write_evaluation(tmp_path / name, {"d": (run, [])}), name=name)
        for name, run in (("first", []), ("other", [(0, 10)]))
    ]
    p_values = {test.metric: test.p for test in paired_tests(*models)}
    assert (p_values["sensitivity"], p_values["dice"]) == (None, None)
    assert p_values["fp_per_scan"] == 1.0


def with_dice(model: EvaluatedModel, dice: list[float]) -> EvaluatedModel:
    return replace(model, voxel=np.array([[value] * 4 for value in dice]))


@pytest.fixture
def model(tmp_path: Path) -> EvaluatedModel:
    return read_evaluated_model(write_evaluation(tmp_path / "first", FIRST), name="first")


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
    assert [case.verdict for case in case_verdicts(first, other, tie_margin=margin)] == expected


def test_in_a_case_without_tumour_who_marks_nothing_wins(model: EvaluatedModel) -> None:
    nothing = np.nan
    first = with_dice(model, [nothing, nothing, 0.0, 0.0])
    other = with_dice(model, [nothing, 0.0, nothing, 0.0])
    found = case_verdicts(first, other, tie_margin=0.01)
    assert [case.verdict for case in found] == ["tie", "loss", "win", "tie"]
    assert [case.difference for case in found] == [None, None, None, 0.0]


def test_the_four_cases(model: EvaluatedModel, tmp_path: Path) -> None:
    other = read_evaluated_model(write_evaluation(tmp_path / "other", OTHER), name="other")
    found = case_verdicts(model, other, tie_margin=0.01)
    assert [(case.case_id, case.verdict) for case in found] == [
        ("a", "loss"),
        ("b", "win"),
        ("c", "loss"),
        ("d", "loss"),
    ]
    assert [case.difference for case in found] == [pytest.approx(-0.25), 1, pytest.approx(-0.2), None]
    assert (found[3].dice_first, found[3].dice_other) == (None, 0)
