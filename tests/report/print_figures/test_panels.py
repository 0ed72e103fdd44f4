"""Which cases stand in Figures 5 and 6."""

from __future__ import annotations

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.report.print_figures.panels import failed_cases, successful_cases


def case(
    name: str, dice: float | None, volume: float = 1.0, fp: int = 0, fn: int = 0, recall: float = 0.5
) -> EvaluatedCase:
    return EvaluatedCase(
        case_id=name, tp=1, fp=fp, fn=fn, dice=dice, iou=dice, precision=0.5, recall=recall,
        reference_lesions=1, found_01=1, found_05=1, reference_cm3=volume, prediction_cm3=volume, size_mm=10.0,
        tumour_size="small",
    )  # fmt: skip


def names(cases: tuple[EvaluatedCase, ...]) -> list[str]:
    return [chosen.case_id for chosen in cases]


def test_each_sixth_of_the_volumes_gives_its_middle_dice() -> None:
    """18 cases, volumes 1 to 18 cm³: of every three in a row the one that is neither best nor worst."""
    dice = [0.71, 0.95, 0.80] * 6  # the third is the middle one
    cases = [case(f"c{volume:02d}", value, volume) for volume, value in enumerate(dice, start=1)]
    assert names(successful_cases(cases[::-1])) == ["c03", "c06", "c09", "c12", "c15", "c18"]


def test_fewer_than_six_are_all_shown_smallest_first() -> None:
    cases = [case("large", 0.9, 50.0), case("small", 0.75, 1.0), case("failed", 0.4, 2.0), case("empty", None, 0.0)]
    assert names(successful_cases(cases)) == ["small", "large"]
    assert successful_cases(cases[2:]) == ()


def test_a_dice_of_exactly_the_limit_is_no_success() -> None:
    """The paper's successes are above 0.70."""
    limit = [case("limit", 0.7, fn=1)]
    assert successful_cases(limit) == ()
    assert names(failed_cases(limit).under) == ["limit"]


def test_the_worst_are_divided_by_what_is_wrong() -> None:
    """More falsely positive than falsely negative voxels is too much; as many of both stands with too little."""
    cases = [
        *(case(f"over{number}", number / 10, fp=2, fn=1) for number in range(5)),
        *(case(f"under{number}", number / 10, fp=1, fn=2, recall=number / 10) for number in range(6)),
        case("both", 0.05, fp=3, fn=3, recall=0.9),
        case("good", 0.9, fp=9),
    ]
    failed = failed_cases(cases)
    assert names(failed.over) == ["over0", "over1", "over2"]
    # the five of lowest Dice are both and under0 to under3; shown by what was found of them, the missed one last
    assert names(failed.under) == ["both", "under3", "under2", "under1", "under0"]


def test_cases_asked_for_go_to_the_figure_that_their_dice_belongs_to() -> None:
    cases = [case("good", 0.9), case("better", 0.95), case("over", 0.1, fp=1), case("under", 0.2, fn=1)]
    asked = ["under", "better", "good", "better"]
    assert names(successful_cases(cases, asked=asked)) == ["better", "good"], "in the order asked for"
    assert failed_cases(cases, asked=asked).over == ()
    assert names(failed_cases(cases, asked=asked).under) == ["under"]


def test_more_cases_than_panels_are_refused() -> None:
    cases = [case(f"c{number}", 0.9) for number in range(7)]
    with pytest.raises(BadInputError, match=r"--cases: 7 are for Figure 5.*room for 6"):
        successful_cases(cases, asked=[chosen.case_id for chosen in cases])
