"""Sentences that keep a reader from taking a try-out for the method, or a rule for an exception."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_amt.evaluation import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from nnunet_amt.report.sections.opening import dice_by_size, opening, peers_of, short_training
from nnunet_amt.report.study_content import read_study_content
from nnunet_amt.study import find_study
from nnunet_amt.study.facts import ModelFacts
from tests.evaluation.builders import evaluated, row_mask

SETTINGS = EvaluationSettings(bootstrap_resamples=10)


def group(*stops: int) -> object:
    """Cases with a reference of 20 voxels of which so many are predicted."""
    cases = [evaluated(row_mask(30, (0, stop)), row_mask(30, (0, 20)), SETTINGS) for stop in stops]
    return summarise(cases, settings=SETTINGS)


# 20 of 20 is a Dice of 1; 10 of 20 is 2 * 10 / 30 = 0.67; nothing is 0.
SIZES = [("tumour_size", "large", group(20)), ("tumour_size", "small", group(10, 0)), ("sex", "F", group(20))]


def test_the_mean_dice_of_each_size_is_told() -> None:
    assert dice_by_size(SIZES) == (  # type: ignore[arg-type]
        "By tumour size the mean Dice score is 1.00 in large (> 8 cm), 1 case; 0.33 in small (< 5 cm), 2 cases."
    )
    assert dice_by_size(SIZES[:1]) == ""  # type: ignore[arg-type]


def test_a_case_is_set_beside_those_of_its_size() -> None:
    """A case alone in its class has nobody to be set beside."""
    assert peers_of("small", SIZES) == "All 2 tumours of its size, small (< 5 cm): mean Dice score 0.33."  # type: ignore[arg-type]
    assert peers_of("large", SIZES) == ""  # type: ignore[arg-type]
    assert peers_of("small", SIZES, overall=0.34) != ""  # type: ignore[arg-type]
    assert peers_of("small", SIZES, overall=0.30) == "", "small tumours are none of the hard ones"  # type: ignore[arg-type]


@pytest.mark.parametrize(("epochs", "told"), [(15, True), (1000, False), (None, False)])
def test_a_short_training_is_named(epochs: int | None, told: bool) -> None:
    assert ("trained for 15 epochs" in short_training(ModelFacts(epochs=epochs))) is told


def test_nothing_is_said_of_an_unknown_model() -> None:
    assert short_training(None) == ""


def test_the_first_screen_has_three_sentences_and_three_figures(study: Path) -> None:
    """And a short training is named in the first of them; the other figures stand further down."""
    content = read_study_content(find_study(study))
    content = replace(content, facts=replace(content.facts, model=ModelFacts(epochs=15)))
    told = opening(content, title="A study", worst=None)
    assert len(told.sentences) == 3
    assert told.sentences[0].startswith("The model, trained for 15 epochs, was tested on 3 CTs of 2 institutions")
    assert [figure.name.partition(",")[0] for figure in told.figures] == ["Dice score", "Sensitivity", "FP per scan"]
    assert [figure.ours for figure in told.figures] == ["0.56", "0.67", "0.33"]
    assert len(told.more_figures) == 2
