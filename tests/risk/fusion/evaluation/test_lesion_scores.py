"""Probabilities are of the cohort's cases, classes and splits, and what is missing is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError, SplitLeakageError, UnmatchedCasesError
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, gather_lesion_scores
from nnunet_amt.risk.fusion.lesion_case import LesionCase
from tests.risk.fusion.evaluation.made_up import (
    binary_rows,
    cohort_of,
    few_cases,
    guessed_rows,
    many_cases,
    write_all_models,
    write_rows,
)

CASES = few_cases()
SCORES = {"u0": 0.1, "u2": 0.9, "x0": 0.2, "x2": 0.8}


def gathered(folder: Path, rows: list, cases: list[LesionCase] = CASES) -> LesionScores:
    at = write_rows(folder, rows)
    return gather_lesion_scores(at.scores("binary"), cohort_of(cases), task="binary")


def test_models_stand_in_the_order_of_the_paper_and_others_last(tmp_path: Path) -> None:
    rows = [row for name in ("mine", "ctc", "regnet", "dmfn") for row in binary_rows(name, 0, SCORES, CASES)]
    found = gathered(tmp_path, rows)
    assert [model.name for model in found.models] == ["dmfn", "regnet", "ctc", "mine"]
    assert found.models[-1].title == "mine"


def test_the_ensemble_is_the_mean_and_seeds_stay_apart(tmp_path: Path) -> None:
    """0.8 and 0.4 of the only external malignant case make 0.6."""
    rows = [
        *binary_rows("dmfn", 0, {"u2": 0.5, "x2": 0.8}, CASES),
        *binary_rows("dmfn", 1, {"u2": 0.5, "x2": 0.4}, CASES),
    ]
    cases = gathered(tmp_path, rows).of("dmfn", "external")
    assert cases is not None
    assert cases.malignant_score.tolist() == pytest.approx([0.6])
    assert {seed: table[0, 1] for seed, table in cases.of_seed.items()} == {0: 0.8, 1: 0.4}


def test_two_models_are_compared_on_the_cases_of_both_in_one_order(tmp_path: Path) -> None:
    rows = [*binary_rows("dmfn", 0, {"x3": 0.3, "x1": 0.1, "x0": 0.2}, CASES)]
    rows += binary_rows("regnet", 0, {"x0": 0.7, "x3": 0.9, "x2": 0.5}, CASES)
    found = gathered(tmp_path, rows)
    one, other = found.models[0].of_split["external"].shared_with(found.models[1].of_split["external"])
    assert [case.case_id for case in one.cases] == [case.case_id for case in other.cases] == ["x0", "x3"]
    assert [one.malignant_score.tolist(), other.malignant_score.tolist()] == [[0.2, 0.3], [0.7, 0.9]]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """Neither monomodal network nor baseline, one training, and half of the cases."""
    notes = " ".join(gathered(tmp_path, binary_rows("dmfn", 0, SCORES, CASES)).notes)
    assert "is missing: no scores of Monomodal CNN (RegNet)." in notes
    assert "No baseline of clinical data and CTC" in notes
    assert "DMFN: 2 of 4 external cases have no score and are not counted." in notes
    assert "The DMFN was trained once" in notes
    assert "Thresholds are of 2 tuning cases: of so few they are largely chance." in notes
    tuned = gathered(tmp_path / "other", binary_rows("dmfn", 0, {"u0": 0.1, "u2": 0.9}, CASES))
    assert "There are no scores of external cases, so nothing is known of other centres." in tuned.notes
    assert tuned.last_split == "tuning"


def test_nothing_is_missing_of_all_models(tmp_path: Path) -> None:
    cases = many_cases(7)
    at = write_all_models(tmp_path, cases)
    assert gather_lesion_scores(at.scores("binary"), cohort_of(cases), task="binary").notes == ()


def test_several_cases_of_a_patient_are_told(tmp_path: Path) -> None:
    """Their rates have intervals that are too narrow."""
    cases = [replace(case, patient="p") if case.case_id in ("x0", "x2") else case for case in CASES]
    (note,) = (
        note for note in gathered(tmp_path, binary_rows("dmfn", 0, SCORES, cases), cases).notes if "several" in note
    )
    assert "take cases for independent and are too narrow" in note


def test_classes_are_benign_where_all_their_cases_are(tmp_path: Path) -> None:
    at = write_rows(tmp_path, guessed_rows("dmfn", 0, CASES, "multiclass", strength=1), task="multiclass")
    found = gather_lesion_scores(at.scores("multiclass"), cohort_of(CASES), task="multiclass")
    assert [found.classes[place] for place in found.benign_classes] == ["Cyst"]


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"malignant": True}, BadInputError, "is benign here and malignant in the cohort"),
        ({"split": "tuning"}, SplitLeakageError, "is a case of split external here, of split tuning in the cohort"),
        ({"case_id": "x9"}, UnmatchedCasesError, "case x0: is not in the cohort"),
    ],
)
def test_scores_of_another_cohort_are_refused(
    tmp_path: Path, changed: dict[str, object], error: type[Exception], said: str
) -> None:
    """A class map that was edited, or a split that was drawn anew, after the training."""
    cases = [replace(case, **changed) if case.case_id == "x0" else case for case in CASES]  # type: ignore[arg-type]
    write_rows(tmp_path, binary_rows("dmfn", 0, SCORES, CASES))
    with pytest.raises(error, match=said):
        gather_lesion_scores(tmp_path / "binary" / "scores", cohort_of(cases), task="binary")


def test_scores_of_other_classes_are_refused(tmp_path: Path) -> None:
    at = write_rows(tmp_path, binary_rows("dmfn", 0, SCORES, CASES))
    with pytest.raises(BadInputError, match="has the classes benign, malignant, the cohort has Cyst, Thymoma"):
        gather_lesion_scores(at.scores("binary"), cohort_of(CASES), task="multiclass")


def test_scores_of_training_cases_alone_judge_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="has no tuning and no external case, of which models are judged"):
        gathered(tmp_path, binary_rows("dmfn", 0, {"t0": 0.1, "t2": 0.9}, CASES))
