"""The whole stage of a task: tables, sentences, summary and record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.base.run_record import RECORD_FILE, newest_run
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.evaluation.evaluate_lesions import LESION_FILES, STAGE, LesionEvaluation, evaluate_lesions
from nnunet_amt.risk.fusion.fusion_folder import FusionFolder
from nnunet_amt.risk.fusion.lesion_case import Task
from nnunet_amt.study.study_files import LESION_SUMMARY
from tests.risk.fusion.evaluation.made_up import (
    binary_rows,
    cohort_of,
    few_cases,
    guessed_rows,
    many_cases,
    write_all_models,
    write_rows,
)

MANY = many_cases()
Evaluate = Callable[..., LesionEvaluation]


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """Evaluate the six made-up models of a task, without figures unless asked."""

    def run(task: Task = "binary", **options: Any) -> LesionEvaluation:
        at = write_all_models(tmp_path, MANY, task=task)
        return evaluate_lesions(at, task, cohort_of(MANY), **({"figures": False} | options))

    return run


def tables_of(folder: Path) -> str:
    return (folder / "lesion_tables.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_tables_summary_and_record_are_written(evaluate: Evaluate, tmp_path: Path, task: Task) -> None:
    """24 cases a split, of which 8 are benign; a page can be laid out from the summary alone."""
    found = evaluate(task)
    folder = FusionFolder(tmp_path).evaluation(task)
    assert [path.name for path in found.files] == [*LESION_FILES[:3], RECORD_FILE]
    content = json.loads((folder / LESION_SUMMARY.name).read_text())
    expected = {"cases": 24, "patients": 24, "institutions": 1, "malignant": 16, "without_ctc": 2}
    assert content["cases"]["external"] == expected
    assert content["left_out"] == {"no diagnosis": 2}
    assert [model["model"] for model in content["models"]][:2] == ["dmfn", "regnet"]
    assert len(content["models"][0]["external"]["area_of_seed"]) == 3
    assert LESION_SUMMARY.read(folder).sentences == found.sentences
    run = newest_run(folder, STAGE)
    assert run is not None
    assert run["counts"] == {"cases": 72, "models": 6}


def test_figures_are_drawn_and_told_in_the_document(evaluate: Evaluate, tmp_path: Path, undrawn: None) -> None:
    for task, names in {
        "binary": ["flow", "roc", "decision", "confusion", "gains", "ctc_levels"],
        "multiclass": ["flow", "roc", "confusion", "gains", "ctc_levels"],
    }.items():
        found = evaluate(task, figures=True)
        expected = [f"lesion_{name}" for name in names]
        assert {path.stem for path in found.files if path.suffix == ".png"} == {*expected}
        assert [picture.file.stem for picture in LESION_SUMMARY.read(found.output).pictures] == expected


def test_results_of_an_earlier_run_are_replaced(evaluate: Evaluate, tmp_path: Path, undrawn: None) -> None:
    folder = evaluate(figures=True).output
    (folder / "note.txt").write_text("mine")
    evaluate()
    assert {path.name for path in folder.iterdir()} == {*LESION_FILES[:3], RECORD_FILE, "note.txt"}


@pytest.mark.parametrize(("subjects", "beside"), [("patients", True), ("phantoms", False), (None, False)])
def test_the_papers_rows_stand_beside_patients_alone(evaluate: Evaluate, subjects: str | None, beside: bool) -> None:
    """Its validation row beside the tuning cases, its test row beside the external ones."""
    text = tables_of(evaluate(subjects=subjects).output)
    assert ("DMFN model, published (validation)" in text) == beside
    assert ("DMFN model, published (test)" in text) == beside
    assert ("0.932 (0.871–0.993)" in text) == beside
    assert ("Monomodal CNN model, published (set not said)" in text) == beside
    assert ("--paper wang --check lists what does not add up" in text) == beside
    assert ("do not stand beside these" in text) != beside


def test_many_classes_have_the_papers_rows_too_and_name_those_judged(evaluate: Evaluate) -> None:
    text = tables_of(evaluate("multiclass", subjects="patients").output)
    assert "DMFN model, published (validation)" in text
    assert "| 0.935 |" in text.replace("  ", " ")
    assert "means over the 3 classes with 5 or more: Cyst (8), Thymoma (8) and Lymphoma (8)." in text
    assert "Most frequent classes of training" in text
    assert "right in 8 of 24 (0.333), and with the 3 most frequent ones in 24 of 24" in text


def test_what_is_missing_is_said_and_the_rest_evaluated(tmp_path: Path) -> None:
    """A baseline alone, of tuning cases alone."""
    tuning = [case for case in MANY if case.split == "tuning"]
    at = write_rows(tmp_path, guessed_rows("clinical+ctc", 0, tuning, "binary", strength=1))
    found = evaluate_lesions(at, "binary", cohort_of(MANY), figures=False)
    text = tables_of(found.output)
    assert "no scores of DMFN and Monomodal CNN (RegNet)." in text
    assert "There are no scores of external cases, so nothing is known of other centres." in text
    assert "No network was trained with CTC shuffled" in " ".join(found.sentences)


def test_few_cases_show_nothing_and_that_is_said(tmp_path: Path) -> None:
    """Four external cases have areas, but no interval and no test of these."""
    cases = few_cases()
    rows = [
        row
        for model, scores in {
            "dmfn": (0.1, 0.2, 0.8, 0.9),
            "regnet": (0.1, 0.7, 0.8, 0.3),
            "dmfn-shuffled-ctc": (0.1, 0.7, 0.8, 0.6),
            "clinical+ctc": (0.3, 0.4, 0.5, 0.2),
        }.items()
        for letter in "ux"
        for row in binary_rows(model, 0, {f"{letter}{place}": score for place, score in enumerate(scores)}, cases)
    ]
    found = evaluate_lesions(write_rows(tmp_path, rows), "binary", cohort_of(cases), figures=False)
    text = " ".join(found.sentences)
    assert "4 external cases (2 benign, 2 malignant) take part; 2 cases of the dataset left out." in text
    assert "the AUC of the DMFN (CT, CTC and clinical data) is 1.000 (no interval)." in text
    assert "4 cases are too few to tell whether it is better" in text
    assert "the cases are too few to tell whether that is nothing" in text
    assert "was not tested on 4 external cases with a level: fewer than 10 cases of a class have a level." in text
    assert "All 4 external cases have a CTC level." in text


def test_the_cohort_stands_before_its_models_with_the_unit_of_the_study(evaluate: Evaluate) -> None:
    """Fig. 1, Tables 1 and 2, then Table 3; and whether levels are shifted between the splits."""
    found = evaluate(ctc_unit="cells/ml")
    titles = [table.title for table in LESION_SUMMARY.read(found.output).tables]
    assert [title.split(":")[0] for title in titles[:4]] == [
        "Flow of cases, as Fig. 1",
        "Table 1",
        "Table 2",
        "Table 3",
    ]
    assert any(title.startswith("CTC levels of lesions of one class") for title in titles)
    assert "CTC level, cells/ml" in tables_of(found.output)
    assert "a model that is given them learns the laboratory" in " ".join(found.sentences)


def test_sentences_compare_with_every_rival(evaluate: Evaluate) -> None:
    found = evaluate()
    text = " ".join(found.sentences)
    assert "On 24 external cases the AUC of the DMFN (CT, CTC and clinical data) is" in text
    assert "its 3 trainings alone" in text
    assert "than that of the monomodal network" in text
    assert "than that of a logistic regression of clinical data and CTC, without any image" in text
    assert "With CTC shuffled between patients the network's AUC is" in text
    assert "2 of 24 external cases have no CTC level" in text


def test_a_gain_of_shuffled_levels_is_not_put_down_to_ctc(tmp_path: Path) -> None:
    """A network that gains as much with levels that say nothing has it from elsewhere."""
    strengths = {"dmfn": 2.0, "dmfn-shuffled-ctc": 2.0, "regnet": 0.0}
    rows = [row for name, much in strengths.items() for row in guessed_rows(name, 0, MANY, "binary", strength=much)]
    found = evaluate_lesions(write_rows(tmp_path, rows), "binary", cohort_of(MANY), figures=False)
    assert "that gain is not from CTC, but from clinical data or chance" in " ".join(found.sentences)


def test_results_do_not_go_where_the_scores_are(evaluate: Evaluate, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="give another folder for the results"):
        evaluate(output=FusionFolder(tmp_path).scores("binary"))
