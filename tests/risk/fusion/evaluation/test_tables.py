"""What stands in the tables of models and of their comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.risk.fusion.class_scores import ClassScore
from nnunet_amt.risk.fusion.evaluation.binary import binary_performances
from nnunet_amt.risk.fusion.evaluation.comparison import area_differences, compare_with_monomodal
from nnunet_amt.risk.fusion.evaluation.comparison_tables import gain_table, monomodal_table, nested_table
from nnunet_amt.risk.fusion.evaluation.ctc_value import nested_ctc
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, gather_lesion_scores
from nnunet_amt.risk.fusion.evaluation.published_models import published_models
from nnunet_amt.risk.fusion.evaluation.tables import confusion_table, model_table, seed_table
from tests.risk.fusion.evaluation.made_up import binary_rows, cohort_of, few_cases, many_cases, write_rows

CASES = few_cases()
TUNING = {"u0": 0.1, "u1": 0.3, "u2": 0.6, "u3": 0.8}
EXTERNAL = {"x0": 0.2, "x1": 0.5, "x2": 0.4, "x3": 0.9}


def gathered(folder: Path, rows: list[ClassScore]) -> LesionScores:
    return gather_lesion_scores(write_rows(folder, rows).scores("binary"), cohort_of(CASES), task="binary")


def both(folder: Path) -> LesionScores:
    """DMFN and monomodal network with the same scores."""
    return gathered(
        folder, [row for name in ("dmfn", "regnet") for row in binary_rows(name, 0, TUNING | EXTERNAL, CASES)]
    )


def test_table_3_is_in_the_papers_order_with_its_rows_beside(tmp_path: Path) -> None:
    """The paper has AUC, sensitivity, specificity, accuracy, PPV and NPV, and of its test set the DMFN's AUC alone."""
    table = model_table(binary_performances(both(tmp_path)), "binary", frequent={})
    assert table.columns == ("Cases", "AUC", "Sensitivity", "Specificity", "Accuracy", "PPV", "NPV")
    kinds = [(row.title, row.kind) for row in table.rows]
    assert kinds == [
        ("Tuning cases", "group"),
        ("DMFN", "row"),
        ("DMFN model, published (validation)", "published"),
        ("Monomodal CNN (RegNet)", "row"),
        ("Monomodal CNN model, published (validation)", "published"),
        ("External cases", "group"),
        ("DMFN", "row"),
        ("DMFN model, published (test)", "published"),
        ("Monomodal CNN (RegNet)", "row"),
        ("Monomodal CNN model, published (set not said)", "published"),
    ]
    assert table.rows[6].cells[:2] == ("4 (2 benign, 2 malignant)", "0.750")
    assert table.rows[7].cells == ("–", "0.932 (0.871–0.993)", "–", "–", "–", "–", "–")


@pytest.mark.parametrize(
    ("model", "split", "task", "titles"),
    [
        ("dmfn", "tuning", "binary", ["DMFN model, published (validation)"]),
        ("dmfn", "tuning", "multiclass", ["DMFN model, published (validation)"]),
        ("regnet", "external", "multiclass", ["Monomodal CNN model, published (set not said)"]),
        ("ctc", "external", "binary", []),
    ],
)
def test_the_papers_row_is_of_the_same_set_and_task(model: str, split: str, task: str, titles: list[str]) -> None:
    """Of the same set where the paper has one, else of none that it states; never of another set."""
    found = published_models(model, split, task, ["auc"])  # type: ignore[arg-type]
    assert [row.title for row in found] == titles


def test_each_training_stands_beside_mean_range_and_ensemble(tmp_path: Path) -> None:
    """3/4, and 1/4 with scores reversed: mean 1/2; their ensemble ties all cases."""
    rows = [*binary_rows("dmfn", 0, EXTERNAL, CASES)]
    rows += binary_rows("dmfn", 2, {name: 1 - score for name, score in EXTERNAL.items()}, CASES)
    table = seed_table(binary_performances(gathered(tmp_path, rows)), "binary")
    assert table is not None
    assert table.columns == ("Seed 0", "Seed 2", "Mean (range)", "Ensemble")
    assert table.rows[1].cells == ("0.750", "0.250", "0.500 (0.250–0.750)", "0.500")


def test_one_training_has_no_table_of_trainings(tmp_path: Path) -> None:
    assert seed_table(binary_performances(both(tmp_path)), "binary") is None


def test_confusion_has_the_pathology_as_rows(tmp_path: Path) -> None:
    """At 0.45 one of two is wrong of either kind; without a threshold nothing is called anything."""
    table = confusion_table(binary_performances(both(tmp_path))[-1], ("benign", "malignant"))
    assert table is not None
    assert [(row.title, row.cells) for row in table.rows] == [("benign", ("1", "1")), ("malignant", ("1", "1"))]
    without = gathered(tmp_path / "other", binary_rows("dmfn", 0, EXTERNAL, CASES))
    assert confusion_table(binary_performances(without)[0], ("benign", "malignant")) is None


def test_the_comparison_names_what_one_alone_calls_right(tmp_path: Path) -> None:
    """Equal scores differ in nothing: p is 1, and an AUC of four cases has none."""
    scores = both(tmp_path)
    table = monomodal_table(compare_with_monomodal(scores, area_differences(scores)), "binary")
    assert table is not None
    external = table.rows[5:]
    assert [row.title for row in external] == ["AUC", "Sensitivity", "Specificity"]
    assert external[0].cells == ("4", "0.750", "0.750", "0.000", "–", "–", "–")
    assert external[1].cells[3:] == ("0.000", "0 / 0", "1.000", "1.000")


def test_without_shuffled_levels_there_is_no_table_of_gains(tmp_path: Path) -> None:
    """A gain without its control would look like what CTC adds."""
    assert gain_table(area_differences(both(tmp_path)), "binary") is None


def test_a_likelihood_ratio_that_was_not_made_says_why(tmp_path: Path) -> None:
    table = nested_table(nested_ctc(both(tmp_path)))
    assert table is not None
    assert table.rows[1].cells == ("4 (2 benign, 2 malignant)", "0", "–", "–", "–")
    assert "External cases: fewer than 10 cases of a class have a level, so there is no test." in table.notes
    cases = many_cases(20)
    rows = binary_rows("regnet", 0, {case.case_id: 0.3 + 0.1 * (place % 5) for place, case in enumerate(cases)}, cases)
    at = write_rows(tmp_path / "many", rows)
    made = nested_table(nested_ctc(gather_lesion_scores(at.scores("binary"), cohort_of(cases), task="binary")))
    assert made is not None
    assert len(made.notes) == 1
    assert "–" not in made.rows[1].cells
