"""The whole stage on ten cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.base.run_record import RECORD_FILE, newest_run
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.evaluation.evaluate_risk import RISK_FILES, STAGE, RiskEvaluation, evaluate_risk
from nnunet_amt.risk.evaluation.heat_panel import write_heat_maps
from nnunet_amt.risk.scores import write_scores
from nnunet_amt.study.study_files import RISK_SUMMARY
from tests.risk.evaluation.made_up import cohort_of, rows_of, write_two_models
from tests.risk.evaluation.test_heat_panel import heat, roi

Evaluate = Callable[..., RiskEvaluation]


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """Evaluate the two made-up models, without figures unless asked."""
    write_two_models(tmp_path / "scores")

    def run(**options: Any) -> RiskEvaluation:
        given: dict[str, Any] = {"cohort": cohort_of(), "output": tmp_path / "out", "figures": False} | options
        return evaluate_risk(tmp_path / "scores", **given)

    return run


def summary(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / RISK_SUMMARY.name).read_text())
    return content


def test_tables_summary_and_record_are_written(evaluate: Evaluate, tmp_path: Path) -> None:
    """Ten cases, four models, each of the three given ones looked at once."""
    found = evaluate(cohort=cohort_of(left_out={"tumour under 10 mm": ("s0", "s1")}))
    assert [path.name for path in found.files] == [*RISK_FILES[:3], RECORD_FILE]
    content = summary(tmp_path / "out")
    assert content["left_out"] == {"tumour under 10 mm": 2}
    assert content["external_looks"] == 3
    assert content["cases"] == {
        "training": {"cases": 6, "patients": 6, "institutions": 1, "high": 3},
        "external": {"cases": 4, "patients": 4, "institutions": 1, "high": 2},
    }
    resnet = next(model for model in content["models"] if model["model"] == "resnet101")
    assert resnet["external"]["auc"] == 0.75
    sensitivity = resnet["external"]["rates"]["sensitivity"]
    assert (sensitivity["k"], sensitivity["n"], sensitivity["value"]) == (2, 2, 1.0)
    run = newest_run(tmp_path / "out", STAGE)
    assert run is not None
    assert run["counts"] == {"cases": 10, "models": 4, "external_looks": 3}


def test_figures_are_drawn_and_told_in_the_document(evaluate: Evaluate, tmp_path: Path, undrawn: None) -> None:
    found = evaluate(figures=True)
    assert {path.name for path in found.files if path.suffix == ".png"} == {
        *("risk_roc.png", "risk_calibration.png", "risk_subgroups.png"),
    }
    document = RISK_SUMMARY.read(tmp_path / "out")
    assert document.pictures[0].file.name == "risk_roc.png"
    assert document.sentences == found.sentences


def test_curves_and_heat_maps_are_drawn_where_they_are(evaluate: Evaluate, tmp_path: Path, undrawn: None) -> None:
    """Frozen features have no epochs, and so no curves."""
    for name in ("resnet101", "vgg11"):
        (tmp_path / name).mkdir()
    curves = "fold,first_rate,epoch,learning_rate,training_loss,held_out_loss\n0,.01,1,.01,.7,.8\n"
    (tmp_path / "vgg11" / "loss_curves.csv").write_text(curves)
    write_heat_maps(tmp_path / "heat", [heat("x0", inside=0.5)], {"x0": roi("x0")}, model="vgg11")
    trainings = {name: tmp_path / name for name in ("resnet101", "vgg11")}
    found = evaluate(figures=True, trainings=trainings, heat_maps=tmp_path / "heat")
    assert {"risk_loss_curves.png", "risk_heat_maps.svg"} <= {path.name for path in found.files}
    assert summary(tmp_path / "out")["heat_maps"]["mean_shares"]["inside"] == 0.5
    assert "| VGG 11 | 50% | 25% |" in (tmp_path / "out" / "risk_tables.md").read_text()


def test_results_of_an_earlier_run_are_replaced(evaluate: Evaluate, tmp_path: Path, undrawn: None) -> None:
    evaluate(figures=True)
    (tmp_path / "out" / "note.txt").write_text("mine")
    evaluate()
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {*RISK_FILES[:3], RECORD_FILE, "note.txt"}


def test_sentences_say_no_more_than_is_known(evaluate: Evaluate) -> None:
    """Ten cases have no interval, and four external ones show nothing."""
    text = " ".join(evaluate().sentences)
    assert "6 cases of the training centres (3 low risk, 3 high risk) and 4 external cases" in text
    assert "highest AUC out of fold of all but the clinical baseline, has an AUC of 0.889 (no interval) on 6" in text
    assert "than that of the clinical baseline of margin, size and age; 4 cases are too few to tell" in text
    assert (
        "The external set was looked at 3 times (3 models); thresholds and the main model are chosen without it" in text
    )


def test_a_named_model_is_not_said_to_be_the_best(evaluate: Evaluate) -> None:
    """Nor is it said that it was chosen without the external set, which nobody knows."""
    text = " ".join(evaluate(main_model="vgg11").sentences)
    assert "VGG 11 has an AUC of" in text
    assert "highest" not in text
    assert "(3 models); thresholds are chosen without it" in text


def test_without_external_scores_that_is_said(tmp_path: Path) -> None:
    write_scores(tmp_path / "s", rows_of("Rad_SVM", "out_of_fold", [0.1, 0.9, 0.2, 0.8, 0.7, 0.6]))
    found = evaluate_risk(tmp_path / "s", cohort_of(external=False), output=tmp_path / "out", figures=False)
    assert found.sentences[-1] == "There are no scores of external cases, so nothing is known of other centres."
    assert found.scored.external_looks == 0


@pytest.mark.parametrize(("subjects", "beside"), [("patients", True), ("phantoms", False), (None, False)])
def test_the_papers_rows_stand_beside_patients_alone(
    evaluate: Evaluate, tmp_path: Path, subjects: str | None, beside: bool
) -> None:
    evaluate(subjects=subjects)
    text = (tmp_path / "out" / "risk_tables.md").read_text()
    assert ("ResNet 101, published (testing)" in text) == beside
    assert ("0.876 (0.7908–0.9604)" in text) == beside
    assert ("do not stand beside these" in text) != beside


def test_what_segmentation_costs_has_a_table_and_looks_of_its_own(evaluate: Evaluate, tmp_path: Path) -> None:
    write_two_models(tmp_path / "predicted")
    found = evaluate(predicted_scores=tmp_path / "predicted")
    assert {cost.model for cost in found.costs} == {"resnet101", "vgg11", "ensemble"}
    assert all(cost.difference.difference == 0 for cost in found.costs)
    assert "and 2 times more with ROIs of predicted masks" in found.sentences[-1]
    assert summary(tmp_path / "out")["external_looks_with_predicted_masks"] == 2  # no mask has a say in the baseline


def test_models_that_are_not_there_are_refused(evaluate: Evaluate, tmp_path: Path) -> None:
    for option in ({"reference": "svm"}, {"main_model": "svm"}, {"trainings": {"svm": tmp_path}}):
        with pytest.raises(BadInputError, match=r"model 'svm': has no scores; there are those of resnet101, vgg11"):
            evaluate(**option)
    write_scores(tmp_path / "other", rows_of("Rad_SVM", "out_of_fold", [0.1, 0.9, 0.2, 0.8, 0.7, 0.6]))
    with pytest.raises(BadInputError, match="no model has scores of the same cases"):
        evaluate(predicted_scores=tmp_path / "other")


def test_results_do_not_go_where_the_scores_are(evaluate: Evaluate, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="give another folder for the results"):
        evaluate(output=tmp_path / "scores")
