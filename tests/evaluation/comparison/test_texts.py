"""Numbers in tables and sentences."""

from __future__ import annotations

import pytest

from nnunet_amt.evaluation.comparison.measures import Estimate
from nnunet_amt.evaluation.comparison.model_styles import model_style
from nnunet_amt.evaluation.comparison.texts import (
    difference_text,
    interval_words,
    long_duration,
    memory_text,
    p_text,
    parameter_text,
    value_text,
    words,
)


@pytest.mark.parametrize(
    ("estimate", "value", "difference", "interval"),
    [
        (Estimate(-0.165, (-0.24, -0.09), 9), "", "−0.165 (−0.240 to −0.090)", "95% CI 0.090 to 0.240 lower"),
        (
            Estimate(0.2, (0.1, 0.3), 9),
            "0.200 (0.100–0.300)",
            "+0.200 (+0.100 to +0.300)",
            "95% CI 0.100 to 0.300 higher",
        ),
        (Estimate(0.01, (-0.02, 0.04), 9), "", "+0.010 (−0.020 to +0.040)", "95% CI 0.020 lower to 0.040 higher"),
        (Estimate(0.0, (0.0, 0.0), 9), "0.000 (0.000–0.000)", "0.000 (0.000 to 0.000)", "95% CI 0.000 to 0.000"),
        (Estimate(-0.0001, None, 9), "", "0.000", "no interval"),
        (Estimate(None, None, 0), "–", "–", "no interval"),
    ],
)
def test_estimates(estimate: Estimate, value: str, difference: str, interval: str) -> None:
    if value:
        assert value_text(estimate) == value
    assert difference_text(estimate) == difference
    assert interval_words(estimate, "lower", "higher") == interval


def test_directions_are_words() -> None:
    assert words(-0.1651, "lower than", "higher than", "as") == "0.165 lower than"
    assert words(0.0004, "lower than", "higher than", "as") == "as"


@pytest.mark.parametrize(
    ("p", "text"),
    [(1.0, "1.00"), (0.123, "0.12"), (0.0456, "0.046"), (0.00123, "0.0012"), (0.00001, "< 0.0001"), (None, "–")],
)
def test_p_values(p: float | None, text: str) -> None:
    assert p_text(p) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "not recorded"), (0.4, "0 s"), (119, "119 s"), (120, "2.0 min"), (7199, "120.0 min"), (9000, "2.5 h")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert long_duration(seconds) == text


def test_sizes() -> None:
    assert parameter_text(5_612_345) == "5.61 million"
    assert parameter_text(12_300) == "12.3 thousand"
    assert memory_text(3_210_000_000) == "3.2 GB"
    assert parameter_text(None) == memory_text(None) == "not recorded"


def test_styles_of_models_differ_in_more_than_colour() -> None:
    styles = [model_style(place) for place in range(84)]
    assert len({(style.colour, str(style.line), style.marker) for style in styles}) == 84
    first = styles[:6]
    assert len({style.colour for style in first}) == len({style.marker for style in first}) == 6
