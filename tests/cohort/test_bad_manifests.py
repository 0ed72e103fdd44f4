"""Kinds of bad manifest, each with the whole message it must give: one line, where, what, the value, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.cohort import assign_splits, audit_splits, read_manifest
from nnunet_amt.errors import BadInputError
from tests.cohort.test_manifest import FULL_HEADER, HEADER, ROW, full_row, write

SAVE_AS = "save it as 'CSV UTF-8 (comma separated)'"
EMPTY = "is empty; every included case needs it (or an exclusion_reason)"
CASE_ID = (
    "must be 1 to 100 of the characters A-Z a-z 0-9 _ . - and begin with a letter or a digit, as files are named by it"
)
CONFUSING = (
    "must not end like a channel number (_0000), a label (_seg) or a file ending, as nnU-Net adds those to it; change "
    "its end, such as amt_0003 into amt-0003"
)
SPELLING = "capitals, spaces, accents, punctuation or zeros only; spell both alike"
ID_SPELLING = "capitals, spaces, zeros or forms of characters only; spell both alike"
PUNCTUATION = (
    "punctuation only (and perhaps capitals or zeros); spell both alike if that is one patient, otherwise write "
    "something before one of the two, such as where the CT was made"
)
QUOTES = "put cells that hold a comma between quotation marks"
NUMBER = "must be a number with a decimal point"

# Column, value, and what is said after "manifest.csv line 2, column '<column>' (case '<case_id>'): "
BAD_CELLS = [
    ("case_id", "a/b", f"{CASE_ID} (got 'a/b')"),
    ("case_id", "../a", f"{CASE_ID} (got '../a')"),
    ("case_id", "a b", f"{CASE_ID} (got 'a b')"),
    ("case_id", "Müller", f"{CASE_ID} (got 'Müller')"),
    ("case_id", "-a", f"{CASE_ID} (got '-a')"),
    ("case_id", "amt_0000", f"{CONFUSING} (got 'amt_0000')"),
    ("case_id", "amt_0012", f"{CONFUSING} (got 'amt_0012')"),
    ("case_id", "a.nii.gz", f"{CONFUSING} (got 'a.nii.gz')"),
    ("case_id", "a.", f"{CONFUSING} (got 'a.')"),
    ("case_id", "P001_seg", f"{CONFUSING} (got 'P001_seg')"),
    ("case_id", "postprocessing", f"{CONFUSING} (got 'postprocessing')"),
    ("case_id", "１２３", f"{CASE_ID} (got '１２３')"),
    ("patient_id", "", EMPTY),
    ("institution", "", EMPTY),
    ("image", "", EMPTY),
    ("mask", "", "is empty; every included case needs it (or an exclusion_reason, or no_tumour = yes for a CT "
     "without a tumour)"),
    ("no_tumour", "x", "must be yes or no (got 'x')"),
    ("no_tumour", "2", "must be yes or no (got '2')"),
    ("no_tumour", "Meier", "must be yes or no (the value is not shown, as it may be a name or a date)"),
    ("split", "test", "must be 'training', 'tuning' or 'external' (got 'test')"),
    ("split", "train", "must be 'training', 'tuning' or 'external' (got 'train')"),
    ("roi", "GTV(", "is no regular expression: missing ), unterminated subpattern at position 3; put a backslash "
     "before ( ) [ ] + * ? (got 'GTV(')"),
    ("roi", "a{99999999999}", "is no regular expression: the repetition number is too large; put a backslash before "
     "( ) [ ] + * ? (got 'a{99999999999}')"),
    ("roi", "(" * 2000 + ")" * 2000, f"is no regular expression: it is nested too deeply; put a backslash before "
     f"( ) [ ] + * ? (got '{'(' * 60}')"),
    ("roi", "(GTV+)+", "could take hours to match one name; repeat no group that itself holds + * ? | or {}, and "
     "write at most four of .* or .+ (got '(GTV+)+')"),
    ("institution", '"North\nMain"', "holds a line break; write it on one line"),
    ("image", '"ct/\r\n1.nii.gz"', "holds a line break; write it on one line"),
    ("case_id", '"c\n1"', "holds a line break; write it on one line"),
    ("age", "063Y", f"{NUMBER} (got '063Y')"),
    ("age", "nan", f"{NUMBER} (got 'nan')"),
    ("age", "inf", f"{NUMBER} (got 'inf')"),
    ("age", "-1", "must be at least 0 (got '-1')"),
    ("age", "121", "must be at most 120 (got '121')"),
    ("age", '"61,5,2"', f"{NUMBER} (the value is not shown, as it may be a name or a date)"),
    ("slice_thickness_mm", '"1,250.5"', f"{NUMBER} (the value is not shown, as it may be a name or a date)"),
    ("sex", "x", "must be 'F', 'M' or 'O' (got 'x')"),
    ("sex", "1", "must be 'F', 'M' or 'O' (got '1')"),
    ("slice_thickness_mm", "0", "must be above 0 (got '0')"),
    ("slice_thickness_mm", "5 mm", f"{NUMBER} (got '5 mm')"),
    ("slice_thickness_mm", "500", "must be at most 100 (got '500')"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value", "words"), BAD_CELLS)
def test_bad_cells(tmp_path: Path, column: str, value: str, words: str) -> None:
    case_id = value.strip('"') if column == "case_id" else "c1"
    path = write(tmp_path, f"{FULL_HEADER}\n{full_row(**{column: value})}\n")
    assert refusal(path) == f"manifest.csv line 2, column '{column}' (case {case_id!r}): {words}"


@pytest.mark.parametrize("histology", ["thymoma", "Thymic  Cyst"])
def test_a_diagnosis_and_no_tumour_contradict_each_other(tmp_path: Path, histology: str) -> None:
    row = full_row(mask="", no_tumour="yes", histology=histology)
    assert refusal(write(tmp_path, f"{FULL_HEADER}\n{row}\n")) == (
        "manifest.csv line 2, column 'histology' (case 'c1'): contradicts no_tumour = yes; empty one of the two cells "
        f"(got {histology!r})"
    )


TWO = f"{HEADER}\n{ROW}\nc2,p2,South,i2.nii.gz,m2.nii.gz"
BAD_FILES = {
    "lines between quotation marks": (
        "\n".join(f'"{line}"' for line in TWO.splitlines()),
        "manifest.csv line 1: is one cell that holds separators; take away the quotation marks around lines",
    ),
    "a line that names another separator": (
        f"sep=;\n{TWO}",
        "manifest.csv line 2: is one cell that holds separators; take away the quotation marks around lines",
    ),
    "spreadsheet": (b"PK\x03\x04\x14\x00", f"manifest.csv: is a spreadsheet, not a CSV file; {SAVE_AS}"),
    "old spreadsheet": (b"\xd0\xcf\x11\xe0\xa1", f"manifest.csv: is a spreadsheet, not a CSV file; {SAVE_AS}"),
    "Shift-JIS": (
        TWO.replace("South", "南病院").encode("shift-jis"),
        f"manifest.csv line 3: is not in UTF-8; {SAVE_AS}",
    ),
    "Cyrillic": (TWO.replace("South", "Больница").encode("cp1251"), f"manifest.csv line 3: is not in UTF-8; {SAVE_AS}"),
    "Polish": (TWO.replace("South", "Łódź").encode("cp1250"), f"manifest.csv line 3: is not in UTF-8; {SAVE_AS}"),
    "empty": (
        "",
        "manifest.csv line 1, column 'case_id': is missing; the header must have case_id, patient_id, institution, "
        "image, mask",
    ),
    "no header": (
        ROW,
        "manifest.csv line 1, column 'case_id': is missing; the header must have case_id, patient_id, institution, "
        "image, mask",
    ),
    "header only": (f"{HEADER}\n", "manifest.csv: has no included case; give one row a case"),
    "renamed column": (
        TWO.replace("patient_id", "patientid"),
        "manifest.csv line 1, column 'patient_id': is missing; rename 'patientid'",
    ),
    "misspelt column": (
        f"{HEADER},histolgy\n{ROW},thymoma",
        "manifest.csv line 1, column 'histolgy': is unknown; did you mean 'histology'?",
    ),
    "column twice": (f"{HEADER},mask\n{ROW},m", "manifest.csv line 1, column 'mask': stands there twice; remove one"),
    "too many cells": (f"{TWO},more", f"manifest.csv line 3: has 6 cells, the header has 5; {QUOTES}"),
    "too few cells": (f"{TWO}\nc3,p3,West", f"manifest.csv line 4: has 3 cells, the header has 5; {QUOTES}"),
    "comma in an institution": (
        TWO.replace("South", "South, Main"),
        f"manifest.csv line 3: has 6 cells, the header has 5; {QUOTES}",
    ),
    "open quotation mark": (
        TWO.replace("South", '"South'),
        "manifest.csv line 3: is not CSV (unexpected end of data); check its quotation marks",
    ),
    "spreadsheet's error": (
        TWO.replace("South", "#N/A"),
        "manifest.csv line 3, column 'institution': holds the spreadsheet's error #N/A; mend the formula or empty the "
        "cell",
    ),
    "patient whose id a program has lost": (
        TWO.replace("p2", "NaN"),
        "manifest.csv line 3, column 'patient_id': is 'NaN', a program's word for an empty cell; enter what belongs "
        "there",
    ),
    "a reason that is none": (
        f"{HEADER},exclusion_reason\n{ROW},nan",
        "manifest.csv line 2, column 'exclusion_reason': is 'nan', a program's word for an empty cell; enter what "
        "belongs there",
    ),
    "case twice": (
        f"{TWO}\n{ROW}",
        "manifest.csv line 4, column 'case_id' (case 'c1'): line 2 has the same case_id; each row needs its own",
    ),
    "case twice in capitals": (
        f"{TWO}\n{ROW.replace('c1', 'C1')}",
        "manifest.csv line 4, column 'case_id' (case 'C1'): line 2 has the same case_id; each row needs its own",
    ),
    "case included and excluded": (
        f"{HEADER},exclusion_reason\n{ROW},\n{ROW},no CT",
        "manifest.csv line 3, column 'case_id' (case 'c1'): line 2 has the same case_id; each row needs its own",
    ),
    "institution in two spellings": (
        TWO.replace("South", "NORTH"),
        f"manifest.csv line 3, column 'institution' (case 'c2'): differs from line 2 in {SPELLING}",
    ),
    "institution with and without a full stop": (
        TWO.replace("North", "St. Mary's").replace("South", "St Marys"),
        f"manifest.csv line 3, column 'institution' (case 'c2'): differs from line 2 in {SPELLING}",
    ),
    "institution with a letter that Unicode writes in two ways": (
        TWO.replace("North", "Charit\u00e9").replace("South", "Charite\u0301"),
        f"manifest.csv line 3, column 'institution' (case 'c2'): differs from line 2 in {SPELLING}",
    ),
    "one mask for two CTs": (
        TWO.replace("m2.nii.gz", "m.nii.gz").replace("m1.nii.gz", "m.nii.gz"),
        "manifest.csv line 3, column 'mask' (case 'c2'): line 2 has the same mask and another image; give each CT its "
        "own",
    ),
    "null character": (
        TWO.replace("i2", "i\0"),
        f"manifest.csv line 3, column 'image' (case 'c2'): holds a null character; {SAVE_AS}",
    ),
    "patient in two spellings": (
        TWO.replace("p2", "P 1"),
        f"manifest.csv line 3, column 'patient_id' (case 'c2'): differs from line 2 in {ID_SPELLING}",
    ),
    "institution whose zero a spreadsheet has left out": (
        TWO.replace("North", "012").replace("South", "12"),
        f"manifest.csv line 3, column 'institution' (case 'c2'): differs from line 2 in {SPELLING}",
    ),
    "patient whose id a spreadsheet has shortened": (
        TWO.replace("p2", "1.23E+05"),
        "manifest.csv line 3, column 'patient_id' (case 'c2'): is a number that a spreadsheet has shortened (as "
        "1.23E+05), its last digits are lost; format the column as text and enter it again",
    ),
    "case twice, once without zeros": (
        TWO.replace("c1,", "007,").replace("c2,", "7,"),
        "manifest.csv line 3, column 'case_id' (case '7'): line 2 has the same case_id; each row needs its own",
    ),
    "patient of two sexes": (
        f"{HEADER},sex\n{ROW},F\nc2,p1,North,i2,m2,\nc3,p1,North,i3,m3,m",
        "manifest.csv line 4, column 'sex' (case 'c3'): line 2 has the same patient_id and another sex; correct one of "
        "them",
    ),
    "patient of two lifetimes": (
        f"{HEADER},age\n{ROW},71\nc2,p1,North,i2,m2,20\nc3,p1,North,i3,m3,69",
        "manifest.csv line 2, column 'age' (case 'c1'): line 3 has the same patient_id and an age 51 years lower; "
        "correct one of them",
    ),
    "an id with punctuation and without": (
        TWO.replace("p1,", "P-1,").replace("p2,", "p1,"),
        f"manifest.csv line 3, column 'patient_id' (case 'c2'): differs from line 2 in {PUNCTUATION}",
    ),
    "two problems": (
        f"{TWO.replace('c2', '?')}\nc3,,West,i,m",
        f"manifest.csv line 3, column 'case_id' (case '?'): {CASE_ID} (got '?') (and 1 more)",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_files(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert refusal(write(tmp_path, content)) == message


SPLIT_HEADER = f"{HEADER},split"
BAD_SPLITS = {
    "filled in some rows": (
        ["c1,p1,N,i,m,training", "c2,p2,S,i,m,"],
        "line 3, column 'split' (case 'c2'): is empty, other rows fill it; fill it in every row or in none",
    ),
    "no external case": (
        ["c1,p1,N,i,m,training", "c2,p2,N,i,m,tuning"],
        "column 'split': no case is in 'external'; each of training, tuning, external needs one",
    ),
    "patient in two splits": (
        ["c1,p1,N,i,m,training", "c2,p1,N,i,m,tuning", "c3,p3,S,i,m,external"],
        "column 'patient_id': case 'c1' (line 2, training) and case 'c2' (line 3, tuning) are of one patient; "
        "put both into one split, or give different patients different ids",
    ),
    "institution on both sides": (
        ["c1,p1,N,i,m,training", "c2,p2,N,i,m,tuning", "c3,p3,N,i,m,external"],
        "column 'institution': case 'c1' (line 2, training) and case 'c3' (line 4, external) are of one institution; "
        "one of the external test set must not be in training or tuning",
    ),
    "one institution": (
        ["c1,p1,N,i,m,", "c2,p2,N,i,m,"],
        "column 'institution': 1 institution (or group that shares patients) cannot be divided into training and "
        "external test set; add cases of another institution",
    ),
    "one patient left": (
        ["c1,p1,N,i,m,", "c2,p1,N,i,m,", "c3,p3,S,i,m,"],
        "column 'patient_id': one patient is left for training and tuning together; add patients or give the split "
        "in a column 'split'",
    ),
}


@pytest.mark.parametrize(("rows", "message"), BAD_SPLITS.values(), ids=BAD_SPLITS.keys())
def test_bad_splits(tmp_path: Path, rows: list[str], message: str) -> None:
    path = write(tmp_path, "\n".join([SPLIT_HEADER, *rows]))
    with pytest.raises(BadInputError) as error:
        audit_splits(assign_splits(read_manifest(path).cases))
    assert str(error.value) == message


def refusal(manifest: Path) -> str:
    """Give the message with which a manifest is refused."""
    with pytest.raises(BadInputError) as error:
        read_manifest(manifest)
    assert "\n" not in str(error.value)
    return str(error.value)
