"""Which structures are meant, and what is said where none is."""

from __future__ import annotations

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
    assert none_chosen("RTSTRUCT", "closed ROI", roi="GTV", names=NAMES.values()) == (
        "the RTSTRUCT has 3 closed ROIs, 1 named 'GTV' if capitals do not count; write '(?i)GTV'"
    )
    assert none_chosen("RTSTRUCT", "closed ROI", roi=None, names=[]).startswith("the RTSTRUCT has no closed ROI; ")
