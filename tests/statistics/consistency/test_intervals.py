"""Intervals that cannot be, or that no usual method makes of so many patients; all on paper."""

from __future__ import annotations

import pytest

from nnunet_amt.statistics.consistency.intervals import MeanRow, check_intervals, check_mean
from nnunet_amt.statistics.consistency.printed import Finding, PrintedEstimate, printed
from nnunet_amt.statistics.consistency.rates import RateRow


def estimate(*texts: str) -> PrintedEstimate:
    return PrintedEstimate(*map(printed, texts))


def found(column: str, *texts: str, readings: int = 1, classes: tuple[tuple[int, int], ...] = ()) -> list[Finding]:
    return [*check_intervals(RateRow("", "model", {column: estimate(*texts)}, classes=classes, readings=readings))]


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (("0.538", "0.818", "0.561"), "the lower limit lies above the upper one"),
        (("0.643", "0.626", "0.630"), "the interval does not hold its own estimate"),
        (("0.843", "0.779", "0.844"), "no usual method puts one limit 0.064 below the estimate, the other 0.001 above"),
        (("0.95", "0.88", "1.02"), "the interval reaches outside 0 to 1, where there is no value"),
    ],
)
def test_limits(texts: tuple[str, ...], reason: str) -> None:
    assert [finding.reason for finding in found("npv", *texts)] == [reason]


@pytest.mark.parametrize(
    "texts",
    [
        ("0.52", "0.475", "0.566"),
        ("0.91", "0.90", "0.91"),  # 0.905 to 0.914 round 0.9095
        ("1.00", "0.91", "1.00"),
        ("0.95", "0.764", "0.991"),  # Wilson's of 19 of 20
        ("0.950", "0.751", "0.999"),  # Clopper and Pearson's
    ],
)
def test_usual_limits(texts: tuple[str, ...]) -> None:
    assert found("sensitivity", *texts) == []


def test_far_too_narrow_or_wide_for_n() -> None:
    """Of 100, a rate of one half has an interval of 2 * 1.96 * sqrt(0.25 / 100) = 0.196."""
    classes = ((100, 100),)
    assert found("sensitivity", "0.500", "0.402", "0.598", classes=classes) == []
    (narrow,) = found("sensitivity", "0.500", "0.460", "0.540", classes=classes)
    assert narrow.certainty == "doubtful" and narrow.reason.startswith("far too narrow: 200 patients")
    (wide,) = found("sensitivity", "0.500", "0.250", "0.750", classes=classes)
    assert wide.reason.startswith("far too wide")


def test_a_rate_of_several_readings_may_be_narrower() -> None:
    """Sixteen readings of 100 patients, were they independent, a quarter as wide: 0.049."""
    assert found("sensitivity", "0.500", "0.460", "0.540", classes=((100, 100),), readings=16) == []


def test_of_a_ppv_the_number_of_patients_is_at_most_all() -> None:
    """With 200 patients at the most it is at least 0.139 wide; with 10 predicted positive, 0.62."""
    assert found("ppv", "0.500", "0.190", "0.810", classes=((100, 100),)) == []
    assert len(found("ppv", "0.500", "0.480", "0.520", classes=((100, 100),))) == 1


def test_the_published_interval_of_an_auc_is_as_wide_as_41_and_20_make_it() -> None:
    assert found("auc", "0.876", "0.7908", "0.9604", classes=((41, 20),)) == []
    (narrow,) = found("auc", "0.876", "0.870", "0.882", classes=((41, 20),))
    assert narrow.reason.startswith("far too narrow")


def test_a_mean_has_the_width_of_its_standard_deviation() -> None:
    """2 * 1.96 * 0.04 / sqrt(80) = 0.018; printed 0.07. In 6 cases 0.064, and Student's 0.084."""
    row = MeanRow("Table 3", "Canon", "Dice", estimate("0.89", "0.86", "0.93"), sd=0.04, cases=80, most=1.0)
    (finding,) = check_mean(row)
    assert "far too wide: a standard deviation of 0.04 in 80 cases gives a width of about 0.018, not 0.070" in str(
        finding
    )
    assert not [*check_mean(MeanRow("", "", "Dice", estimate("0.89", "0.86", "0.93"), sd=0.04, cases=6, most=1.0))]
    (narrow,) = check_mean(MeanRow("", "", "Dice", estimate("0.82", "0.81", "0.83"), sd=0.19, cases=100, most=1.0))
    assert narrow.reason.startswith("far too narrow")


def test_false_positives_a_scan_have_no_upper_bound() -> None:
    assert not [*check_mean(MeanRow("", "", "FP/scan", estimate("0.72", "0.46", "1.02")))]
    (finding,) = check_mean(MeanRow("", "", "FP/scan", estimate("0.16", "-0.10", "0.50")))
    assert finding.reason == "the interval reaches below 0, where there is no value"


def test_of_few_events_the_logit_scale_is_wide() -> None:
    """1 of 156, log odds -5.04 with standard error 1.003: 99% limits 0.0005 and 0.0788; Wald's 95% are 0.025 apart."""
    assert found("accuracy", "0.0064", "0.0005", "0.0788", classes=((1, 155),)) == []
    (wide,) = found("accuracy", "0.0064", "0.0005", "0.4000", classes=((1, 155),))
    assert wide.reason.startswith("far too wide")
