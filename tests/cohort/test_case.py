"""Spellings of manufacturers, and expressions of ROI names."""

from __future__ import annotations

import re
import time

import pytest

from nnunet_amt import paper
from nnunet_amt.cohort import canonical_manufacturer, manufacturer_in_header
from nnunet_amt.cohort.case import require_usable_pattern


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("SIEMENS", "Siemens"),
        ("Siemens Healthineers", "Siemens"),
        ("GE MEDICAL SYSTEMS", "GE Healthcare"),
        ("GE", "GE Healthcare"),
        ("TOSHIBA", "Canon Medical Systems"),
        ("TOSHIBA_MEC", "Canon Medical Systems"),
        ("Canon Medical Systems", "Canon Medical Systems"),
        ("Philips", "Philips Healthcare"),
        ("FUJIFILM Corporation", "Fujifilm"),
        ("Hitachi Medical Corporation", "Fujifilm"),
        ("Gendex", "Gendex"),
        (" Shimadzu  Corp ", "Shimadzu Corp"),
        ("", None),
        (None, None),
    ],
)
def test_spellings(header: str | None, name: str | None) -> None:
    assert canonical_manufacturer(header) == name


def test_names_of_the_paper_stay_as_they_are() -> None:
    assert [canonical_manufacturer(name) for name in paper.MANUFACTURERS] == list(paper.MANUFACTURERS)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("TOSHIBA_MEC", "Canon Medical Systems"),
        ("GE^Doe^Jane", "GE Healthcare"),
        ("UIH", "United Imaging"),
        ("NMS Doe", "Neusoft"),
        ("Nmsdoe", "other"),
        ("Doe^Jane", "other"),
        (" ", None),
        (None, None),
    ],
)
def test_of_a_header_known_names_are_taken_alone(header: str | None, name: str | None) -> None:
    assert manufacturer_in_header(header) == name


def test_names_of_headers_stay_when_they_are_read_again() -> None:
    """Records of finished cases hold them."""
    for name in (*paper.MANUFACTURERS, "Neusoft", "Samsung", "Shimadzu", "United Imaging", "other"):
        assert manufacturer_in_header(name) == name


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
    started = time.perf_counter()
    re.fullmatch(pattern, LONGEST_NAME)
    assert time.perf_counter() - started < 2


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
