"""Which structures are meant, and what is said where none is."""

from __future__ import annotations

import pytest

from nnunet_amt.images.dicom.mask import chosen_by_name, none_chosen

NAMES = {3: "GTV-1", 5: "gtv", 8: "Miller Jane"}


def test_a_name_must_match_as_a_whole() -> None:
    assert chosen_by_name(NAMES, roi="GTV.*") == {3: "GTV-1"}
    assert chosen_by_name(NAMES, roi="GTV") == {}
    assert chosen_by_name({1: "a(b"}, roi="a(b") == {1: "a(b"}  # the name itself, though no expression


def test_without_a_name_the_only_structure_is_meant() -> None:
    assert chosen_by_name({5: "gtv"}, roi=None) == {5: "gtv"}
    assert chosen_by_name(NAMES, roi=None) == {}


def test_what_is_said_names_no_structure() -> None:
    """A structure may be called by the patient's name."""
    for roi in ("Tumour", "GTV", None):
        assert "Miller" not in none_chosen("RTSTRUCT", "closed ROI", roi=roi, names=NAMES.values())
    assert none_chosen("DICOM SEG", "segment", roi=None, names=NAMES.values()) == (
        "the DICOM SEG has 3 segments and column 'roi' is empty; name there what is tumour"
    )
    assert "Miller" not in none_chosen("RTSTRUCT", "closed ROI", roi="miller .*", names=["MillerJane"])
    assert none_chosen("RTSTRUCT", "closed ROI", roi="GTV", names=NAMES.values()) == (
        "the RTSTRUCT has 3 closed ROIs, 1 named 'GTV' if capitals do not count; write '(?i)GTV'"
    )
    assert none_chosen("RTSTRUCT", "closed ROI", roi=None, names=[]).startswith("the RTSTRUCT has no closed ROI; ")


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("GTV 1", "GTV1"),
        ("GTV1", "GTV  1"),
        ("GTV 1", "GTV\u00a01"),
        ("GTV 1", "gtv1"),
        ("Tumo\u0308r", "Tum\u00f6r"),
        ("Tum\u00f6r", "Tumo\u0308r"),
        ("GTV 1", "\uff27\uff34\uff36 \uff11"),
        ("STRASSE 1", "stra\u00dfe 1"),
        ("GTV1", "GTV\u200b1"),
        ("GTV (new)", "GTV(new)"),
    ],
    ids=ascii,
)
def test_a_name_that_differs_in_spaces_capitals_or_forms_only_is_offered(asked: str, name: str) -> None:
    """It tells nothing that was not asked for; written as offered, it is found."""
    assert chosen_by_name({1: name}, roi=asked) == {}
    message = none_chosen("RTSTRUCT", "closed ROI", roi=asked, names=["Miller Jane", name])
    assert f"the RTSTRUCT has 2 closed ROIs, none named {asked!r}, but '" in message
    assert "', which differs in spaces, capitals or the form of its letters only; write it so" in message
    assert "Miller" not in message
    offered = " ".join(message.split()).partition(", but '")[2].partition("', which")[0]  # as it is shown
    assert chosen_by_name({1: name}, roi=offered) == {1: name}


def test_of_a_pattern_that_would_match_without_spaces_only_the_number_is_told() -> None:
    message = none_chosen("RTSTRUCT", "closed ROI", roi="gtv [0-9]", names=["GTV1", "GTV2", "Miller Jane"])
    assert "none named 'gtv [0-9]', 2 if spaces, capitals and the form of letters did not count" in message
