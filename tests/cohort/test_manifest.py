"""The manifest is the one file that a clinician writes by hand: every slip in it must be named where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.cohort import read_manifest
from nnunet_amt.errors import ManifestError

HEADER = "case_id,patient_id,institution,image,mask"
FULL_HEADER = HEADER + ",split,roi,age,sex,histology,manufacturer,slice_thickness_mm,exclusion_reason"
ROW = "c1,p1,North,i1.nii.gz,m1.nii.gz"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "manifest.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def full_row(**cells: str) -> str:
    """Give a row of all columns, with some cells replaced."""
    columns = FULL_HEADER.split(",")
    row = dict(zip(columns, ROW.split(","), strict=False))
    return ",".join((row | cells).get(column, "") for column in columns)


def test_paths_are_relative_to_the_manifest_and_values_are_brought_to_one_spelling(tmp_path: Path) -> None:
    row = full_row(split="Training", age="61.5", sex="female", histology="Thymic  Carcinoma", manufacturer="SIEMENS")
    case = read_manifest(write(tmp_path, f"{FULL_HEADER}\n{row}\n")).cases[0]
    assert (case.image, case.mask) == (tmp_path / "i1.nii.gz", tmp_path / "m1.nii.gz")
    assert (case.split, case.age, case.sex, case.line) == ("training", 61.5, "F", 2)
    assert (case.histology, case.manufacturer) == ("thymic carcinoma", "Siemens")


def test_optional_columns_may_be_absent_or_empty(tmp_path: Path) -> None:
    for text in (f"{HEADER}\n{ROW}\n", f"{FULL_HEADER}\n{full_row()}\n"):
        case = read_manifest(write(tmp_path, text)).cases[0]
        optional = (case.split, case.roi, case.age, case.sex, case.histology, case.slice_thickness_mm)
        assert optional == (None,) * 6


def test_a_diagnosis_outside_the_paper_is_kept_as_written(tmp_path: Path) -> None:
    path = write(tmp_path, f"{FULL_HEADER}\n{full_row(histology='Castleman disease')}\n")
    assert read_manifest(path).cases[0].histology == "Castleman disease"


def test_what_excel_writes_is_read(tmp_path: Path) -> None:
    """A byte order mark, Windows line ends, a blank line, rows of commas, a quoted comma, a trailing column."""
    text = f'\ufeff{HEADER},,\r\n\r\n,,,,,,\r\nc1,p1,"North, Main",i1.nii.gz,m1.nii.gz,,\r\n'
    case = read_manifest(write(tmp_path, text)).cases[0]
    assert (case.institution, case.line) == ("North, Main", 4)


def test_lines_are_counted_through_a_cell_with_a_line_break(tmp_path: Path) -> None:
    text = f"{HEADER}\n{ROW.replace('North', chr(34) + 'North' + chr(10) + 'Main' + chr(34))}\nc2,p2,South,i2,m2\n"
    assert [case.line for case in read_manifest(write(tmp_path, text)).cases] == [2, 4]


def test_excluded_rows_need_no_files(tmp_path: Path) -> None:
    rows = [
        "c1,p1,North,i.nii.gz,m.nii.gz,",
        "c2,,North,,,incomplete CT",
        "c3,p3,,,,no histology",
        "c4,p4,,,,incomplete CT",
    ]
    manifest = read_manifest(write(tmp_path, f"{HEADER},exclusion_reason\n" + "\n".join(rows)))
    assert [case.case_id for case in manifest.cases] == ["c1"]
    assert manifest.excluded_by_reason == {"incomplete CT": 2, "no histology": 1}


BAD_CELLS = {
    "sex": ("x", "line 2, column 'sex' (case 'c1'): must be 'F', 'M' or 'O' (got 'x')"),
    "split": ("test", "column 'split' (case 'c1'): must be 'training', 'tuning' or 'external' (got 'test')"),
    "age": ("063Y", "column 'age' (case 'c1'): must be a number with a decimal point (got '063Y')"),
    "slice_thickness_mm": ("0", "column 'slice_thickness_mm' (case 'c1'): must be above 0.0 (got '0')"),
    "roi": ("GTV(", "column 'roi' (case 'c1'): is no regular expression"),
    "patient_id": ("", "column 'patient_id' (case 'c1'): is empty"),
    "institution": ("", "column 'institution' (case 'c1'): is empty"),
    "image": ("", "column 'image' (case 'c1'): is empty"),
    "mask": (" ", "column 'mask' (case 'c1'): is empty"),
    "case_id": ("", "line 2, column 'case_id': is empty"),
}


@pytest.mark.parametrize(("column", "value", "message"), [(key, *value) for key, value in BAD_CELLS.items()])
def test_a_bad_cell_is_named_with_line_column_case_value_and_rule(
    tmp_path: Path, column: str, value: str, message: str
) -> None:
    path = write(tmp_path, f"{FULL_HEADER}\n{full_row(**{column: value})}\n")
    with pytest.raises(ManifestError) as error:
        read_manifest(path)
    assert message in str(error.value)
    assert "manifest.csv" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("age", ["-1", "121", "nan", "inf"])
def test_impossible_ages_are_refused(tmp_path: Path, age: str) -> None:
    with pytest.raises(ManifestError, match="column 'age'"):
        read_manifest(write(tmp_path, f"{FULL_HEADER}\n{full_row(age=age)}\n"))


@pytest.mark.parametrize(
    "case_id",
    ["a/b", "../a", "a b", ".hidden", "_a", "Müller", "a" * 101, "amt_0000", "amt_0012", "a.nii.gz", "a.NII", "a."],
)
def test_case_ids_must_be_safe_file_names_that_nnunet_cannot_misread(tmp_path: Path, case_id: str) -> None:
    with pytest.raises(ManifestError, match="column 'case_id'"):
        read_manifest(write(tmp_path, f"{FULL_HEADER}\n{full_row(case_id=case_id)}\n"))


@pytest.mark.parametrize("case_id", ["a", "7", "AMT-001_a.b", "amt_00001", "a" * 100])
def test_other_case_ids_are_allowed(tmp_path: Path, case_id: str) -> None:
    assert read_manifest(write(tmp_path, f"{FULL_HEADER}\n{full_row(case_id=case_id)}\n")).cases[0].case_id == case_id


BAD_FILES = {
    "semicolons": (f"{HEADER}\n{ROW}".replace(",", ";"), "line 1: columns are separated by semicolons"),
    "tabs": (f"{HEADER}\n{ROW}".replace(",", "\t"), "line 1: columns are separated by tabs"),
    "missing column": ("case_id,patient_id,institution,image\nc,p,n,i", "line 1, column 'mask': is missing"),
    "renamed column": (
        "case_id,patientid,institution,image,mask\nc,p,n,i,m",
        "line 1, column 'patient_id': is missing; rename 'patientid'",
    ),
    "misspelt column": (f"{HEADER},histolgy\n{ROW},x", "'histolgy': is unknown; did you mean 'histology'?"),
    "doubled column": (f"{HEADER},mask\n{ROW},x", "line 1, column 'mask': stands there twice"),
    "too many cells": (f"{HEADER}\n{ROW},more", "line 2: has 6 cells, the header has 5"),
    "too few cells": (f"{HEADER}\nc1,p1,North,i1.nii.gz", "line 2: has 4 cells, the header has 5"),
    "open quotation mark": (f'{HEADER}\nc1,"p1,North,i,m\n{ROW}', "line 2: is not CSV"),
    "no case": (f"{HEADER}\n", "has no included case"),
    "all excluded": (f"{HEADER},exclusion_reason\n{ROW},no CT", "has no included case"),
    "empty file": ("", "line 1, column 'case_id': is missing"),
    "other encoding": (f"{HEADER}\n{ROW}".replace("North", "Zürich").encode("latin-1"), "line 2: is not in UTF-8"),
    "spreadsheet": (b"PK\x03\x04\x14\x00", "is a spreadsheet, not a CSV file"),
    "same case twice": (f"{HEADER}\n{ROW}\nc2,p2,North,i,m\n{ROW}", "line 4, column 'case_id' (case 'c1'): line 2 has"),
    "same case in capitals": (f"{HEADER}\n{ROW}\n{ROW.replace('c1', 'C1')}", "line 2 has the same case_id"),
    "same case excluded": (
        f"{HEADER},exclusion_reason\n{ROW},\n{ROW},no CT",
        "line 3, column 'case_id' (case 'c1'): line 2 has the same case_id",
    ),
    "institution in two spellings": (
        f"{HEADER}\n{ROW}\nc2,p2,north,i,m",
        "line 3, column 'institution' (case 'c2'): differs from line 2 in capitals or spaces only",
    ),
    "patient in two spellings": (
        f"{HEADER}\n{ROW}\nc2,P1,North,i,m",
        "line 3, column 'patient_id' (case 'c2'): differs from line 2",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_refused_in_plain_words(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ManifestError) as error:
        read_manifest(write(tmp_path, content))
    assert message in str(error.value)
    assert str(error.value).startswith("manifest.csv")
    assert error.value.exit_code == 2


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere\.csv: cannot be read"):
        read_manifest(tmp_path / "nowhere.csv")


def test_the_first_problem_is_shown_and_the_others_are_counted(tmp_path: Path) -> None:
    """Three problems: two in line 2, one in line 3."""
    rows = [full_row(sex="x", age="old"), full_row(case_id="c2", split="val")]
    with pytest.raises(ManifestError, match=r"line 2, column 'age'.*\(and 2 more\)$"):
        read_manifest(write(tmp_path, "\n".join([FULL_HEADER, *rows])))


def test_a_patient_id_is_never_shown(tmp_path: Path) -> None:
    rows = [full_row(patient_id="Secret7"), full_row(case_id="c2", patient_id="secret7"), full_row(case_id="?")]
    with pytest.raises(ManifestError) as error:
        read_manifest(write(tmp_path, "\n".join([FULL_HEADER, *rows])))
    assert "secret7" not in str(error.value).lower()
