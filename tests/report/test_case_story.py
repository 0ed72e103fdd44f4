"""What is said of a case, on counts that one can check on paper, and what stands out in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnunet_amt.evaluation.results.read_results import EvaluatedCase, FailedCase, FalsePositiveLesion
from nnunet_amt.report.case_story import Background, case_story, circumstances, failure_kind, has_failed, sized


def case(tp: int, fp: int, fn: int, **more: object) -> EvaluatedCase:
    """A case of voxels of 10 mm3, with one lesion that is found if a voxel is."""
    total = 2 * tp + fp + fn
    values: dict[str, object] = {
        "case_id": "AMT-0031",
        "tp": tp, "fp": fp, "fn": fn,
        "dice": 2 * tp / total if total else None,
        "reference_lesions": int(tp + fn > 0), "found_01": int(tp > 0), "found_05": int(tp > 0),
        "reference_cm3": (tp + fn) / 100, "prediction_cm3": (tp + fp) / 100,
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
            "The tumour is missed completely: what was predicted (1.2 cm³) lies elsewhere.",
        ),
        ((0, 50, 0), "false positive", "There is no tumour in the reference, yet 0.5 cm³ are predicted."),
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


def test_no_failure_is_named_where_none_is() -> None:
    """The lowest Dice of a study may be a success; what stands out in it is no reason for anything."""
    for counts, failed in (((71, 0, 58), False), ((70, 0, 60), True), ((0, 0, 0), False), ((0, 5, 0), True)):
        assert has_failed(case(*counts)) is failed
        story = case_story(case(*counts))
        assert (story.failed, story.headline) == (failed, "Failed worst" if failed else "Lowest Dice")
    smallest = case(71, 0, 58, size_mm=11.0)
    assert circumstances(smallest, Background([smallest, *TEN[1:]])) == ()


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
        "2 false positive lesions, the largest of 0.6 cm³, 12 to 30 mm from the tumour; "
        "they make up 80% of the added voxels."
    ) in told


def test_false_positives_that_overlap_the_tumour_are_told_apart() -> None:
    """The larger touches the tumour, though too little for a match; the smaller makes 10 of 100 wrong voxels."""
    lesions = (FalsePositiveLesion(1, 90, 0.9, True), FalsePositiveLesion(2, 10, 0.1, False))
    told = case_story(case(5, 100, 95, found_01=0, found_05=0, false_positives=lesions), FailedCase()).sentences
    assert (
        "2 false positive lesions, the largest of 0.9 cm³; "
        "1 of them lies apart from the tumour and makes up 10% of the added voxels."
    ) in told


def test_sizes_of_reference_and_prediction_are_told() -> None:
    assert (
        case_story(case(0, 0, 100)).sentences[-1] == "Reference 1 cm³ (largest axial diameter 1.9 cm), no prediction."
    )


def test_an_undefined_dice_is_a_dash() -> None:
    assert case_story(case(0, 0, 0)).dice == "–"
    assert case_story(replace(case(1, 0, 0), dice=0.125)).dice == "0.12"


@pytest.mark.parametrize(("volume", "text"), [(0.4, "0.4 cm³"), (5.058, "5.1 cm³"), (0.0, "0 cm³"), (401.4, "401 cm³")])
def test_volumes(volume: float, text: str) -> None:
    assert sized(volume) == text


# circumstances, against ten other cases and the training cases


def cases(*sizes_mm: float) -> list[EvaluatedCase]:
    return [case(9, 1, 91, case_id=f"c{number}", size_mm=size) for number, size in enumerate(sizes_mm)]


TEN = cases(*range(11, 21))


def test_the_smallest_and_the_largest_of_ten_stand_out() -> None:
    assert circumstances(TEN[0], Background(TEN)) == ("It is the smallest of 10 tumours (1.1 cm).",)
    assert circumstances(TEN[-1], Background(TEN)) == ("It is the largest of 10 tumours (2.0 cm).",)
    assert circumstances(TEN[1], Background(TEN)) == ()


def test_nine_cases_have_no_outer_tenth() -> None:
    assert circumstances(TEN[0], Background(TEN[:9])) == ()


def test_a_tenth_of_eleven_is_two() -> None:
    eleven = cases(*range(11, 22))
    assert circumstances(eleven[1], Background(eleven)) == ("It is the 2nd smallest of 11 tumours (1.2 cm).",)


def test_equal_values_do_not_stand_out() -> None:
    assert circumstances(TEN[0], Background(cases(*[11.0] * 10))) == ()


def test_a_large_tumour_is_no_reason_for_what_is_added() -> None:
    """40 voxels are added to a tumour of which 10 are missed."""
    added = case(30, 40, 10, case_id="c9", size_mm=20.0)
    assert circumstances(added, Background([*TEN[:-1], added])) == ()


@pytest.mark.parametrize(
    ("feature", "lowest", "highest"), [("mean_hu", True, True), ("sd_hu", False, True), ("sphericity", True, False)]
)
def test_a_value_is_told_at_an_end_that_can_make_a_tumour_hard(feature: str, lowest: bool, highest: bool) -> None:
    """An even density or a round shape is no reason to fail."""
    failed = {f"c{i}": FailedCase({feature: 0.1 * i}) for i in range(10)}
    background = Background([replace(one, size_mm=11.0) for one in TEN], failed)
    told = [circumstances(background.cases[place], background) for place in (0, -1)]
    assert [bool(sentences) for sentences in told] == [lowest, highest]


def test_the_sphericity_of_few_voxels_is_none() -> None:
    """ITK's surface of a handful of voxels is an artefact: it is not told, and others are not ranked against it."""
    small = [case(1, 0, 49, case_id=f"s{number}", size_mm=11.0) for number in range(10)]
    large = [replace(one, size_mm=11.0) for one in TEN]
    failed = {f"s{i}": FailedCase({"sphericity": 0.01}) for i in range(10)}
    failed |= {f"c{i}": FailedCase({"sphericity": 0.5 + i / 100}) for i in range(10)}
    background = Background([*small, *large], failed)
    assert circumstances(small[0], background) == ()
    assert circumstances(large[0], background) == ("The tumour's sphericity (1 is a ball), 0.50, is the lowest of 10.",)


def test_the_density_of_the_tumour() -> None:
    failed = {f"c{i}": FailedCase({"mean_hu": float(10 * i - 20)}) for i in range(10)}
    told = circumstances(TEN[0], Background(TEN[3:7] + TEN[:3], failed))
    assert told == ("The tumour's mean density, −20 HU, is the lowest of 10.",)


def test_a_diagnosis_that_training_has_not_seen() -> None:
    """One of ten cases is a lymphoma, and 1 of 20 training cases, which is 5%."""
    cohort = {f"c{i}": {"histology": "lymphoma" if i == 5 else "thymoma"} for i in range(10)}
    training = [{"histology": "thymoma"}] * 19 + [{"histology": "lymphoma"}]
    [told] = circumstances(TEN[5], Background(TEN, {}, cohort, training))
    assert told == "Few training cases have its diagnosis (lymphoma): 1 of 20; so it is in 1 of the 10 cases tested."
    assert circumstances(TEN[4], Background(TEN, {}, cohort, training)) == ()


def test_what_most_cases_share_explains_none_of_them() -> None:
    """Six of ten scanners are of a maker that no training case has."""
    cohort = {f"c{i}": {"manufacturer": "Other" if i < 6 else "Siemens"} for i in range(10)}
    assert circumstances(TEN[5], Background(TEN, {}, cohort, [{"manufacturer": "Siemens"}])) == ()


def test_slices_thicker_than_in_training() -> None:
    cohort = {f"c{i}": {"slice_thickness_mm": "8" if i == 5 else "2"} for i in range(10)}
    training = [{"slice_thickness_mm": "1"}, {"slice_thickness_mm": "5"}]
    [told] = circumstances(TEN[5], Background(TEN, {}, cohort, training))
    assert told == (
        "Its slices are 8 mm thick, beyond those of the training cases (1 to 5 mm); "
        "so it is in 1 of the 10 cases tested."
    )
