"""AUC, rates and differences of made-up scores, as worked out on paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.risk.cases import RiskCohort
from nnunet_amt.risk.evaluation.model_scores import ScoredCases, ScoredModels, gather_models
from nnunet_amt.risk.evaluation.performance import auc_estimate, differences, performances, segmentation_costs
from nnunet_amt.risk.scores import ScoreRow, write_scores
from nnunet_amt.statistics.roc import delong, delong_test
from tests.risk.evaluation.made_up import cohort_of, risk_case, rows_of, write_two_models


def scored_of(number: int, *, patients: int | None = None) -> ScoredCases:
    """Every second case is of high risk, and scored higher by a third of the spread."""
    cases = tuple(
        risk_case(f"x{place}", "external", place % 2 == 1, patient=f"p{place % (patients or number)}")
        for place in range(number)
    )
    scores = np.random.default_rng(0).random(number) * 0.6 + np.array([0.2 * case.high for case in cases])
    return ScoredCases(cases, scores)


def test_rates_are_those_at_the_frozen_threshold(tmp_path: Path) -> None:
    """Out of fold 8 of 9 pairs are in order; 0.55 finds all high risk and one low. External: 3 of 4 pairs."""
    found = performances(gather_models(write_two_models(tmp_path), cohort_of()))
    out_of_fold, external = (one for one in found if one.model == "resnet101")
    assert (out_of_fold.kind, external.kind) == ("out_of_fold", "external")
    assert out_of_fold.estimate.auc == pytest.approx(8 / 9)
    assert external.estimate.auc == pytest.approx(3 / 4)
    assert external.rates["sensitivity"].value == 1.0
    assert external.rates["specificity"].value == 0.5
    assert (external.estimate.cases, external.estimate.high) == (4, 2)


def test_an_interval_of_few_cases_is_withheld() -> None:
    assert auc_estimate(scored_of(19)).interval is None
    many = scored_of(20)
    assert auc_estimate(many).interval == delong(many.scores, many.high).interval


def test_patients_with_several_cases_are_drawn_whole() -> None:
    """Ten patients of two cases: the bootstrap over patients, not DeLong's interval of twenty cases."""
    several = scored_of(20, patients=10)
    estimate = auc_estimate(several)
    assert estimate.by_patient
    assert estimate.interval is not None
    assert estimate.interval != delong(several.scores, several.high).interval


def test_one_class_alone_has_no_auc() -> None:
    high = tuple(risk_case(f"x{place}", "external", True) for place in range(30))
    assert auc_estimate(ScoredCases(high, np.linspace(0, 1, 30))).auc is None


def many_scores(folder: Path, *, patients: int) -> ScoredModels:
    """Forty external cases of so many patients, scored by a model, by one that is much better, and by chance."""
    cases = tuple(
        risk_case(f"x{place:02d}", "external", place % 2 == 1, patient=f"p{place % patients}") for place in range(40)
    )
    random = np.random.default_rng(1)
    rows = []
    for model, apart in (("clinical", 0.5), ("resnet101", 3.0), ("vgg11", 0.0)):
        scores = 1 / (1 + np.exp(-(random.normal(size=40) + apart * np.array([case.high for case in cases]))))
        rows += [
            ScoreRow(model, "external", None, case.case_id, case.high, score)
            for case, score in zip(cases, scores.tolist(), strict=True)
        ]
    write_scores(folder, rows)
    return gather_models(folder, RiskCohort(cases, {}))


def test_each_model_is_compared_with_the_reference_and_holm_is_over_a_kind(tmp_path: Path) -> None:
    """Of three p-values, the ensemble's among them, the smallest is tripled."""
    scored = many_scores(tmp_path, patients=40)
    reference = scored.named("clinical")
    found = {one.model: one for one in differences(scored, reference)}
    assert set(found) == {"resnet101", "vgg11", "ensemble"}  # not the reference itself
    external = scored.named("resnet101").of_kind["external"]
    expected = delong_test(reference.of_kind["external"].scores, external.scores, external.high)
    assert found["resnet101"].difference.p == pytest.approx(expected.p)
    assert found["resnet101"].difference.interval == pytest.approx(expected.interval)
    p_values = {name: one.difference.p for name, one in found.items() if one.difference.p is not None}
    smallest = min(p_values, key=lambda name: p_values[name])
    assert found[smallest].p_holm == pytest.approx(3 * p_values[smallest])


def test_a_difference_takes_the_cases_of_a_patient_together(tmp_path: Path) -> None:
    alone = many_scores(tmp_path / "alone", patients=40)
    together = many_scores(tmp_path / "together", patients=20)
    first, second = (differences(scored, scored.named("clinical"))[0].difference for scored in (alone, together))
    assert first.difference == second.difference
    assert first.p != second.p


def test_few_cases_have_a_difference_without_p(tmp_path: Path) -> None:
    """Both have 3 of 4 external pairs in order, the baseline's with ties."""
    scored = gather_models(write_two_models(tmp_path), cohort_of())
    found = next(one for one in differences(scored, scored.named("clinical")) if one.kind == "external")
    assert (found.model, found.cases) == ("resnet101", 4)
    assert (found.difference.interval, found.difference.p, found.p_holm) == (None, None, None)


def test_what_segmentation_costs_is_of_cases_with_both_rois(tmp_path: Path) -> None:
    """With predicted masks t5 has no ROI, and t4 (low risk) falls below t3 (high risk): one pair of six changes."""
    (tmp_path / "predicted").mkdir()
    reference = gather_models(write_two_models(tmp_path / "reference"), cohort_of())
    rows = rows_of("resnet101", "out_of_fold", [0.1, 0.9, 0.2, 0.8, 0.95])
    write_scores(tmp_path / "predicted", rows)
    (cost,) = segmentation_costs(reference, gather_models(tmp_path / "predicted", cohort_of()))
    assert (cost.model, cost.cases, cost.lost) == ("resnet101", 5, 1)
    assert cost.reference.auc == pytest.approx(6 / 6)
    assert cost.predicted.auc == pytest.approx(4 / 6)
    assert cost.difference.difference == pytest.approx(-2 / 6)
