"""The class map: the paper's as it is packaged, one's own, and what must not stand in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.cohort.diagnosis import DIAGNOSES
from nnunet_amt.errors import ManifestError
from nnunet_amt.risk.fusion.class_map import ClassMap, read_class_map


def own_map(folder: Path, *lines: str, header: str = "diagnosis,class,malignant") -> Path:
    path = folder / "classes.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


def found(known: ClassMap, text: str) -> str | None:
    row = known.of(text)
    return row.diagnosis if row else None


def test_the_papers_twenty_diagnoses_are_fourteen_classes() -> None:
    """7 benign ones, thymoma as one, TSCC, immature teratoma, MALT, carcinoid, lymphoma and metastatic tumour."""
    known = read_class_map()
    assert tuple(row.diagnosis for row in known.rows) == DIAGNOSES
    assert len(known.classes) == 14
    assert known.classes[7:9] == ("Thymoma", "TSCC")
    assert [row.malignant for row in known.rows] == [False] * 7 + [True] * 13
    assert {row.diagnosis for row in known.rows if row.lesion_class == "Thymoma"} == set(DIAGNOSES[7:13])
    assert [row.diagnosis for row in known.rows if row.lesion_class is None] == ["Others"]


def test_diagnoses_are_found_in_other_spellings_and_by_what_they_are_kinds_of() -> None:
    known = read_class_map()
    assert found(known, "THYMOMA, TYPE B2") == "Type B2 thymoma"
    assert found(known, "Bronchogenic cyst") == "Cyst"
    assert found(known, "B1/B2 thymoma") == "Mixed thymoma"
    assert found(known, "thymic carcinoma") is None
    assert found(known, "") is None
    assert known.near("Shwannoma") == "Schwannoma"
    assert known.near("Castleman disease") == ""


def test_a_map_of_ones_own_may_be_finer_and_know_other_diagnoses(tmp_path: Path) -> None:
    """Thymic cysts have a row, so that they are no Cyst; bronchogenic ones have none and are; haem is hem."""
    known = read_class_map(
        own_map(
            tmp_path,
            "Thymic cyst,Thymic cyst,no",
            "Cyst,Other cyst,benign",
            "Neurogenic tumor,Neurogenic,No",
            "thymoma B2,High risk,malignant",
            "Haemangioma,,0",
            "囊肿 2,Cyst 2,no",
        )
    )
    assert known.classes == ("Thymic cyst", "Other cyst", "Neurogenic", "High risk", "Cyst 2")
    assert found(known, "thymic cyst") == "Thymic cyst"
    assert found(known, "Bronchogenic cyst") == "Cyst"
    assert found(known, "neurogenic tumour") == "Neurogenic tumor"
    assert found(known, "Type B2 thymoma") == "thymoma B2"
    assert found(known, "hemangioma") == "Haemangioma"
    assert found(known, "囊肿２") == "囊肿 2"
    assert found(known, "Type B1 thymoma") is None


def test_without_a_row_for_cysts_another_cyst_is_none_of_a_kind(tmp_path: Path) -> None:
    known = read_class_map(own_map(tmp_path, "Thymic cyst,A,no", "TSCC,B,yes"))
    assert found(known, "bronchogenic cyst") is None


def test_separators_capitals_and_further_columns_are_as_spreadsheets_write_them(tmp_path: Path) -> None:
    path = own_map(tmp_path, "Cyst;no;Cyst;seen often", "TSCC;yes;TSCC;", header="Diagnosis;Malignant;Class;Remark")
    assert read_class_map(path).classes == ("Cyst", "TSCC")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Cyst,Cyst,no", "cysts,B,yes"], None),
        (
            ["Cyst,A,no", "CYST,B,yes"],
            " line 3, column 'diagnosis': 'CYST' is on line 2 already; keep one row a diagnosis",
        ),
        (
            ["Type B2 thymoma,A,no", "thymoma B2,B,yes"],
            " line 3, column 'diagnosis': 'thymoma B2' is on line 2 already; keep one row a diagnosis",
        ),
        ([",A,no", "TSCC,B,yes"], " line 2, column 'diagnosis': is empty; name the diagnosis, or remove the line"),
        (["Cyst,A,maybe"], " line 2, column 'malignant': is 'maybe'; it must be yes or no"),
        (["Cyst,A,", "TSCC,B,yes"], " line 2, column 'malignant': is ''; it must be yes or no"),
        (
            ["Cyst,Split,no", "TSCC,B,yes"],
            " line 2, column 'class': is 'Split', which tables of scores call another column; rename",
        ),
        (
            ["Cyst,A,no", "Others,notes,yes"],
            " line 3, column 'class': is 'notes', which tables of scores call another column; rename",
        ),
        (
            ["Cyst,Benign one,no", "Lipoma,benign  ONE,no", "TSCC,B,yes"],
            ", column 'class': has both 'Benign one' and 'benign ONE'; spell one class alike",
        ),
        (["Cyst,A,no", "TSCC,A,yes"], ", column 'class': names 1 classes; there must be two or more"),
        (["Cyst,A,no", "TSCC,B,no"], ", column 'malignant': all diagnoses are benign; there must be of both"),
        ([], ", column 'class': names 0 classes; there must be two or more"),
        (
            ["Cyst,A"],
            " line 2: has 2 cells, the header has 3; put cells that hold a comma between quotation marks, and "
            "write empty cells too",
        ),
    ],
)
def test_what_must_not_stand_in_it(tmp_path: Path, lines: list[str], message: str | None) -> None:
    path = own_map(tmp_path, *lines)
    if message is None:  # another name for cysts makes two rows of one diagnosis
        message = " line 3, column 'diagnosis': 'cysts' is on line 2 already; keep one row a diagnosis"
    with pytest.raises(ManifestError) as caught:
        read_class_map(path)
    assert str(caught.value) == f"{path}{message}"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"cannot be read .*; give a class map, a CSV file with the columns"):
        read_class_map(tmp_path / "none.csv")
    with pytest.raises(ManifestError, match=r"has no column 'class' \(its columns: diagnosis, malignant\); name it so"):
        read_class_map(own_map(tmp_path, header="diagnosis,malignant"))
