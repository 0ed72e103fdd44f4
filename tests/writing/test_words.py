"""Figures in words."""

from __future__ import annotations

import pytest

from nnunet_amt.writing.words import duration, file_size, moment, number


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4 s"), (12.0, "12 s"), (200.0, "3 min 20 s"), (18120.0, "5 h 2 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_moments_and_numbers() -> None:
    assert [file_size(n) for n in (12_000, 3_400_000, 41_000_000, 2e9)] == ["12 kB", "3.4 MB", "41 MB", "2.0 GB"]
    assert moment("2026-11-21T13:05:59+01:00") == "2026-11-21 12:05 UTC"
    assert moment("some day") == "some day"
    assert number(1234567) == "1\u202f234\u202f567"
