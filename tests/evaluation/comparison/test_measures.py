"""Values, differences and their intervals; tests against p-values one can count on paper; wins, ties and losses."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnunet_amt.evaluation.comparison.measures import (
    MEASURES,
    Estimate,
    LesionTable,
    Measure,
    PairedTest,
    case_verdicts,
    corrected,
    difference_ratios,
    estimates,
    paired_tests,
    ratios,
    without_prediction,
)
from nnunet_amt.evaluation.results.read_results import EvaluatedModel, read_evaluated_model
from nnunet_amt.evaluation.settings import ComparisonSettings, EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from tests.evaluation.builders import evaluated, row_mask
from tests.evaluation.comparison.evaluations import FIRST, OTHER, SETTINGS, TUMOUR, write_cases, write_evaluation

FEW = ComparisonSettings(bootstrap_resamples=200)
about: Any = pytest.approx
Estimates = dict[tuple[str, float | None], Estimate]


def by_measure(values: tuple[Estimate, ...]) -> Estimates:
    return {(measure.metric, measure.iou_threshold): value for measure, value in zip(MEASURES, values, strict=True)}


@pytest.fixture
def models(tmp_path: Path) -> list[EvaluatedModel]:
    contents = {"first": FIRST, "other": OTHER}
    return [
        read_evaluated_model(write_evaluation(tmp_path / name, cases), name=name) for name, cases in contents.items()
    ]


def differences(models: list[EvaluatedModel]) -> Estimates:
    return by_measure(estimates([difference_ratios(*models)], settings=FEW)[0])


def test_values_of_one_model(models: list[EvaluatedModel]) -> None:
    values = by_measure(estimates([ratios(models[1])], settings=FEW)[0])
    assert values["dice", None].value == about((0.75 + 1 + 0.8 + 0) / 4)
    assert values["recall", None] == Estimate(about((0.6 + 1 + 1) / 3), None, 3)
    # Wilson's of 3 of 3 begins at 3 / (3 + 3.8415); Garwood's of two events is 0.2422 to 7.2247.
    assert values["sensitivity", 0.5] == Estimate(1.0, (about(0.43850, abs=1e-5), 1.0), 3)
    assert values["fp_per_scan", 0.5] == Estimate(0.5, (about(0.06055, abs=1e-5), about(1.80617, abs=1e-5)), 4)


def test_differences_are_the_others_minus_the_firsts(models: list[EvaluatedModel]) -> None:
    found = differences(models)
    # Case d has no Dice by the first model, which leaves three.
    assert found["dice", None] == Estimate(about((-0.25 + 1 - 0.2) / 3), None, 3)
    assert found["iou", None].value == about((-0.4 + 1 - 1 / 3) / 3)
    # No precision in b and d by the first, which predicts nothing there: a 1 - 1, c 20/30 - 1.
    assert found["precision", None] == Estimate(about((0 - 1 / 3) / 2), None, 2)
    assert found["recall", None] == Estimate(about((-0.4 + 1 + 0) / 3), None, 3)
    # 3 of 3 lesions against 2, and 2 false positives in 4 scans against none.
    assert found["sensitivity", 0.1] == found["sensitivity", 0.5] == Estimate(about(1 / 3), None, 3)
    assert found["fp_per_scan", 0.5] == Estimate(0.5, None, 4)
    # From 0.6 on the lesion of a (IoU 0.6) is lost and false.
    assert found["sensitivity", 0.6].value == 0
    assert found["fp_per_scan", 0.6].value == 0.75


def test_the_sweep_is_the_mean_of_its_19_thresholds(models: list[EvaluatedModel]) -> None:
    found = differences(models)
    assert found["sweep_sensitivity", None].value == about((11 * 1 / 3 + 8 * 0) / 19)
    assert found["sweep_fp_per_scan", None].value == about((11 * 0.5 + 8 * 0.75) / 19)
    for metric in ("sensitivity", "fp_per_scan"):
        values = [value.value for (name, _), value in found.items() if name == metric]
        assert found[f"sweep_{metric}", None].value == about(np.mean(np.array(values, dtype=float)))


def test_a_model_minus_itself_is_nothing(models: list[EvaluatedModel]) -> None:
    """And nothing can be said of how sure that is: an interval from 0 to 0 has no width."""
    settings = replace(FEW, ci_always=True)
    for value in estimates([difference_ratios(models[1], models[1])], settings=settings)[0]:
        assert (value.value, value.ci95) == (0, None)


def shifted(model: EvaluatedModel, by: float) -> EvaluatedModel:
    return replace(model, voxel=model.voxel + by)


def many(tmp_path: Path, cases: int) -> EvaluatedModel:
    """Cases of 10, 11, 12 ... voxels found of 100."""
    content = {f"case_{i:02d}": ([(0, 10 + i)], [(0, 100)]) for i in range(cases)}
    return read_evaluated_model(write_evaluation(tmp_path / f"many_{cases}", content), name="many")


def test_resamples_draw_the_same_cases_for_both(tmp_path: Path) -> None:
    """Every case is worse by 0.1, one by 0.2: paired, each resample says little more; each model alone varies."""
    model = many(tmp_path, 20)
    by = np.full(20, -0.1)
    by[0] = -0.2
    columns = [ratios(model), difference_ratios(model, replace(model, voxel=model.voxel + by[:, None]))]
    values, found = estimates(columns, settings=FEW)
    dice = MEASURES.index(Measure("dice"))
    # the one is drawn 0 to 3 times of 20 in all but a few resamples
    assert found[dice].ci95 == (about(-0.1 - 3 * 0.1 / 20), about(-0.1))
    low, high = values[dice].ci95 or (0.0, 0.0)
    assert low < values[dice].value < high  # type: ignore[operator]


@pytest.mark.parametrize(("cases", "ci_always", "given"), [(19, False, False), (20, False, True), (2, True, True)])
def test_intervals_are_withheld_under_20_cases(tmp_path: Path, cases: int, ci_always: bool, given: bool) -> None:
    model = many(tmp_path, cases)
    other = replace(model, voxel=model.voxel * 0.9)  # a difference that is not the same in all cases
    found = estimates([difference_ratios(model, other)], settings=replace(FEW, ci_always=ci_always))[0]
    assert {value.ci95 is not None for value in found[:2]} == {given}


def test_a_difference_that_is_equal_in_all_cases_has_no_interval(tmp_path: Path) -> None:
    model = many(tmp_path, 20)
    found = by_measure(estimates([difference_ratios(model, shifted(model, -0.1))], settings=FEW)[0])
    assert found["dice", None] == Estimate(about(-0.1), None, 20)
    assert found["sensitivity", 0.1].ci95 is None, "both find the same lesions"


def test_a_precision_of_0_is_for_tumours_of_which_nothing_is_predicted(models: list[EvaluatedModel]) -> None:
    """By the first a 1, b 0, c 1; d has neither tumour nor prediction. By the other 1, 1, 2/3, and 0 in d."""
    first, other = (by_measure(estimates([ratios(model)], settings=FEW)[0]) for model in models)
    assert first["precision_or_0", None] == Estimate(about(2 / 3), None, 3)
    assert other["precision_or_0", None] == other["precision", None] == Estimate(about(8 / 12), None, 4)
    assert differences(models)["precision_or_0", None] == Estimate(about((0 + 1 - 1 / 3) / 3), None, 3)
    assert [without_prediction(model) for model in models] == [1, 0]


def test_intervals_are_those_of_evaluate(tmp_path: Path) -> None:
    """With the same seed the values of one model are the ones that evaluate writes, to the last digit."""
    cases = [
        evaluated(row_mask(60, (0, 8 + i), (50, 50 + (i % 3) * 3)), row_mask(60, (0, 20)), SETTINGS, f"case_{i:02d}")
        for i in range(24)
    ]
    settings = EvaluationSettings(bootstrap_resamples=200, seed=5)
    summary = summarise(cases, settings=settings)
    model = read_evaluated_model(write_cases(tmp_path / "e", cases, settings), name="e")
    found = by_measure(estimates([ratios(model)], settings=ComparisonSettings(bootstrap_resamples=200, seed=5))[0])
    for name, metric in summary.voxel.items():
        assert found[name, None] == Estimate(about(metric.mean), about(metric.ci95), metric.n)
    for name in ("sensitivity", "fp_per_scan"):
        for threshold, metric in zip(summary.lesion.threshold, getattr(summary.lesion, name), strict=True):
            assert found[name, threshold] == Estimate(about(metric.mean), about(metric.ci95), metric.n)


def test_whole_institutions_can_be_drawn(tmp_path: Path) -> None:
    """Of two institutions with a difference of 0 and of -0.4 a resample has either alone, or both: -0.2."""
    model = many(tmp_path, 20)
    other = replace(model, voxel=model.voxel - np.repeat([0.0, 0.4], 10)[:, None])
    institutions = ["h1"] * 10 + ["h2"] * 10
    settings = replace(FEW, ci_always=True)  # two are too few
    dice = estimates([difference_ratios(model, other)], settings=settings, clusters=institutions)[0][0]
    assert dice.value == about(-0.2)
    assert dice.ci95 == (about(-0.4), about(0))
    assert estimates([difference_ratios(model, other)], settings=FEW, clusters=institutions)[0][0].ci95 is None
    narrow = estimates([difference_ratios(model, other)], settings=FEW)[0][0].ci95
    assert narrow is not None
    assert narrow[0] > -0.35


def test_the_primary_endpoint_is_corrected_for_models_and_all_others_together() -> None:
    first = PairedTest("dice", None, "permutation", 9, 0.01), PairedTest("iou", None, "permutation", 9, 0.04)
    second = PairedTest("dice", None, "permutation", 9, 0.03), PairedTest("recall", None, "permutation", 9, 0.03)
    found = corrected([first, second], primary="dice")
    # Dice: 2 x 0.01; 1 x 0.03. The others: 2 x 0.03; 1 x 0.04, but no less than the one before.
    assert [[test.p_holm for test in tests] for tests in found] == [
        [pytest.approx(0.02), pytest.approx(0.06)],
        [pytest.approx(0.03), pytest.approx(0.06)],
    ]
    (alone,) = corrected([first], primary="dice")
    assert [test.p_holm for test in alone] == [0.01, 0.04]  # one test each


def test_undefined_tests_do_not_count() -> None:
    tests = PairedTest("iou", None, "permutation", 9, 0.01), PairedTest("recall", None, "permutation", 0, None)
    ((one, none),) = corrected([tests], primary="dice")
    assert (one.p_holm, none.p_holm) == (0.01, None)


def test_whole_institutions_change_places(tmp_path: Path) -> None:
    """Four hospitals, three of them in favour of the other model, are four differences, however many their cases."""
    model = many(tmp_path, 20)
    differences = np.repeat([0.1, 0.1, 0.1, -0.1], 5)
    other = replace(model, voxel=model.voxel + differences[:, None])
    clusters = [f"h{i // 5}" for i in range(20)]
    dice = paired_tests(model, other, settings=FEW, clusters=clusters)[0]
    # sums 0.5, 0.5, 0.5 and -0.5: |1.0| or more is all but the 6 changes of sign that cancel out
    assert (dice.test, dice.p, dice.p_wilcoxon) == ("permutation", pytest.approx(10 / 16), None)
    alone = paired_tests(model, other, settings=FEW)[0]
    assert alone.p == pytest.approx(2 * sum(comb(20, k) for k in range(6)) / 2**20)  # 15 of 20 up
    assert alone.p_wilcoxon is not None


def test_better_in_33_of_36_cases_though_lower_in_the_mean(tmp_path: Path) -> None:
    """The mean is 0.049 lower and by no means surprising; the ranks alone would have called it a clear gain."""
    model = many(tmp_path, 36)
    differences = np.array([0.01] * 33 + [-0.7] * 3)
    other = replace(model, voxel=model.voxel + differences[:, None])
    dice = paired_tests(model, other, settings=ComparisonSettings())[0]
    assert dice.shift == pytest.approx(0.01)
    assert dice.p == pytest.approx(0.25, abs=0.01)  # the three on one side: a quarter of the changes of sign
    assert dice.p_wilcoxon is not None
    assert dice.p_wilcoxon < 0.001


def test_what_is_tested(tmp_path: Path) -> None:
    contents = {"first": FIRST, "other": OTHER}
    models = [
        read_evaluated_model(write_evaluation(tmp_path / name, cases), name=name) for name, cases in contents.items()
    ]
    found = {(test.metric, test.iou_threshold): test for test in paired_tests(*models, settings=FEW)}
    assert list(found) == [
        *[(name, None) for name in ("dice", "iou", "precision", "recall")],
        *[(name, t) for t in (0.1, 0.5) for name in ("sensitivity", "fp_per_scan")],
    ]
    assert [found[name, None].n for name in ("dice", "precision", "recall")] == [3, 2, 3]
    # -0.25, +1 and -0.2: sum 0.55; as far are 1.45, 1.05 and 0.95 either way too, which is all.
    assert found["dice", None].p == pytest.approx(1.0)
    # Ranks 2, 3 and 1, up 3 and down 3. Means of pairs: -0.25, -0.225, -0.2, 0.375, 0.4 and 1.
    assert found["dice", None].p_wilcoxon == pytest.approx(1.0)
    assert found["dice", None].shift == pytest.approx((-0.2 + 0.375) / 2)
    sensitivity = found["sensitivity", 0.5]
    assert (sensitivity.test, sensitivity.n, sensitivity.p) == ("mcnemar", 3, pytest.approx(1.0))
    assert sensitivity.lesions == LesionTable(both=2, only_first=0, only_other=1, neither=0)
    # 0, 0, +1, +1 false positives: both up or both down in 2 of 4.
    assert (found["fp_per_scan", 0.5].n, found["fp_per_scan", 0.5].p) == (4, pytest.approx(0.5))


def test_lesions_that_both_or_neither_find(tmp_path: Path) -> None:
    seven = {f"case_{i}": TUMOUR for i in range(7)}
    # the first finds the first of seven, the other all but the last: 1 both, 5 by the other alone, 1 by neither
    first = {name: (run if name == "case_0" else [], run) for name, run in seven.items()}
    other = {name: (run if name != "case_6" else [], run) for name, run in seven.items()}
    models = [
        read_evaluated_model(write_evaluation(tmp_path / str(i), c), name=str(i)) for i, c in enumerate([first, other])
    ]
    (test,) = [
        test
        for test in paired_tests(*models, settings=FEW)
        if (test.metric, test.iou_threshold) == ("sensitivity", 0.1)
    ]
    assert test.lesions == LesionTable(both=1, only_first=0, only_other=5, neither=1)
    assert test.p == pytest.approx(0.0625)


def test_without_lesions_there_is_no_test_of_them(tmp_path: Path) -> None:
    models = [
        read_evaluated_model(write_evaluation(tmp_path / name, {"d": (run, [])}), name=name)
        for name, run in (("first", []), ("other", [(0, 10)]))
    ]
    p_values = {test.metric: test.p for test in paired_tests(*models, settings=FEW)}
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
