"""What is said of a case, on counts that one can check on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnunet_amt.evaluation.results.read_results import EvaluatedCase, FailedCase, FalsePositiveLesion
from nnunet_amt.report.failure_story import case_story, failure_kind, sized


def case(tp: int, fp: int, fn: int, **more: object) -> EvaluatedCase:
    """A case of voxels of 10 mm3, with one lesion that is found if a voxel is."""
    total = 2 * tp + fp + fn
    values: dict[str, object] = {
        "case_id": "AMT-0031",
        "tp": tp, "fp": fp, "fn": fn,
        "dice": 2 * tp / total if total else None,
        "reference_lesions": int(tp + fn > 0), "found_01": int(tp > 0), "found_05": int(tp > 0),
        "reference_ml": (tp + fn) / 100, "prediction_ml": (tp + fp) / 100,
        "size_mm": 19.0 if tp + fn else None,
    }  # fmt: skip
    return EvaluatedCase(**{**values, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("counts", "kind", "first"),
    [
        # 91 of 100 voxels missed, 1 of 10 predicted ones outside; Dice 18/110
        (
            (9, 1, 91),
            "under-segmentation",
            "Under-segmentation: 91% of the tumour's voxels are missed; 10% of the predicted",
        ),
        (
            (100, 300, 0),
            "over-segmentation",
            "Over-segmentation: 75% of the predicted voxels lie outside of the tumour; none",
        ),
        ((0, 0, 100), "missed completely", "The tumour is missed completely: nothing at all was predicted."),
        (
            (0, 120, 100),
            "missed completely",
            "The tumour is missed completely: what was predicted (1.2 ml) lies elsewhere.",
        ),
        ((0, 50, 0), "false positive", "There is no tumour in the reference, yet 0.5 ml are predicted."),
        (
            (0, 0, 0),
            "nothing there, nothing predicted",
            "There is no tumour in the reference, and nothing was predicted.",
        ),
        ((95, 0, 5), "success", "5% of the tumour's voxels are missed; none of the predicted voxels lie outside"),
        ((10, 90, 90), "as much added as missed", "90% of the tumour's voxels are missed; 90% of the predicted voxels"),
    ],
)
def test_what_is_wrong(counts: tuple[int, int, int], kind: str, first: str) -> None:
    assert failure_kind(case(*counts)) == kind
    assert case_story(case(*counts)).sentences[0].startswith(first)


def test_a_success_is_one_above_070_and_not_at_it() -> None:
    """The paper shows successes with a Dice above 0.70: 2 * 70 / 200 is 0.70."""
    assert failure_kind(case(70, 0, 60)) == "under-segmentation"
    assert failure_kind(case(71, 0, 58)) == "success"  # 142 / 200


def test_lesions_that_are_not_found_are_counted() -> None:
    one = case_story(case(9, 1, 91, found_01=0, found_05=0)).sentences
    assert "Its only lesion is not found at IoU > 0.1: the overlap is too small." in one
    two = case_story(case(9, 1, 91, reference_lesions=3, found_01=1, found_05=1)).sentences
    assert "2 of its 3 lesions are not found at IoU > 0.1." in two
    weak = case_story(case(40, 1, 60, found_05=0)).sentences
    assert "It is found at IoU > 0.1 but not at IoU > 0.5." in weak


def test_false_positives_with_their_distance_and_share() -> None:
    """60 and 20 of 100 wrong voxels are two lesions apart from the tumour: 80% of them, 12 and 30 mm away."""
    lesions = (FalsePositiveLesion(2, 60, 0.6, False), FalsePositiveLesion(3, 20, 0.2, False))
    told = case_story(case(50, 100, 10, false_positives=lesions), FailedCase(distances_mm={2: 12.2, 3: 29.8})).sentences
    assert (
        "2 false positive lesions, the largest of 0.6 ml, 12 to 30 mm from the tumour; "
        "they make up 80% of the voxels predicted too much."
    ) in told


def test_false_positives_that_overlap_the_tumour_are_told_apart() -> None:
    """The larger touches the tumour, though too little for a match; the smaller makes 10 of 100 wrong voxels."""
    lesions = (FalsePositiveLesion(1, 90, 0.9, True), FalsePositiveLesion(2, 10, 0.1, False))
    told = case_story(case(5, 100, 95, found_01=0, found_05=0, false_positives=lesions), FailedCase()).sentences
    assert (
        "2 false positive lesions, the largest of 0.9 ml; "
        "1 of them lies apart from the tumour and makes up 10% of the voxels predicted too much."
    ) in told


def test_sizes_of_reference_and_prediction_are_told() -> None:
    assert case_story(case(0, 0, 100)).sentences[-1] == "Reference 1 ml (largest axial diameter 1.9 cm), no prediction."


def test_an_undefined_dice_is_a_dash() -> None:
    assert case_story(case(0, 0, 0)).dice == "–"
    assert case_story(replace(case(1, 0, 0), dice=0.125)).dice == "0.12"


@pytest.mark.parametrize(("volume", "text"), [(0.4, "0.4 ml"), (5.058, "5.1 ml"), (0.0, "0 ml"), (401.4, "401 ml")])
def test_volumes(volume: float, text: str) -> None:
    assert sized(volume) == text
