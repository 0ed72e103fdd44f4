"""Spellings of manufacturers."""

from __future__ import annotations

import pytest

from nnunet_amt import paper
from nnunet_amt.cohort import canonical_manufacturer, manufacturer_in_header


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
