"""A miniature of NSCLC-Radiomics: patients with studies, and one with all files in one folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import RTPlanStorage

from nnunet_amt.cohort import read_manifest
from nnunet_amt.dataset_conversion.public.nsclc_radiomics import write_manifest
from nnunet_amt.dataset_conversion.public.public_cohort import read_notes
from nnunet_amt.errors import ManifestError
from tests.dataset_conversion.public.public_fixtures import exclusions, masks, opened
from tests.images.dicom.dicom_fixtures import make_volume, square, write_ct_series, write_other, write_rtstruct

AREA = [square(1, (2.5, 6.5), (1.5, 4.5))]  # 4 x 3 pixels on slice 1


def test_each_patient_becomes_a_case(tmp_path: Path) -> None:
    source = tmp_path / "LUNG1"
    write_ct_series(source / "LUNG1-001" / "study" / "ct", series="one")
    write_ct_series(source / "LUNG1-001" / "other" / "ct", make_volume(4), series="unrelated")
    write_rtstruct(source / "LUNG1-001" / "study" / "rs" / "1.dcm", {"GTV-1": AREA, "Heart": AREA}, series="one")
    write_ct_series(source / "LUNG1-002", series="two")
    write_rtstruct(source / "LUNG1-002" / "rs", {"gtv-1": AREA}, series="two")  # capitals do not count
    write_other(source / "LUNG1-002" / "plan", "RTPLAN", RTPlanStorage)
    manifest = write_manifest(source, tmp_path / "lung.csv")
    found = masks(manifest)
    expected = np.zeros((6, 10, 12), np.uint8)
    expected[1, 2:5, 3:7] = 1
    assert list(found) == ["LUNG1-001", "LUNG1-002"]
    for mask in found.values():
        np.testing.assert_array_equal(mask, expected)
    cases = read_manifest(manifest).cases
    assert cases[0].image.resolve() == (source / "LUNG1-001" / "study" / "ct").resolve()
    assert [case.roi for case in cases] == ["GTV-1", "GTV-1"]
    assert "'GTV-1'" in read_notes(manifest)["label_origin"]


def test_a_patient_with_two_scans_is_two_cases_of_one_patient(tmp_path: Path) -> None:
    for series in ("early", "late"):
        write_ct_series(tmp_path / "C" / "P 1" / series / "ct", series=series)
        write_rtstruct(tmp_path / "C" / "P 1" / series / "rs", {"GTV-1": AREA}, series=series)
    manifest = write_manifest(tmp_path / "C", tmp_path / "m.csv")
    cases = read_manifest(manifest).cases
    assert [(case.case_id, case.patient_id) for case in cases] == [("P_1-1", "P 1"), ("P_1-2", "P 1")]
    assert len({case.image.identity for case in opened(manifest).values()}) == 2


def test_patients_without_what_is_needed_are_excluded(tmp_path: Path) -> None:
    source = tmp_path / "LUNG1"
    for patient in ("A", "B", "C", "D"):
        write_ct_series(source / patient / "ct", series=patient)
    write_rtstruct(source / "A" / "rs", {"GTV-1": AREA}, series="A")
    write_rtstruct(source / "B" / "rs", {"GTV-2": AREA}, series="B")
    for name in ("rs1", "rs2"):
        write_rtstruct(source / "D" / name, {"GTV-1": AREA}, series="D")
    write_rtstruct(source / "E" / "rs", {"GTV-1": AREA}, series="E")
    (source / "F").mkdir()
    manifest = write_manifest(source, tmp_path / "m.csv")
    assert list(masks(manifest)) == ["A"]
    assert exclusions(manifest) == {
        "B": "no ROI named GTV-1",
        "C": "no RTSTRUCT",
        "D": "several RTSTRUCTs of one CT have the ROI",
        "E": "no CT",
        "F": "no DICOM file, or a damaged one",
    }


def test_what_lies_beside_the_patients_folders_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A patient still packed, and one whose folder is a link to nothing; tables and notes are no patients."""
    source = tmp_path / "LUNG1"
    for patient in ("A", "B"):
        write_ct_series(source / patient / "ct", series=patient)
        write_rtstruct(source / patient / "rs", {"GTV-1": AREA}, series=patient)
    for name in ("A.zip", "C.zip", "LICENSE", "metadata.csv", ".DS_Store"):
        (source / name).write_bytes(b"-")
    (source / "D").symlink_to("not there")
    min((source / "B" / "ct").iterdir()).write_text("/annex/objects/MD5E-s600--0\n")
    manifest = write_manifest(source, tmp_path / "m.csv")
    assert exclusions(manifest) == {
        "B": "no DICOM file, or a damaged one",
        "C": "zip, not unpacked",
        "D": "link to nothing",
    }
    assert "m.csv: 1 of 4 cases are left out, zip, not unpacked: C" in caplog.text
    assert "B: left out, file 1 of 7 (by name) is a pointer in place of the file" in caplog.text


def test_a_folder_without_patients_or_without_the_roi_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="holds no patients' folders"):
        write_manifest(tmp_path, tmp_path / "m.csv")
    write_ct_series(tmp_path / "C" / "A")
    with pytest.raises(ManifestError, match=r"no case of the cohort can be used \(no RTSTRUCT\)"):
        write_manifest(tmp_path / "C", tmp_path / "m.csv")
