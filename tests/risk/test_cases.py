"""Which tumours take part in the study of risk, and of which class they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.errors import AMTError
from nnunet_amt.risk.cases import read_risk_cases
from tests.conftest import write_image
from tests.risk.risk_dataset import ROWS, SPACING, box_mask, write_risk_dataset


def test_types_become_classes_and_tuning_is_development(tmp_path: Path) -> None:
    """A, AB and B1 are low, B2 and B3 high; the box is 6 voxels of 2 mm wide and 4 high, within outlines 12 by 8 mm.

    The line from the middle of the left edge of its first row to that of the right edge of its last one, 12 mm across
    and 6 mm up, is 13.4 mm long.
    """
    rows = [*ROWS, {"case_id": "b1", "who_type": "b1", "age": "61", "sex": "F", "manufacturer": "Siemens"}]
    cohort = read_risk_cases(write_risk_dataset(tmp_path, rows))
    assert [(case.case_id, case.split, case.high) for case in cohort.cases] == [
        ("low", "training", False),
        ("high", "training", True),
        ("low_external", "external", False),
        ("high_external", "external", True),
        ("b1", "training", False),
    ]
    last = cohort.cases[-1]
    assert (last.who_type, last.age, last.sex, last.manufacturer) == ("B1", 61.0, "F", "Siemens")
    assert last.diameter_cm == pytest.approx(np.hypot(12, 6) / 10)
    assert (cohort.cases[0].age, cohort.cases[0].sex, cohort.cases[0].mask_2, cohort.left_out) == (None, None, None, {})
    assert cohort.cases[3].image == tmp_path / "imagesTs" / "high_external_0000.nii.gz"
    assert cohort.cases[1].mask == tmp_path / "labelsTr" / "high.nii.gz"
    assert [case.case_id for case in cohort.of_split("external").cases] == ["low_external", "high_external"]


def test_findings_clinical_columns_and_the_second_mask(tmp_path: Path) -> None:
    rows = [ROWS[0] | {"margin": "clear", "clinical_stage": "II"}, *ROWS[1:]]
    write_risk_dataset(tmp_path, rows, columns=("who_type", "margin", "contour", "clinical_stage"))
    second = write_image(tmp_path / "labelsSecond" / "low.nii.gz", box_mask(), SPACING)
    low, high = read_risk_cases(tmp_path).cases[:2]
    assert (low.findings, low.clinical, low.mask_2) == ({"margin": "clear"}, {"clinical_stage": "II"}, second)
    assert (high.findings, high.clinical, high.mask_2) == ({}, {"clinical_stage": ""}, None)


def test_who_takes_no_part_is_counted_by_reason(tmp_path: Path) -> None:
    """The small tumour is 4 voxels of 2 mm wide and 1 high, 8 mm; the speck beside a large one does not count."""
    small, speck = box_mask(width=4), box_mask()
    small[:, 6:] = 0
    speck[0, 15, 15] = 1
    rows = [
        *ROWS,
        {"case_id": "carcinoma", "who_type": "TC"},
        {"case_id": "mixed", "who_type": "B1/B2"},
        {"case_id": "lymphoma", "who_type": ""},
        {"case_id": "small", "who_type": "B2"},
        {"case_id": "empty", "who_type": "A"},
        {"case_id": "speck", "who_type": "A"},
    ]
    masks = {"small": small, "empty": np.zeros_like(small), "speck": speck}
    cohort = read_risk_cases(write_risk_dataset(tmp_path, rows, masks=masks))
    assert cohort.left_out == {
        "no WHO type": ("lymphoma",),
        "mixed WHO type": ("mixed",),
        "thymic carcinoma": ("carcinoma",),
        "no tumour in the mask": ("empty",),
        "tumour under 10 mm": ("small",),
    }
    assert cohort.cases[-1].diameter_cm == pytest.approx(np.hypot(12, 6) / 10)
    high = read_risk_cases(tmp_path, carcinoma="high")
    assert [case.high for case in high.cases if case.case_id == "carcinoma"] == [True]
    assert "thymic carcinoma" not in high.left_out


def test_a_tumour_of_exactly_10_mm_takes_part(tmp_path: Path) -> None:
    mask = box_mask(width=5)  # of 2 mm
    mask[:, 6:] = 0
    cohort = read_risk_cases(write_risk_dataset(tmp_path, masks={"low": mask}))
    assert cohort.cases[0].diameter_cm == pytest.approx(1.0)


def message(folder: Path, **settings: str) -> str:
    with pytest.raises(AMTError) as caught:
        read_risk_cases(folder, **settings)  # type: ignore[arg-type]
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in text
    assert "patient-0" not in text
    return text.replace(str(folder), "DATASET")


CONVERT = "and convert the cohort again (nnunet_amt convert)"


def test_a_dataset_without_types_or_cohort_is_refused(tmp_path: Path) -> None:
    assert message(tmp_path) == "DATASET: holds no cohort.csv; give a dataset that nnunet_amt convert has made"
    write_risk_dataset(tmp_path, [{"case_id": "a"}], columns=())
    assert message(tmp_path) == (
        "DATASET/cohort.csv: has no column 'who_type'; write it into the manifest (A, AB, B1, B2, B3, TC, mixed) "
        f"{CONVERT}"
    )


def test_a_class_missing_in_a_split_is_refused(tmp_path: Path) -> None:
    write_risk_dataset(tmp_path, [*ROWS[:3], {"case_id": "tc", "who_type": "TC", "split": "external"}])
    assert message(tmp_path) == (
        "DATASET/cohort.csv: the external set has no HRT (B2, B3): 1 LRT, 0 HRT, 1 left out (thymic carcinoma); put "
        f"cases of both classes into each split, or fill in 'who_type', {CONVERT}"
    )
    write_risk_dataset(tmp_path, ROWS[1:])
    assert "the training set (training and tuning) has no LRT (A, AB, B1): 0 LRT, 1 HRT;" in message(tmp_path)


def test_a_dataset_of_external_cases_alone_is_read(tmp_path: Path) -> None:
    """As a model that was trained elsewhere is tested on."""
    assert len(read_risk_cases(write_risk_dataset(tmp_path, ROWS[2:])).cases) == 2


def test_one_patient_in_both_splits_is_refused_without_naming_who(tmp_path: Path) -> None:
    write_risk_dataset(
        tmp_path, [row | {"patient": "patient-0007"} if "low" in row["case_id"] else row for row in ROWS]
    )
    assert message(tmp_path) == (
        "DATASET/cohort.csv: cases low (training) and low_external (external) are of one patient, who must be in one "
        f"split; correct the column 'split' of the manifest {CONVERT}"
    )


def test_other_bad_input(tmp_path: Path) -> None:
    write_risk_dataset(tmp_path, [ROWS[0] | {"who_type": "B4"}, *ROWS[1:]])
    assert message(tmp_path) == (
        "DATASET/cohort.csv, column 'who_type' (case low): is 'B4'; it must be A, AB, B1, B2, B3, TC or mixed; empty "
        "the cell if it is not known"
    )
    write_risk_dataset(tmp_path, [ROWS[0] | {"split": "test"}, *ROWS[1:]])
    assert "column 'split' (case low): is 'test'; it must be training, tuning, external" in message(tmp_path)
    write_risk_dataset(tmp_path)
    assert message(tmp_path, carcinoma="low") == "carcinoma is 'low'; it must be 'out' or 'high'"
    (tmp_path / "imagesTr" / "high_0000.nii.gz").unlink()
    assert message(tmp_path) == (
        "DATASET/cohort.csv: imagesTr/high_0000.nii.gz of case high is not there; convert the cohort again"
    )
