"""Scores beside their cases: what is added to them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError, SplitLeakageError, UnmatchedCasesError
from nnunet_amt.risk.cases import RiskCohort
from nnunet_amt.risk.evaluation.model_scores import ENSEMBLE, gather_models
from nnunet_amt.risk.scores import ScoreRow, write_scores
from tests.risk.evaluation.made_up import cohort_of, risk_case, rows_of, write_two_models


def test_models_stand_in_the_cohorts_order_and_the_baseline_last(tmp_path: Path) -> None:
    scored = gather_models(write_two_models(tmp_path), cohort_of())
    assert [model.name for model in scored.models] == ["resnet101", "vgg11", ENSEMBLE, "clinical"]
    external = scored.named("resnet101").of_kind["external"]
    assert [case.case_id for case in external.cases] == ["x0", "x1", "x2", "x3"]
    assert external.scores.tolist() == [0.1, 0.9, 0.7, 0.65]


def test_scores_by_case_are_never_of_a_model_trained_on_it(tmp_path: Path) -> None:
    """Training scores stand in the table too, and are not among them."""
    write_scores(write_two_models(tmp_path), rows_of("vgg11", "training", [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]))
    scores = gather_models(tmp_path, cohort_of()).named("vgg11").judged_scores()
    assert [scores[name] for name in ("t0", "t5", "x0", "x3")] == [0.1, 0.6, 0.4, 0.5]


def test_the_ensemble_is_the_mean_and_adds_no_look(tmp_path: Path) -> None:
    """0.1 and 0.4 average 0.25; three models were looked at once each."""
    scored = gather_models(write_two_models(tmp_path), cohort_of())
    ensemble = scored.named(ENSEMBLE)
    assert ensemble.title == "Ensemble of 2 networks"
    assert ensemble.of_kind["external"].scores.tolist() == pytest.approx([0.25, 0.6, 0.45, 0.575])
    assert scored.external_looks == 3


def test_a_clinical_baseline_is_fitted_where_none_is_there(tmp_path: Path) -> None:
    """The margin alone tells the classes apart; its scores of external cases are a look."""
    write_scores(tmp_path, rows_of("Rad_SVM", "out_of_fold", [0.1, 0.9, 0.2, 0.8, 0.7, 0.6]))
    scored = gather_models(tmp_path, cohort_of())
    clinical = scored.named("clinical")
    assert set(clinical.of_kind) == {"out_of_fold", "training", "external"}
    assert (clinical.of_kind["external"].scores > 0.5).tolist() == [False, True, False, True]
    assert scored.external_looks == 1


def test_too_few_cases_for_a_baseline_are_said(tmp_path: Path) -> None:
    """One case of a class cannot be in two folds."""
    cases = tuple(risk_case(f"t{place}", "training", place == 0) for place in range(3))
    write_scores(tmp_path, [ScoreRow("Rad_LR", "out_of_fold", 0, "t0", True, 0.9)])
    scored = gather_models(tmp_path, RiskCohort(cases, {}))
    assert [model.name for model in scored.models] == ["Rad_LR"]
    assert scored.notes[0].startswith("There is no clinical baseline: 1 patients of high risk")
    assert "2 cases of the cohort (training centres, out of fold) without a score of Rad_LR" in scored.notes[1]


def test_networks_of_other_folds_have_no_ensemble(tmp_path: Path) -> None:
    rows = rows_of("vgg11", "out_of_fold", [0.1, 0.9, 0.2, 0.8, 0.7, 0.6])
    other = [ScoreRow("resnet101", row.kind, 1, row.case_id, row.high, row.score) for row in rows]
    write_scores(tmp_path, [*rows, *other])
    scored = gather_models(tmp_path, cohort_of())
    assert ENSEMBLE not in [model.name for model in scored.models]
    assert "different folds" in scored.notes[0]


def test_a_case_that_is_not_in_the_cohort_is_refused(tmp_path: Path) -> None:
    folder, cohort = write_two_models(tmp_path), cohort_of()
    left_out = RiskCohort(cohort.cases[1:], {"thymic carcinoma": ("t0",)})
    with pytest.raises(UnmatchedCasesError, match=r"case t0 was left out \(thymic carcinoma\); give the cohort"):
        gather_models(folder, left_out)
    with pytest.raises(UnmatchedCasesError, match="case t0 is not in the cohort"):
        gather_models(folder, RiskCohort(cohort.cases[1:], {}))


def test_another_class_or_split_than_the_cohorts_is_refused(tmp_path: Path) -> None:
    folder, cases = write_two_models(tmp_path), cohort_of().cases
    changed = (risk_case("t0", "training", True), *cases[1:])
    with pytest.raises(BadInputError, match="high of case t0 is 0, by its WHO type B2 it is 1"):
        gather_models(folder, RiskCohort(changed, {}))
    changed = (risk_case("t0", "external", False), *cases[1:])
    with pytest.raises(SplitLeakageError, match="case t0 is scored as out_of_fold, the cohort has it as external"):
        gather_models(folder, RiskCohort(changed, {}))
