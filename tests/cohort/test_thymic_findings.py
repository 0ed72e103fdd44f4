"""WHO types and findings in one spelling; clinical columns that would tell who a patient is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.cohort import read_manifest
from nnunet_amt.cohort.thymic_findings import finding_of, who_type_of
from nnunet_amt.errors import ManifestError
from tests.cohort.test_manifest import HEADER, ROW, write

KNOWN = "must be A, AB, B1, B2, B3, TC or mixed; empty the cell if it is not known"


@pytest.mark.parametrize(
    ("text", "who_type"),
    [
        *((name, name) for name in ("A", "AB", "B1", "B2", "B3", "TC", "mixed")),
        ("b2", "B2"),
        ("Ｂ２", "B2"),
        ("B 2", "B2"),
        ("b-2", "B2"),
        ("type B2", "B2"),
        ("WHO type AB", "AB"),
        ("Thymoma, B3", "B3"),
        ("B1 thymoma", "B1"),
        ("type A thymoma", "A"),
        ("Thymic carcinoma", "TC"),
        ("C", "TC"),
        ("B1/B2", "mixed"),
        ("B2 + B3", "mixed"),
        ("B2-B3", "mixed"),
        ("AB & B1", "mixed"),
        ("B3 and TC", "mixed"),
        ("B2/B2", "B2"),
        ("Mixed", "mixed"),
    ],
)
def test_who_types_in_other_spellings(text: str, who_type: str) -> None:
    assert who_type_of(text) == who_type


@pytest.mark.parametrize("text", ["B", "B4", "A/B", "B1B2", "thymoma", "micronodular", "2", "?"])
def test_what_is_no_who_type_is_refused(text: str) -> None:
    """A/B may be meant for AB or for a mixed tumour of A and some B: nobody guesses."""
    with pytest.raises(ValueError, match="must be A, AB, B1, B2, B3, TC or mixed"):
        who_type_of(text)


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("margin", "Clear", "clear"),
        ("margin", "ill-defined", "unclear"),
        ("enhancement", "homogenous", "homogeneous"),
        ("enhancement", "Inhomogeneous", "heterogeneous"),
        ("enhancement_degree", "MODERATE", "moderate"),
        ("contour", "lobulated", "lobulated"),
        ("calcification", "1", "yes"),
        ("calcification", "0.0", "no"),
        ("calcification", "Yes", "yes"),
    ],
)
def test_findings_in_other_spellings(column: str, text: str, value: str) -> None:
    assert finding_of(column, text) == value


def read(tmp_path: Path, columns: dict[str, str], more: list[dict[str, str]] | None = None) -> object:
    """Read a manifest of one row, or of more, with these further columns."""
    rows = [columns, *(more or [])]
    lines = [f"{HEADER},{','.join(columns)}"]
    for number, cells in enumerate(rows, start=1):
        lines.append(",".join([*_cells(number), *cells.values()]))
    return read_manifest(write(tmp_path, "\n".join(lines) + "\n"))


def _cells(number: int) -> list[str]:
    named = dict(zip(HEADER.split(","), ROW.split(","), strict=True))
    named |= {"case_id": f"c{number}", "patient_id": f"P{number:04d}", "mask": f"{number}.nii.gz"}
    return list((named | {"image": f"ct{number}.nii.gz"}).values())


def test_a_manifest_of_thymic_tumours(tmp_path: Path) -> None:
    columns = {
        "who_type": "type b2",
        "margin": "ill-defined",
        "enhancement": "",
        "contour": "Smooth",
        "calcification": "no",
        "clinical_myasthenia": "yes",
        "clinical_ldh": "210,5",
        "mask_2": "second/1.nii.gz",
    }
    header = f"{HEADER};{';'.join(columns)}".replace(",", ";")
    path = write(tmp_path, f"{header}\n{ROW.replace(',', ';')};{';'.join(columns.values())}\n")
    case = read_manifest(path).cases[0]
    assert (case.who_type, case.margin, case.contour, case.calcification) == ("B2", "unclear", "smooth", "no")
    assert case.enhancement is None
    assert dict(case.clinical) == {"clinical_myasthenia": "yes", "clinical_ldh": "210,5"}
    assert case.mask_2 == tmp_path / "second" / "1.nii.gz"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"who_type": "B4"}, f"line 2, column 'who_type' (case 'c1'): {KNOWN} (got 'B4')"),
        (
            {"who_type": "Meier Anna"},
            f"line 2, column 'who_type' (case 'c1'): {KNOWN} (the value is not shown, as it may be a name or a date)",
        ),
        (
            {"margin": "smooth"},
            "line 2, column 'margin' (case 'c1'): must be clear or unclear; empty the cell if it is not known (the "
            "value is not shown, as it may be a name or a date)",
        ),
        (
            {"calcification": "2"},
            "line 2, column 'calcification' (case 'c1'): must be no or yes; empty the cell if it is not known (got "
            "'2')",
        ),
        (
            {"histology": "lymphoma", "who_type": "B2"},
            "line 2, column 'who_type' (case 'c1'): B2 contradicts the histology 'lymphoma'; correct one of the two "
            "cells (got 'B2')",
        ),
        (
            {"no_tumour": "yes", "who_type": "B2"},
            "line 2, column 'who_type' (case 'c1'): contradicts no_tumour = yes; empty one of the two cells (got 'B2')",
        ),
        (
            {"no_tumour": "yes", "mask_2": "a.nii.gz"},
            "line 2, column 'mask_2' (case 'c1'): contradicts no_tumour = yes; empty one of the two cells (the value "
            "is not shown, as it may be a name or a date)",
        ),
        (
            {"mask_2": "1.nii.gz"},
            "line 2, column 'mask_2' (case 'c1'): is the file of column 'mask'; give the second reader's own, or empty "
            "the cell (the value is not shown, as it may be a name or a date)",
        ),
        ({"enhancement_pattern": ""}, "line 1, column 'enhancement_pattern': is unknown; did you mean 'enhancement'?"),
        ({"who_typ": "A"}, "line 1, column 'who_typ': is unknown; did you mean 'who_type'?"),
        (
            {"clinical_birth_date": "x"},
            "line 1, column 'clinical_birth_date': would tell who or when it was ('birth') and goes into the dataset; "
            "remove it, or give an age or a number of days",
        ),
        (
            {"clinical_": "x"},
            "line 1, column 'clinical_': must be clinical_ and words of a-z and 0-9 with _ between them; rename it",
        ),
        (
            {"clinical_note": "operated 2021-03-04"},
            "line 2, column 'clinical_note' (case 'c1'): holds a date and goes into the dataset; take it out",
        ),
        (
            {"clinical_note": "as P0001"},
            "line 2, column 'clinical_note' (case 'c1'): holds a patient_id of this table and goes into the dataset; "
            "take it out",
        ),
        (
            {"clinical_number": "7654321"},
            "line 2, column 'clinical_number' (case 'c1'): holds a number of six or more digits, or an address, which "
            "may tell who it is, and goes into the dataset; take it out, or give a measured value in a larger unit",
        ),
        (
            {"clinical_note": '"a\nb"'},
            "line 2, column 'clinical_note' (case 'c1'): holds a line break; write it on one line",
        ),
    ],
)
def test_bad_columns_and_cells(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, columns)
    assert str(caught.value) == f"manifest.csv {message}"


def test_a_clinical_column_of_texts_of_which_hardly_two_agree_is_refused(tmp_path: Path) -> None:
    """Eight surnames under clinical_doctor: eight of eight texts differ. Stages, of which there are few, may stand."""
    names = ["Abe", "Berg", "Chen", "Diaz", "Eda", "Fox", "Gao", "Hahn"]
    rows = [{"clinical_stage": "I" * (1 + number % 4), "clinical_doctor": name} for number, name in enumerate(names)]
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, rows[0], rows[1:])
    assert str(caught.value) == (
        "manifest.csv line 2, column 'clinical_doctor' (case 'c1'): 8 of the 8 texts in this column differ, as names "
        "and notes do, and go into the dataset; give numbers, or a few categories"
    )
    stages = [{"clinical_stage": row["clinical_stage"], "clinical_ldh": f"{200 + n}"} for n, row in enumerate(rows)]
    assert read(tmp_path, stages[0], stages[1:])


def test_one_second_mask_under_two_cts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"line 3, column 'mask_2' \(case 'c2'\): line 2 has the same mask"):
        read(tmp_path, {"mask_2": "s.nii.gz"}, [{"mask_2": "s.nii.gz"}])
