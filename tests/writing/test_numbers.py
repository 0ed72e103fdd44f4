"""Numbers and lists in tables and sentences."""

from __future__ import annotations

import pytest

from nnunet_amt.writing.numbers import (
    Interval,
    counted,
    difference_text,
    difference_words,
    duration,
    file_size,
    interval_words,
    joined,
    long_duration,
    memory_text,
    moment,
    number,
    p_text,
    parameter_text,
    short_p_text,
    value_text,
)


@pytest.mark.parametrize(
    ("value", "limits", "text", "difference", "interval"),
    [
        (-0.165, (-0.24, -0.09), "", "−0.165 (−0.240 to −0.090)", "95% CI 0.090 to 0.240 lower"),
        (0.2, (0.1, 0.3), "0.200 (0.100–0.300)", "+0.200 (+0.100 to +0.300)", "95% CI 0.100 to 0.300 higher"),
        (0.01, (-0.02, 0.04), "", "+0.010 (−0.020 to +0.040)", "95% CI 0.020 lower to 0.040 higher"),
        (0.0, (0.0, 0.0), "0.000 (0.000–0.000)", "0.000 (0.000 to 0.000)", "95% CI 0.000 to 0.000"),
        (-0.0001, None, "", "0.000", "no interval"),
        (None, None, "–", "–", "no interval"),
    ],
)
def test_values_and_differences(
    value: float | None, limits: Interval | None, text: str, difference: str, interval: str
) -> None:
    if text:
        assert value_text(value, limits) == text
    assert difference_text(value, limits) == difference
    assert interval_words(limits, "lower", "higher") == interval


def test_directions_are_words() -> None:
    assert difference_words(-0.1651, "lower than", "higher than", "as") == "0.165 lower than"
    assert difference_words(0.0004, "lower than", "higher than", "as") == "as"


@pytest.mark.parametrize(
    ("p", "text", "short"),
    [
        (1.0, "1.00", "1.000"),
        (0.123, "0.12", "0.123"),
        (0.0456, "0.046", "0.046"),
        (0.00123, "0.0012", "0.001"),
        (0.00001, "< 0.0001", "< 0.001"),
        (None, "–", "–"),
    ],
)
def test_p_values(p: float | None, text: str, short: str) -> None:
    assert (p_text(p), short_p_text(p)) == (text, short)


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


def test_counts_and_lists() -> None:
    assert [counted(n, "case") for n in (0, 1, 2, 12_345)] == ["0 cases", "1 case", "2 cases", "12345 cases"]
    assert counted(12_345, "institution of one", "of many", separator=",") == "12,345 of many"
    assert [joined("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.44, "0.4 s"), (12.0, "12 s"), (59.4, "59 s"), (59.6, "1 min 0 s")),
        *((200.0, "3 min 20 s"), (18_120.0, "5 h 2 min"), (18_420.0, "5 h 7 min")),
    ],
)
def test_durations_in_full(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_moments_and_numbers() -> None:
    assert [file_size(n) for n in (12_000, 3_400_000, 41_000_000, 2e9)] == ["12 kB", "3.4 MB", "41 MB", "2.0 GB"]
    assert moment("2026-11-21T13:05:59+01:00") == "2026-11-21 12:05 UTC"
    assert moment("some day") == "some day"
    assert number(1234567) == "1\u202f234\u202f567"
