"""The manifest is the one file that a clinician writes by hand: every slip in it must be named where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.cohort import read_manifest
from nnunet_amt.errors import ManifestError

HEADER = "case_id,patient_id,institution,image,mask"
FULL_HEADER = HEADER + ",split,roi,age,sex,histology,manufacturer,slice_thickness_mm,no_tumour,exclusion_reason"
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


@pytest.mark.parametrize("text", ["tymoma", "Thymmoma", "thymomas", "Thyomma", "ｔhymona"])
def test_a_diagnosis_one_letter_from_the_paper_s_is_asked_about(tmp_path: Path, text: str) -> None:
    """It would be a diagnosis of its own in every table, and nobody would see it."""
    path = write(tmp_path, f"{FULL_HEADER}\n{full_row(histology=text)}\n")
    with pytest.raises(ManifestError, match="is unknown, and nearly 'thymoma'; spell it so"):
        read_manifest(path)


@pytest.mark.parametrize("text", ["thymic carcinoid", "thymolipoma", "hymn", "thymoma B2"])
def test_other_diagnoses_are_not_taken_for_misspelt_ones(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, f"{FULL_HEADER}\n{full_row(histology=text)}\n")
    assert read_manifest(path).cases[0].histology == text


def test_japanese_words_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, f"{FULL_HEADER}\n{full_row(sex='女性', no_tumour='いいえ')}\n")
    assert read_manifest(path).cases[0].sex == "F"


def test_a_formula_is_no_value(tmp_path: Path) -> None:
    """Saved as text, it would be an institution of its own."""
    path = write(tmp_path, f"{FULL_HEADER}\n{full_row(institution='=A2&B2')}\n")
    with pytest.raises(ManifestError, match=r"column 'institution' .*holds a formula; enter the value"):
        read_manifest(path)


@pytest.mark.parametrize("word", ["yes", "YES", "y", "true", "TRUE", "1", "1.0", " Yes ", "WAHR", "ja", "ＹＥＳ", "１"])
def test_a_case_without_a_tumour_needs_no_mask(tmp_path: Path, word: str) -> None:
    row = full_row(mask="", no_tumour=word)
    case = read_manifest(write(tmp_path, f"{FULL_HEADER}\n{row}\n")).cases[0]
    assert (case.no_tumour, case.mask, case.image) == (True, None, tmp_path / "i1.nii.gz")


def test_full_width_letters_and_digits_are_read_as_others(tmp_path: Path) -> None:
    """As a Japanese keyboard gives them."""
    row = full_row(split="Ｔraining", age="６１.５", sex="Ｆ", histology="Ｔhymoma", no_tumour="ｎｏ")
    case = read_manifest(write(tmp_path, f"{FULL_HEADER}\n{row}\n")).cases[0]
    assert (case.split, case.age, case.sex, case.histology) == ("training", 61.5, "F", "thymoma")
    assert not case.no_tumour


@pytest.mark.parametrize("word", ["", "no", "No", "n", "false", "FALSE", "0", "0.0", "FALSCH", "nein"])
def test_other_cases_have_a_tumour(tmp_path: Path, word: str) -> None:
    assert not read_manifest(write(tmp_path, f"{FULL_HEADER}\n{full_row(no_tumour=word)}\n")).cases[0].no_tumour


def test_two_cases_without_a_mask_do_not_share_one(tmp_path: Path) -> None:
    rows = [full_row(mask="", no_tumour="yes"), full_row(case_id="c2", image="i2.nii.gz", mask="", no_tumour="1")]
    cases = read_manifest(write(tmp_path, "\n".join([FULL_HEADER, *rows]))).cases
    assert [case.mask for case in cases] == [None, None]


def test_a_column_of_another_meaning_is_not_taken_for_it(tmp_path: Path) -> None:
    """A column 'tumour' is none of ours, 'no_tumor' is meant for ours."""
    assert read_manifest(write(tmp_path, f"{HEADER},tumour\n{ROW},yes\n")).cases[0].no_tumour is False
    for name in ("no_tumor", "no tumour", "No-Tumour", "notumour"):
        with pytest.raises(ManifestError, match="is unknown; did you mean 'no_tumour'"):
            read_manifest(write(tmp_path, f"{HEADER},{name}\n{ROW},yes\n"))


def test_what_excel_writes_is_read(tmp_path: Path) -> None:
    """A byte order mark, Windows line ends, a blank line, rows of commas, a quoted comma, a trailing column."""
    text = f'\ufeff{HEADER},,\r\n\r\n,,,,,,\r\nc1,p1,"North, Main",i1.nii.gz,m1.nii.gz,,\r\n'
    case = read_manifest(write(tmp_path, text)).cases[0]
    assert (case.institution, case.line) == ("North, Main", 4)


def test_lines_are_counted_through_a_cell_with_a_line_break(tmp_path: Path) -> None:
    """Columns that are not used may hold what they like."""
    text = f'{HEADER},remarks\n{ROW},"first\nsecond"\nc2,p2,South,i2,m2,\n'
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


@pytest.mark.parametrize(
    "case_id",
    [".hidden", "_a", "a" * 101, "a\tb", "a.NII", "a.mha", "a.GZ", "a_SEG", "a.b2nd", "a.npz", "a.pkl", "a.tif"],
)
def test_case_ids_must_be_safe_file_names_that_nnunet_cannot_misread(tmp_path: Path, case_id: str) -> None:
    with pytest.raises(ManifestError, match="column 'case_id'"):
        read_manifest(write(tmp_path, f"{FULL_HEADER}\n{full_row(case_id=case_id)}\n"))


@pytest.mark.parametrize("case_id", ["a", "7", "AMT-001_a.b", "amt_00001", "a" * 100, "a_seg1", "seg", "a_segment"])
def test_other_case_ids_are_allowed(tmp_path: Path, case_id: str) -> None:
    assert read_manifest(write(tmp_path, f"{FULL_HEADER}\n{full_row(case_id=case_id)}\n")).cases[0].case_id == case_id


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


def test_one_patient_may_have_cts_of_fifty_years_and_a_sex_that_is_stated_once(tmp_path: Path) -> None:
    text = f"{HEADER},age,sex\n{ROW},21,\nc2,p1,North,i2,m2,71,F\nc3,p1,North,i3,m3,,F\n"
    assert len(read_manifest(write(tmp_path, text)).cases) == 3


@pytest.mark.parametrize(
    "names",
    [
        ("Site 1.1", "Site 11"),
        ("Site 1 12", "Site 11 2"),
        ("Site 10", "Site 1"),
        ("hospital_a", "hospital_b"),
        ("北病院", "南病院"),
        ("!", "?"),
    ],
)
def test_names_that_differ_in_letters_or_numbers_are_two_institutions(tmp_path: Path, names: tuple[str, str]) -> None:
    rows = [f"c{number},p{number},{name},i{number},m{number}" for number, name in enumerate(names)]
    cases = read_manifest(write(tmp_path, "\n".join([HEADER, *rows]))).cases
    assert {case.institution for case in cases} == set(names)


ONE_PATIENT = [
    ("P-1", "P1"),
    ("P-1", "p_1"),
    ("12-345-6", "123456"),
    ("12-345-6", "12-3456"),
    ("12.345/6", "12-345-6"),
    ("P-01", "P1"),
    ("1-023", "1023"),
    ("1-1", "11"),
    ("MRN: 77", "MRN77"),
    ("P‐1", "P1"),  # a hyphen of Unicode's
    ("０１‐２", "012"),
]
TWO_PATIENTS = [
    ("1-23", "12-3"),
    ("1-1-11", "11-1-1"),
    ("P-1", "P-11"),
    ("1.01", "1.1"),
    ("A-1", "B-1"),
    ("1-23", "1-32"),
]


def with_patients(folder: Path, *ids: str) -> Path:
    rows = [f"c{number},{patient},North,i{number},m{number}" for number, patient in enumerate(ids)]
    return write(folder, "\n".join([HEADER, *rows]))


@pytest.mark.parametrize("ids", ONE_PATIENT)
def test_ids_that_differ_in_punctuation_only_are_not_taken_for_two_patients(
    tmp_path: Path, ids: tuple[str, str]
) -> None:
    for order in (ids, ids[::-1]):
        with pytest.raises(ManifestError, match=r"line 3, column 'patient_id' .* only .*spell both alike"):
            read_manifest(with_patients(tmp_path, *order))


@pytest.mark.parametrize("ids", TWO_PATIENTS)
def test_punctuation_at_other_places_makes_two_patients(tmp_path: Path, ids: tuple[str, str]) -> None:
    """As of numbers made of a hospital and a patient: 1-23 is the 23rd of the first, 12-3 the third of the twelfth."""
    assert len(read_manifest(with_patients(tmp_path, *ids)).cases) == 2


def test_two_patients_whose_ids_look_alike_can_be_told_apart(tmp_path: Path) -> None:
    """What the message says can be done; and the number without punctuation fits two of the others."""
    with pytest.raises(ManifestError, match=r"line 4, column 'patient_id' .*differs from line 2 in punctuation"):
        read_manifest(with_patients(tmp_path, "1-23", "12-3", "123"))
    assert len(read_manifest(with_patients(tmp_path, "1-23", "12-3", "North 123")).cases) == 3


def test_structures_of_several_cts_may_be_in_one_folder_and_two_rows_may_name_one_ct(tmp_path: Path) -> None:
    """An RTSTRUCT says which CT it was drawn on; one CT in two rows is for the audit to refuse."""
    rows = ["c1,p1,North,i1,rt", "c2,p2,South,i2,rt", "c3,p3,West,i3.nii,m3.nii", "c4,p3,West,i3.nii,m3.nii"]
    assert len(read_manifest(write(tmp_path, "\n".join([HEADER, *rows]))).cases) == 4


@pytest.mark.parametrize("case_id", ["P001_seg", "P001_SEG", "P001", "P001_0000", "P001.b2nd", "seg", "a.b", "a_seg_b"])
def test_the_ids_that_are_taken_are_those_that_nnunet_lists(tmp_path: Path, case_id: str) -> None:
    """Its own listings of a preprocessed and of a raw folder that hold one case and a `P001` beside it."""
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
    from nnunetv2.utilities.utils import create_lists_from_splitted_dataset_folder

    cases = {case_id, "P001"}
    for name in cases:
        for ending in (".b2nd", "_seg.b2nd", ".pkl", "_0000.nii.gz"):
            folder = tmp_path / ("raw" if ending.endswith("gz") else "preprocessed")
            folder.mkdir(exist_ok=True)
            (folder / f"{name.lower()}{ending}").touch()  # as where capitals do not count
    listed = nnUNetDatasetBlosc2.get_identifiers(str(tmp_path / "preprocessed"))
    images = create_lists_from_splitted_dataset_folder(str(tmp_path / "raw"), ".nii.gz", num_processes=1)
    understood = sorted(listed) == sorted({name.lower() for name in cases}) and all(len(one) == 1 for one in images)
    try:
        read_manifest(write(tmp_path, f"{FULL_HEADER}\n{full_row(case_id=case_id)}\n"))
    except ManifestError:
        assert not understood or "." in case_id or case_id.endswith("_0000")  # refused too, for the readers of names
    else:
        assert understood


SPELLINGS = {
    "00123": [
        "123",
        "123.0",
        "123,0",
        "0123",
        "１２３",
        "００１２３",
        " 123 ",
        "1 23",
        "\u200b123",
        "\u0661\u0662\u0663",
    ],
    "P-001": ["p-001", "P-1", "P - 001", "P\u2013001", "P\u2011001", "P\u00a0-001", "Ｐ-001"],
    "Müller7": ["Mu\u0308ller7", "MÜLLER7", "müller 7", "Müller07"],
}


@pytest.mark.parametrize(("one", "other"), [(one, other) for one, others in SPELLINGS.items() for other in others])
def test_two_spellings_of_one_patient_are_refused(tmp_path: Path, one: str, other: str) -> None:
    """They would be put into two splits; the ids are not shown."""
    text = f'{HEADER}\n{ROW.replace("p1", one)}\nc2,"{other}",South,i2,m2\n'
    with pytest.raises(
        ManifestError, match=r"line 3, column 'patient_id' .*: differs from line 2 in capitals, sp"
    ) as error:
        read_manifest(write(tmp_path, text))
    assert one not in str(error.value)


@pytest.mark.parametrize("other", ['"=""00123"""', '="00123"', "\ufeff00123", "\u00a000123 "])
def test_what_spreadsheets_put_around_an_id_does_not_count(tmp_path: Path, other: str) -> None:
    text = f"{HEADER}\n{ROW.replace('p1', '00123')}\nc2,{other},South,i2,m2\n"
    assert {case.patient_id for case in read_manifest(write(tmp_path, text)).cases} == {"00123"}


@pytest.mark.parametrize("ids", [("1.1", "1.10"), ("1.01", "1.1"), ("10", "1"), ("100", "10.0"), ("P1A", "P1B")])
def test_ids_that_are_other_numbers_are_two_patients(tmp_path: Path, ids: tuple[str, str]) -> None:
    rows = [f"c{number},{name},North,i{number},m{number}" for number, name in enumerate(ids)]
    assert len(read_manifest(write(tmp_path, "\n".join([HEADER, *rows]))).cases) == 2


TABLE = f"{HEADER},age,remarks\nc1,p1,Größe & Süd,i1.nii.gz,m1.nii.gz,61.5,\nc2,p2,Süd,i2,m2,\n"
EXCEL = {
    "semicolons and decimal commas": TABLE.replace(",", ";").replace("61.5", "61,5"),
    "tabs": TABLE.replace(",", "\t"),
    "a line that names the separator": "sep=;\r\n" + TABLE.replace(",", ";").replace("\n", "\r\n"),
    "the same between quotation marks": '"sep=,"\n' + TABLE,
    "a tab as the named separator": "sep=\t\n" + TABLE.replace(",", "\t"),
    "decimal comma between quotation marks": TABLE.replace("61.5", '"61,5"'),
    "every cell between quotation marks": "\n".join(
        '"' + line.replace(",", '","') + '"' for line in TABLE.splitlines()
    ),
    "empty columns and rows": TABLE.replace("\n", ",,,\n") + ",,,,,,,,,\n\n",
    "Windows-1252": TABLE.encode("cp1252"),
    "UTF-16": TABLE.encode("utf-16"),
    "UTF-16 with tabs": b"\xfe\xff" + TABLE.replace(",", "\t").encode("utf-16-be"),
    "old Mac line ends": TABLE.replace("\n", "\r"),
}


@pytest.mark.parametrize("content", EXCEL.values(), ids=EXCEL.keys())
def test_habits_of_spreadsheets_are_understood(tmp_path: Path, content: str | bytes) -> None:
    """The second row lacks its last cells, as Excel leaves them out."""
    first, second = read_manifest(write(tmp_path, content)).cases
    assert (first.institution, first.age, second.institution, second.age) == ("Größe & Süd", 61.5, "Süd", None)
    named = isinstance(content, str) and content.lstrip('"').startswith("sep=")
    assert (first.line, second.line) == ((3, 4) if named else (2, 3))


def test_windows_1252_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_manifest(write(tmp_path, TABLE.encode("cp1252")))
    assert (
        "manifest.csv: is not in UTF-8, read as Windows-1252; save it as CSV UTF-8 if names look wrong" in caplog.text
    )
