"""A table of new patients: what is not known stays so, and what cannot be understood is named by line and column."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nnunet_amt.errors import ManifestError
from nnunet_amt.risk.fusion.encoding import PatientData
from nnunet_amt.risk.fusion.patient_file import read_patients


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "patients.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_cells_are_read_as_the_manifest_s(tmp_path: Path) -> None:
    """Places and sexes in other words, a decimal comma, and an empty cell, which says nothing."""
    path = table(
        tmp_path,
        "Case_ID;Ctc_Level;age;sex;location;clinical_smoker\n"
        "a;12,5;61;f;Anterior mediastinum;yes\n"
        "b;not done;;;;\n"
        " c ;0;;M;posterior;\n",
    )
    assert read_patients(path) == {
        "a": PatientData(12.5, 61.0, "F", "anterior", {"clinical_smoker": "yes"}),
        "b": PatientData(),
        "c": PatientData(ctc_level=0.0, sex="M", location="posterior"),
    }


def test_columns_that_are_not_looked_at_are_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = read_patients(table(tmp_path, "case_id,ward,age\na,3 North,61\n"))
    assert found == {"a": PatientData(age=61.0)}
    assert "columns not used: ward" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column 'case_id'"),
        ("case_id,age\n", "has no row below its header"),
        ("case_id\na\n", "has no column beside case_id that is looked at"),
        ("case_id,ward\na,3\n", "has no column beside case_id that is looked at"),
        ("case,age\na,3\n", "has no column 'case_id'"),
        ("case_ids,age\na,3\n", "column 'case_ids': is unknown; did you mean 'case_id'?"),
        ("case_id,CTC\na,3\n", "column 'ctc': is unknown; did you mean 'ctc_level'?"),
        ("case_id,ctc_levels\na,3\n", "column 'ctc_levels': is unknown; did you mean 'ctc_level'?"),
        ("case_id,compartment\na,middle\n", "column 'compartment': is unknown; did you mean 'location'?"),
        ("case_id,age,AGE\na,3,4\n", "column 'age': stands there twice"),
        ("case_id,age\na,30\na,31\n", "line 3, column 'case_id': stands there twice"),
        ("case_id,age\n,30\n", "line 2, column 'case_id': must be filled in"),
        ("case_id,age\na,30,31\n", "line 2: has 3 cells, the header has 2"),
        ("case_id,age\na,old\n", "line 2, column 'age': is 'old'; it must be years from 0 to 130"),
        ("case_id,age\na,131\n", "line 2, column 'age': is '131'"),
        ("case_id,age\na,-1\n", "line 2, column 'age': is '-1'"),
        ("case_id,sex\na,x\n", "line 2, column 'sex': is 'x'; it must be M, F or O"),
        ("case_id,location\na,left\n", "line 2, column 'location': is 'left'; it must be anterior, middle or"),
        ("case_id,ctc_level\na,1\nb,<5\n", "line 3, column 'ctc_level': is '<5'; it "),
        ("case_id,ctc_level\na,-0.1\n", "line 2, column 'ctc_level': is '-0.1'; it must be a number from 0 up"),
        ("case_id,ctc_level\na,12 pg/ml\n", "line 2, column 'ctc_level': is '12 pg/ml'; it "),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    """A level that is passed over would be a level that was not measured."""
    path = table(tmp_path, text)
    with pytest.raises(ManifestError) as refused:
        read_patients(path)
    said = str(refused.value)
    assert message in said
    assert said.startswith(str(path))
    assert "\n" not in said


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(ManifestError, match="give a table of patients, a CSV file with case_id"):
            read_patients(path)
