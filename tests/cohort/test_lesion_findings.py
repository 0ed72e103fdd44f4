"""Location and level of circulating tumour cells as hospitals write them, and what is refused with which words."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from nnunet_amt.cohort.lesion_findings import ctc_level_of, location_of
from nnunet_amt.errors import ManifestError
from tests.cohort.test_thymic_findings import read

FROM_ZERO = "must be a number from 0 up; empty the cell where it was not measured"
LIMIT = (
    "is a limit and no level; write the number that your study takes for it, the same in every row, or empty the cell"
)
UNIT = "must be a number alone; the unit is one for all cases, a setting of the study, and nothing is converted"
THOUSAND = "may be a thousand or a decimal comma; write it with a decimal point, without thousands"
DIGITS = "has six or more digits, as a record number has; give levels in a larger unit"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("12.5", 12.5),
        ("12,5", 12.5),
        ("0", 0.0),
        ("-0", 0.0),
        ("0,125", 0.125),
        ("１２．５", 12.5),
        ("+3", 3.0),
        ("1.2E+01", 12.0),
        ("1234", 1234.0),
        ("not done", None),
        ("Not measured", None),
        ("not tested", None),
        ("N/A", None),
        ("nan", None),
        ("missing", None),
    ],
)
def test_levels(text: str, level: float | None) -> None:
    assert ctc_level_of(text) == level


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<5", LIMIT),
        ("≤ 5", LIMIT),
        (">100", LIMIT),
        ("~7", LIMIT),
        ("-3", FROM_ZERO),
        ("\u22123", FROM_ZERO),
        ("inf", FROM_ZERO),
        ("1e999", FROM_ZERO),
        ("12.5 pg/ml", UNIT),
        ("12 pg/mL", UNIT),
        ("5 cells/7.5 ml", UNIT),
        ("12μg", UNIT),
        ("1,234", THOUSAND),
        ("1,234.5", THOUSAND),
        ("1.234,5", THOUSAND),
        ("5-10", FROM_ZERO),
        ("12±3", FROM_ZERO),
        ("12?", FROM_ZERO),
        ("1_000", FROM_ZERO),
        ("negative", FROM_ZERO),
        ("not detected", FROM_ZERO),
        ("nd", FROM_ZERO),
        ("-", FROM_ZERO),
        ("+", FROM_ZERO),
        ("++", FROM_ZERO),
        ("none", FROM_ZERO),
        ("yes", FROM_ZERO),
        ("7654321", DIGITS),
        ("20210304", DIGITS),
    ],
)
def test_what_is_no_level_is_refused_and_not_guessed(text: str, words: str) -> None:
    """ "nd" may be not done or not detected, "-" missing or negative, and a limit no number at all."""
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        ctc_level_of(text)


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("anterior", "anterior"),
        ("Anterior mediastinum", "anterior"),
        ("MIDDLE", "middle"),
        ("posterior mediastinal compartment", "posterior"),
        ("Ant.", "anterior"),
        ("prevascular", "anterior"),
        ("visceral compartment", "middle"),
        ("Paravertebral", "posterior"),
        ("ｐｏｓｔｅｒｉｏｒ", "posterior"),
    ],
)
def test_locations(text: str, location: str) -> None:
    assert location_of(text) == location


@pytest.mark.parametrize(
    "text", ["superior", "anterior/middle", "anterior?", "anterosuperior", "1", "mediastinum", "left"]
)
def test_what_is_none_of_three_places_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be anterior, middle or posterior; empty the cell if it is not known$"):
        location_of(text)


def test_a_manifest_of_lesions(tmp_path: Path) -> None:
    """Spellings of a name become it; a kind of one keeps its word, which another class map may know."""
    rows = [
        {"diagnosis": "thymoma B2", "location": "Anterior mediastinum", "ctc_level": '"12,5"', "who_type": "b2"},
        {"diagnosis": "Bronchogenic  cyst", "location": "", "ctc_level": "not done", "who_type": ""},
        {"diagnosis": "", "location": "post.", "ctc_level": "", "who_type": ""},
    ]
    first, second, third = read(tmp_path, rows[0], rows[1:]).cases  # type: ignore[attr-defined]
    assert (first.diagnosis, first.location, first.ctc_level) == ("Type B2 thymoma", "anterior", 12.5)
    assert (second.diagnosis, second.location, second.ctc_level) == ("Bronchogenic cyst", None, None)
    assert (third.diagnosis, third.location, third.ctc_level) == (None, "posterior", None)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ctc_level": "<5"}, f"line 2, column 'ctc_level' (case 'c1'): {LIMIT} (got '<5')"),
        ({"ctc_level": "12 pg/ml"}, f"line 2, column 'ctc_level' (case 'c1'): {UNIT} (got '12 pg/ml')"),
        (
            {"ctc_level": "Meier Anna"},
            f"line 2, column 'ctc_level' (case 'c1'): {FROM_ZERO} (the value is not shown, as it may be a name or a "
            "date)",
        ),
        (
            {"ctc_level": "01.02.1960"},
            f"line 2, column 'ctc_level' (case 'c1'): {FROM_ZERO} (the value is not shown, as it may be a name or a "
            "date)",
        ),
        (
            {"ctc_level": "7654321"},
            f"line 2, column 'ctc_level' (case 'c1'): {DIGITS} (the value is not shown, as it may be a name or a date)",
        ),
        (
            {"location": "anterior/middle"},
            "line 2, column 'location' (case 'c1'): must be anterior, middle or posterior; empty the cell if it is not "
            "known (got 'anterior/middle')",
        ),
        (
            {"who_type": "B1", "diagnosis": "thymoma B2"},
            "line 2, column 'diagnosis' (case 'c1'): Type B2 thymoma contradicts the who_type 'B1'; correct one of the "
            "two cells (the value is not shown, as it may be a name or a date)",
        ),
        (
            {"histology": "Lymphoma", "diagnosis": "Cyst"},
            "line 2, column 'diagnosis' (case 'c1'): Cyst contradicts the histology 'lymphoma'; correct one of the two "
            "cells (got 'Cyst')",
        ),
        (
            {"no_tumour": "yes", "diagnosis": "Meier Anna"},
            "line 2, column 'diagnosis' (case 'c1'): contradicts no_tumour = yes; empty one of the two cells (the "
            "value is not shown, as it may be a name or a date)",
        ),
        (
            {"no_tumour": "yes", "location": "middle"},
            "line 2, column 'location' (case 'c1'): contradicts no_tumour = yes; empty one of the two cells (got "
            "'middle')",
        ),
        (
            {"diagnosis": "as P0001"},
            "line 2, column 'diagnosis' (case 'c1'): holds a patient_id of this table and goes into the dataset; take "
            "it out",
        ),
        (
            {"diagnosis": "Cyst 2021-03-04"},
            "line 2, column 'diagnosis' (case 'c1'): holds a date and goes into the dataset; take it out",
        ),
        ({"CTC": "5"}, "line 1, column 'ctc': is unknown; did you mean 'ctc_level'?"),
        ({"ctcs (pg/ml)": "5"}, "line 1, column 'ctcs (pg/ml)': is unknown; did you mean 'ctc_level'?"),
        ({"ctc_count": "5"}, "line 1, column 'ctc_count': is unknown; did you mean 'ctc_level'?"),
        ({"localisation": "middle"}, "line 1, column 'localisation': is unknown; did you mean 'location'?"),
        ({"compartment": "middle"}, "line 1, column 'compartment': is unknown; did you mean 'location'?"),
        ({"diagnoses": "Cyst"}, "line 1, column 'diagnoses': is unknown; did you mean 'diagnosis'?"),
    ],
)
def test_bad_columns_and_cells(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, columns)
    assert str(caught.value) == f"manifest.csv {message}"


def test_a_level_may_stand_beside_no_tumour(tmp_path: Path) -> None:
    """It is of the patient's blood."""
    assert read(tmp_path, {"no_tumour": "yes", "ctc_level": "3"}).cases[0].ctc_level == 3.0  # type: ignore[attr-defined]


def test_diagnoses_that_nobody_knows_are_told_by_line_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A class map of the cohort's own may have them; the word itself may be a name, and is not shown."""
    rows = [{"diagnosis": text} for text in ("Cyst", "Neurogenic tumour", "lymphoma?")]
    with caplog.at_level(logging.WARNING):
        cases = read(tmp_path, rows[0], rows[1:]).cases  # type: ignore[attr-defined]
    assert [case.diagnosis for case in cases] == ["Cyst", "Neurogenic tumour", "lymphoma?"]
    assert "manifest.csv, column 'diagnosis': cells that are none of Cyst, Granuloma, " in caplog.text
    assert "nor a kind of one: 2 (line 3, 4); they go into the dataset as they are written" in caplog.text
    assert "Neurogenic" not in caplog.text


def test_names_in_the_place_of_diagnoses_are_refused(tmp_path: Path) -> None:
    """Columns that are shifted by one: eight of eight texts differ. The twenty known names may stand once each."""
    names = ["Abe", "Berg", "Chen", "Diaz", "Eda", "Fox", "Gao", "Hahn"]
    rows = [{"diagnosis": name} for name in names]
    with pytest.raises(ManifestError, match=r"line 2, column 'diagnosis' \(case 'c1'\): 8 of the 8 texts in this"):
        read(tmp_path, rows[0], rows[1:])
    known = [
        {"diagnosis": name} for name in ("Cyst", "Lipoma", "TSCC", "MALT", "Fibroma", "Others", "Lymphoma", "GIST")
    ]
    assert read(tmp_path, known[0], known[1:])
