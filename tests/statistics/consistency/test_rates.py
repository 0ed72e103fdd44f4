"""Rates that patients can give, and rates that none can; all on paper."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from nnunet_amt.statistics.consistency.printed import Finding, PrintedEstimate, printed
from nnunet_amt.statistics.consistency.rates import RateRow, check_rates


def row(
    rates: Mapping[str, str] | None = None,
    *,
    classes: tuple[tuple[int, int], ...] = (),
    total: int | None = None,
    readings: int = 1,
    **more: str,
) -> RateRow:
    estimates = {column: PrintedEstimate(printed(text)) for column, text in {**(rates or {}), **more}.items()}
    return RateRow("Table 2", "model", estimates, classes=classes, total=total, readings=readings)


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


# 36 of 41 and 14 of 20: accuracy 50 of 61, PPV 36 of 42, NPV 14 of 19, F1 72 of 83
GOOD = {
    "sensitivity": "0.878",
    "specificity": "0.700",
    "accuracy": "0.820",
    "ppv": "0.857",
    "npv": "0.737",
    "f1": "0.867",
}
CLASSES = ((41, 20),)


@pytest.mark.parametrize("known", [{"classes": CLASSES}, {"classes": ((20, 41), (41, 20))}, {"total": 61}, {}])
def test_rates_of_real_counts_are_not_accused(known: dict) -> None:
    assert check_rates(row(GOOD, **known)) == []


@pytest.mark.parametrize("text", ["87.8%", ".878", "0.88", "0.9", "0.8780"])
def test_the_digits_that_are_printed_decide(text: str) -> None:
    """36 of 41 is 0.87805, so that 0.8780 is right with four digits, cut off or rounded to 0.8780 or 0.8781."""
    assert check_rates(row(classes=CLASSES, sensitivity=text)) == []


@pytest.mark.parametrize(("text", "fits"), [("0.78", True), ("0.79", False), ("0.781", True), ("0.782", False)])
def test_halves_go_either_way_and_digits_may_be_cut_off(text: str, fits: bool) -> None:
    """25 of 32 is 0.78125; 0.7812 and 0.7813 are both its rounding to four digits."""
    assert (check_rates(row(classes=((32, 9),), sensitivity=text)) == []) is fits
    for either in ("0.7812", "0.7813"):
        assert check_rates(row(classes=((32, 9),), sensitivity=either)) == []


def test_no_whole_number_behind_a_rate() -> None:
    """Of 20, 14 are 0.700 and 15 are 0.750; nothing is 0.720."""
    finding = only(check_rates(row(classes=CLASSES, specificity="0.720")))
    assert finding.certainty == "cannot be"
    assert finding.reason == "no whole number of patients gives it: 14 of 20 is 0.700 and 15 of 20 is 0.750"


def test_averages_of_readings_need_no_whole_number() -> None:
    """14 and 15 of 20 found by two readers are 0.725 on average."""
    assert check_rates(row(classes=CLASSES, specificity="0.725", readings=2)) == []
    assert len(check_rates(row(classes=CLASSES, specificity="0.725"))) == 1


def test_the_accuracy_lies_between_sensitivity_and_specificity() -> None:
    finding = only(check_rates(row(sensitivity="0.702", specificity="0.738", accuracy="0.779")))
    assert (finding.column, finding.value) == ("accuracy", "0.779")
    assert "between them, 0.702 and 0.738" in finding.reason


def test_equal_rates_are_an_accuracy_too() -> None:
    assert check_rates(row(sensitivity="0.80", specificity="0.80", accuracy="0.80")) == []
    assert len(check_rates(row(sensitivity="0.80", specificity="0.80", accuracy="0.83"))) == 1


def test_one_share_of_positive_patients_behind_all_rates() -> None:
    """The PPV takes .885 * .071 / (.885 * .071 + .115 * .809) = 0.40 positive patients, the NPV 0.24, accuracy 0.02."""
    rates = {"sensitivity": "0.809", "specificity": "0.929", "accuracy": "0.927", "ppv": "0.885", "npv": "0.939"}
    finding = only(check_rates(row(rates)))
    assert finding.certainty == "cannot be"
    assert "would be 2% by the accuracy, 40% by the PPV, 24% by the NPV" in finding.reason
    assert "the set has 32%" in only(check_rates(row(rates, classes=((93, 195),), readings=3))).reason


def test_averaged_readings_that_differ_widely_may_explain_ppv_and_npv() -> None:
    rates = {"sensitivity": "0.761", "specificity": "0.813", "ppv": "0.822", "npv": "0.811"}
    assert only(check_rates(row(rates, readings=2, classes=((93, 195),)))).certainty == "doubtful"
    assert {finding.certainty for finding in check_rates(row(rates, classes=((93, 195),)))} == {"cannot be"}


def test_a_rate_that_does_not_go_with_the_others_is_named() -> None:
    """F1 is 72 of 83, 0.867."""
    finding = only(check_rates(row({**GOOD, "f1": "0.842"}, classes=CLASSES)))
    assert (finding.column, finding.value) == ("F1", "0.842")
    assert "36 of 41 and 14 of 20 found right give the others, and then it is 0.867" in finding.reason


def test_a_share_lies_between_0_and_1() -> None:
    assert only(check_rates(row(sensitivity="1.020"))).reason == "a share lies between 0 and 1"


def test_rates_of_very_many_patients_are_not_gone_through() -> None:
    assert check_rates(row(GOOD, classes=((820_000_000, 400_000_000),))) == []
    assert check_rates(row(total=4000, ppv="0.8", npv="0.7")) == []
    assert check_rates(row(classes=((2500, 2500),), ppv="0.8", npv="0.7")) == []


@pytest.mark.parametrize("f1", ["0.867", "0.718", "0.793", "0.818"])
def test_the_f1_of_either_class_and_their_means_are_usual(f1: str) -> None:
    """F1 of the positive 72 of 83, of the negative 28 of 39, their mean 0.7927, weighted with 41 and 20 0.8184."""
    assert check_rates(row({**GOOD, "f1": f1}, classes=CLASSES)) == []


def test_the_one_wrong_rate_is_told_with_what_it_would_be() -> None:
    finding = only(check_rates(row({**GOOD, "ppv": "0.875"}, classes=CLASSES)))
    assert (finding.column, finding.value) == ("PPV", "0.875")
    assert finding.reason.endswith("36 of 41 and 14 of 20 found right give the others, and then it is 0.857")
