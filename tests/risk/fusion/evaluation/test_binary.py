"""Benign or malignant: thresholds of the tuning cases, rates, and each training beside the ensemble."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.risk.fusion.class_scores import ClassScore
from nnunet_amt.risk.fusion.evaluation.binary import binary_performances, threshold_of
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, gather_lesion_scores
from nnunet_amt.statistics.roc import delong
from tests.risk.fusion.evaluation.made_up import (
    binary_rows,
    cohort_of,
    few_cases,
    lesion_case,
    many_cases,
    write_all_models,
    write_rows,
)

CASES = few_cases()
TUNING = {"u0": 0.1, "u1": 0.3, "u2": 0.6, "u3": 0.8}  # Youden: halfway between 0.3 and 0.6
EXTERNAL = {"x0": 0.2, "x1": 0.5, "x2": 0.4, "x3": 0.9}


def gathered(folder: Path, rows: list[ClassScore]) -> LesionScores:
    return gather_lesion_scores(write_rows(folder, rows).scores("binary"), cohort_of(CASES), task="binary")


def test_rates_are_those_at_the_threshold_of_the_tuning_cases(tmp_path: Path) -> None:
    """At 0.45 one external benign case is called malignant and one malignant case benign; 3 of 4 pairs are in order."""
    scores = gathered(tmp_path, binary_rows("dmfn", 0, TUNING | EXTERNAL, CASES))
    tuning, external = binary_performances(scores)
    assert tuning.threshold == external.threshold == pytest.approx(0.45)
    assert (tuning.areas["auc"].value, external.areas["auc"].value) == (1.0, 0.75)
    assert external.matrix is not None
    assert external.matrix.tolist() == [[1, 1], [1, 1]]
    assert {name: (rate.k, rate.n) for name, rate in external.rates.items()} == {
        "accuracy": (2, 4),
        "sensitivity": (1, 2),
        "specificity": (1, 2),
        "ppv": (1, 2),
        "npv": (1, 2),
    }


def test_seeds_stand_beside_their_ensemble(tmp_path: Path) -> None:
    """Reversed, the second training has an AUC of 1/4; both together tie all scores at 1/2, and 1/2 of pairs."""
    reversed_scores = {name: 1 - score for name, score in EXTERNAL.items()}
    rows = [*binary_rows("dmfn", 0, EXTERNAL, CASES), *binary_rows("dmfn", 1, reversed_scores, CASES)]
    (external,) = binary_performances(gathered(tmp_path, rows))
    assert external.area_of_seed == {0: 0.75, 1: 0.25}
    assert external.areas["auc"].value == 0.5


@pytest.mark.parametrize("tuning", [{}, {"u0": 0.1, "u1": 0.2}], ids=["none", "one class"])
def test_without_tuning_cases_of_both_classes_there_is_no_threshold(tmp_path: Path, tuning: dict[str, float]) -> None:
    """A threshold of the external cases themselves would look better than it is."""
    scores = gathered(tmp_path, binary_rows("dmfn", 0, tuning | EXTERNAL, CASES))
    external = binary_performances(scores)[-1]
    assert threshold_of(scores.models[0]) is None
    assert (external.rates, external.matrix, external.areas["auc"].value) == ({}, None, 0.75)


def test_few_cases_have_no_interval_and_many_have_delongs(tmp_path: Path) -> None:
    few = binary_performances(gathered(tmp_path / "few", binary_rows("dmfn", 0, EXTERNAL, CASES)))
    assert few[0].areas["auc"].interval is None
    cases = many_cases()
    at = write_all_models(tmp_path / "many", cases)
    scores = gather_lesion_scores(at.scores("binary"), cohort_of(cases), task="binary")
    found = next(one for one in binary_performances(scores) if (one.model, one.split) == ("dmfn", "external"))
    of_model = scores.models[0].of_split["external"]
    assert found.areas["auc"].interval == delong(of_model.malignant_score, of_model.malignant).interval


def test_one_class_alone_has_no_auc(tmp_path: Path) -> None:
    cases = [lesion_case(f"x{place}", "Cyst") for place in range(3)]
    rows = binary_rows("dmfn", 0, {"x0": 0.1, "x1": 0.2, "x2": 0.3}, cases)
    at = write_rows(tmp_path, rows)
    (found,) = binary_performances(gather_lesion_scores(at.scores("binary"), cohort_of(cases), task="binary"))
    assert found.areas["auc"].value is None
    assert found.area_of_seed == {0: None}
