"""Expressions of ROI names."""

from __future__ import annotations

import re
import time

import pytest

from nnunet_amt.cohort.case import require_usable_pattern

LONGEST_NAME = "a" * 63 + "!"  # nearly matches, which is what takes longest


@pytest.mark.parametrize(
    "pattern",
    [
        "GTV",
        "GTV.*",
        "tumou?r.?(left|right)?",
        r"GTV[-_ ]?\d+",
        ".*(thymoma|mass).*",
        ".*a.*a.*a.*",
        "(?i)gtv",
        r"(GTV|CTV)\d{1,2}",
        "(?=G)G.+",
        "(ab){3}",
    ],
)
def test_what_people_write_is_usable_and_quick(pattern: str) -> None:
    require_usable_pattern(pattern)
    started = time.process_time()
    re.fullmatch(pattern, LONGEST_NAME)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a*)*b",
        "(a|a)*",
        "(a|aa)+",
        "([a-z]+)*!",
        "(.*)*",
        "(a?){40}",
        "a?" * 40,
        ".*" * 6 + "x",
        "(?:x+x+)+y",
    ],
)
def test_what_would_match_for_hours_is_refused(pattern: str) -> None:
    """Each of them needs more than 2 ** 26 steps for some name of 64 characters."""
    with pytest.raises(ValueError, match="could take hours to match one name"):
        require_usable_pattern(pattern)


@pytest.mark.parametrize("pattern", ["GTV(", "a{99999999999}", "(" * 2000 + ")" * 2000])
def test_what_is_no_expression_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is no regular expression: "):
        require_usable_pattern(pattern)
