"""What stands out in a case, against ten others and the training cases."""

from __future__ import annotations

from nnunet_amt.evaluation.results.read_results import EvaluatedCase, FailedCase
from nnunet_amt.report.circumstances import Background, circumstances
from tests.report.test_failure_story import case


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
