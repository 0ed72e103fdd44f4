"""Sentences that keep a reader from taking a try-out for the method, or a rule for an exception."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_amt.evaluation import EvaluationSettings
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.evaluation.summary.summary import summarise
from nnunet_amt.report.sections.opening import dice_by_size, leaning, opening, peers_of, short_training
from nnunet_amt.report.study_content import read_study_content
from nnunet_amt.study import find_study
from nnunet_amt.study.facts import ModelFacts
from tests.evaluation.builders import evaluated, row_mask
from tests.report.test_case_story import case

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


def of_size(case_id: str, dice: float, tumour_size: str) -> EvaluatedCase:
    return case(8, 1, 1, case_id=case_id, dice=dice, tumour_size=tumour_size)


def test_a_case_is_set_beside_the_others_of_its_size() -> None:
    """It is no witness of its own: 0.8 and 0.9 are the others' 0.85, beside 0.9 of the large one."""
    small = [of_size("a", 0.1, "small"), of_size("b", 0.8, "small"), of_size("c", 0.9, "small")]
    large = of_size("d", 0.9, "large")
    assert peers_of(small[0], [*small, large]) == (
        "The 2 other tumours of its size, small (< 5 cm), have a mean Dice score of 0.85, those of other sizes 0.90."
    )
    assert peers_of(small[0], [*small[:2], large]) == (
        "The only other tumour of its size, small (< 5 cm), has a Dice score of 0.80, those of other sizes 0.90."
    )
    assert peers_of(small[0], [small[0], large]) == "", "alone in its class it has nobody to be set beside"
    assert peers_of(small[0], small) == "", "nobody is of another size"
    assert peers_of(small[0], [small[0], small[2], of_size("d", 0.85, "large")]) == "", (
        "small ones are none of the hard"
    )


def test_the_way_most_outlines_err_is_told() -> None:
    """Two thirds of the tumours that were found must agree; one that was missed has no outline."""
    small, large, even, missed = case(8, 1, 2), case(8, 2, 1), case(8, 1, 1), case(0, 0, 9)
    assert leaning([small, small, large, missed]) == (
        "Failed or not, more voxels are missed than added in 2 of the 3 tumours that were not missed, more are added "
        "than missed in 1."
    )
    assert leaning([large, large, large, even]) == (
        "Failed or not, more voxels are added than missed in 3 of the 4 tumours that were not missed."
    )
    assert leaning([small, small, large, even]) == leaning([small, large, even]) == leaning([even] * 3) == ""
    assert leaning([small, small]) == leaning([]) == "", "two are no rule"


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
    drawn = opening(replace(content, facts=replace(content.facts, subjects="phantoms")), title="A study", worst=None)
    assert "was tested on 3 drawn CTs of 2 made-up institutions" in drawn.sentences[0]
    assert [figure.name.partition(",")[0] for figure in told.figures] == ["Dice score", "Sensitivity", "FP per scan"]
    assert [figure.ours for figure in told.figures] == ["0.56", "0.67", "0.33"]
    assert (told.figures[0].interval, told.figures[0].span) == ("", "0.00 to 1.00"), "three cases have no interval"
    assert [figure.span for figure in told.figures[1:]] == ["", ""]
    assert len(told.more_figures) == 2
