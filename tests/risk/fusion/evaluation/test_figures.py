"""What the figures show; they are drawn, but not saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.risk.fusion.evaluation.binary import binary_performances
from nnunet_amt.risk.fusion.evaluation.comparison import area_differences
from nnunet_amt.risk.fusion.evaluation.figures import (
    binary_roc_figure,
    confusion_figure,
    decision_figure,
    gain_figure,
    multiclass_roc_figure,
)
from nnunet_amt.risk.fusion.evaluation.lesion_scores import LesionScores, gather_lesion_scores
from nnunet_amt.risk.fusion.evaluation.multiclass import judged_classes, multiclass_performances
from nnunet_amt.risk.fusion.lesion_case import Task
from nnunet_amt.statistics.multiclass_roc import macro_curve
from tests.risk.fusion.evaluation.made_up import CLASSES, cohort_of, many_cases, write_all_models

MANY = many_cases()


def scores_of(folder: Path, task: Task) -> LesionScores:
    at = write_all_models(folder, MANY, task=task)
    return gather_lesion_scores(at.scores(task), cohort_of(MANY), task=task)


def test_roc_has_a_panel_a_split_and_a_curve_a_model(tmp_path: Path) -> None:
    """Six curves, the ring of the DMFN's threshold, and chance."""
    figure = binary_roc_figure(scores_of(tmp_path, "binary"))
    assert [axes.get_title("left") for axes in figure.axes] == ["Tuning cases", "External cases"]
    assert [len(axes.lines) for axes in figure.axes] == [8, 8]
    title = figure.legends[0].get_title().get_text()
    assert title == "AUC, tuning / external; ring: threshold of DMFN"


def test_decision_curves_are_of_dmfn_monomodal_and_baseline(tmp_path: Path) -> None:
    figure = decision_figure(scores_of(tmp_path, "binary"))
    assert len(figure.axes) == 4
    assert figure.axes[0].get_ylabel() == "Share of malignant (95% CI)"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["DMFN", "Monomodal CNN (RegNet)", "Clinical data and CTC, no CT"]


def test_the_mean_curve_is_of_the_judged_classes(tmp_path: Path) -> None:
    """Its area is the macro AUC, but for the grid."""
    scores = scores_of(tmp_path, "multiclass")
    performances = multiclass_performances(scores)
    figure = multiclass_roc_figure(scores, performances)
    assert [axes.get_title("left") for axes in figure.axes][1] == "External cases, mean of 3 classes"
    assert [len(axes.lines) for axes in figure.axes] == [7, 7]
    cases = scores.models[0].of_split["external"]
    curve = macro_curve(cases.ensemble, cases.reference, judged=judged_classes(cases.reference))
    found = next(one for one in performances if one.split == "external")
    assert figure.legends[0].get_title().get_text() == "Macro AUC, tuning / external"
    assert curve.mean() == pytest.approx(found.areas["macro"].value, abs=0.03)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_confusion_has_a_count_a_cell_and_a_panel_a_model(tmp_path: Path, task: Task) -> None:
    """The counts of a panel sum up to its cases."""
    scores = scores_of(tmp_path, task)
    found = (binary_performances if task == "binary" else multiclass_performances)(scores)
    pair = [one for one in found if one.split == "external" and one.model in ("dmfn", "regnet")]
    figure = confusion_figure(pair, scores.classes)
    assert [axes.get_title() for axes in figure.axes] == [
        "DMFN, external cases",
        "Monomodal CNN (RegNet), external cases",
    ]
    for axes in figure.axes:
        assert sum(int(text.get_text()) for text in axes.texts) == 24
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == (["benign", "malignant"] if task == "binary" else list(CLASSES))


def test_gains_stand_below_each_other_with_nothing_as_a_line(tmp_path: Path) -> None:
    figure = gain_figure(area_differences(scores_of(tmp_path, "binary")), "binary")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[:4] == [
        "Tuning cases",
        "DMFN less monomodal CNN",
        "DMFN with shuffled CTC less monomodal CNN",
        "DMFN less DMFN with shuffled CTC",
    ]
    assert len(labels) == 8
