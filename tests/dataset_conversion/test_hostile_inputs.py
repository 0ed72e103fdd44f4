"""What cannot be a chest CT with a mask of a tumour is refused: one line, the numbers, and none of the hospital's words."""
# ruff: noqa: E501 (a message stands on one line, to be searched for)

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from tests.dataset_conversion.bad_inputs import (
    AREA,
    Bad,
    assert_refused,
    every,
    files,
    heights,
    read_all,
    series,
    structure,
    then,
    third,
)
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_image
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct


def rejected(dataset: Dataset) -> None:
    dataset.ApprovalStatus = "REJECTED"


def moved(dataset: Dataset) -> None:
    dataset.ROIContourSequence[0].ContourSequence[-1].ContourOffsetVector = [0, 0, 5]


def patients(z: int, dataset: Dataset) -> None:
    dataset.PatientID = f"planted-{z % 2}"


def first_contour(data: list[str]) -> Any:
    """An RTSTRUCT whose one contour has these numbers."""

    def change(dataset: Dataset) -> None:
        dataset.ROIContourSequence[0].ContourSequence[0].ContourData = data

    def write(folder: Path) -> None:
        write_ct_series(folder / "scan")
        write_rtstruct(folder / "rs", {"GTV": AREA}, change=change)

    return write


def cut_zip(folder: Path) -> None:
    series()(folder)
    shutil.make_archive(str(folder / "packed"), "zip", folder / "scan")
    (folder / "packed.zip").write_bytes((folder / "packed.zip").read_bytes()[:1000])


DICOM = {
    "half an orientation": Bad(
        series(orientation=(1, 0, 0, 0, 1)),
        "image",
        "has a position, orientation or pixel spacing that is not 3, 6 and 2 numbers",
    ),
    "MR under the CT class": Bad(series(every(Modality="MR")), "image", "has Modality 'MR', must be CT"),
    "no slope": Bad(series(third(RescaleSlope=None)), "image", "has no RescaleSlope: HU are unknown"),
    "slope NaN": Bad(
        series(third(RescaleSlope="nan")),
        "image",
        "has RescaleSlope and RescaleIntercept (nan, -1024), must be finite: HU are unknown",
    ),
    "two patients": Bad(
        series(patients),
        "image",
        "the CT series mixes images of 2 patients (PatientID); export one patient's alone",
    ),
    "tiny pixels": Bad(
        series(every(PixelSpacing=[0.001, 0.001])),
        "image",
        "the folder has a spacing of 0.001 x 0.001 x 2.5 mm, must be 0.05 to 50 mm in a CT; export it again",
    ),
    "distant slices": Bad(
        series(positions=heights(0, 60, 120, 180, 240, 300)),
        "image",
        "the folder has a spacing of 0.8 x 0.7 x 60 mm, must be 0.05 to 50 mm in a CT; export it again",
    ),
    "contours beside the CT": Bad(
        structure({"GTV": [square(1, (20, 24), (1.5, 4.5))]}),
        "mask",
        "ROI number 1: a contour lies outside the CT, up to 12.5 pixels beyond its edge; draw it on this CT",
    ),
    "contours half beside the CT": Bad(
        structure({"GTV": [square(1, (2.5, 6.5), (-3, 4.5))]}),
        "mask",
        "a contour lies outside the CT, up to 2.5 pixels",
    ),
    "contour of NaN": Bad(
        first_contour(["0", "0", "102.5", "nan", "1", "102.5", "1", "1", "102.5"]),
        "mask",
        "ROI number 1: a contour has coordinates that are NaN or infinite; export it again",
    ),
    "everything is tumour": Bad(
        structure({"GTV": [square(z, (-0.9, 11.9), (-0.9, 9.9)) for z in range(6)]}),
        "mask",
        "the RTSTRUCT's ROI number 1 covers 100% of the CT, at most two thirds are plausible; is it inverted, or the outline of the body? Draw the tumour, or give the case an exclusion_reason",
    ),
    "rejected contours": Bad(
        structure({"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]}, change=rejected),
        "mask",
        "has the ApprovalStatus REJECTED; give the contours that were approved in its place",
    ),
    "contours that are to be moved": Bad(
        structure({"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]}, change=moved),
        "mask",
        "ROI number 1: a contour has a ContourOffsetVector, which is not read; export it again without",
    ),
    "two lines in the name of an ROI": Bad(
        structure({"GTV\nleft": [square(0, (2.2, 2.8), (2.2, 2.8))]}),
        "mask",
        "ROI number 1, slice at z 100.00 mm: ends empty though it has contours (1), which hold no pixel's centre; draw this slice anew, or delete them there",
        roi=None,
    ),
    "contours on every second slice": Bad(
        structure({"GTV": [square(z, (2.5, 6.5), (1.5, 4.5)) for z in (1, 3)]}),
        "mask",
        "ROI number 1: contours are missing on 1 slice between others (z 105.00 mm); draw them",
    ),
    "cut zip": Bad(cut_zip, "image", "the zip is damaged or not whole; copy or export it again", image="packed.zip"),
}

FILES = {
    "everything is tumour": Bad(
        files(mask=make_mask() * 0 + 1),
        "mask",
        "the file covers 100% of the CT",
    ),
    "background is tumour": Bad(
        files(mask=1 - make_mask()),
        "mask",
        "the file covers 94% of the CT, at most two thirds are plausible; is it inverted, or the outline of the body?",
    ),
    "label file as the image": Bad(
        files(ct=make_mask().astype(np.int16)),
        "image",
        "values run from 0 to 1: the image is a picture or a label file, not in HU",
    ),
    "tiny voxels": Bad(
        then(files(), lambda folder: write_image(folder / "ct.nrrd", make_ct(0), spacing=(0.01, 0.7, 5.0))),
        "image",
        "the file has a spacing of 0.01 x 0.7 x 5 mm, must be 0.05 to 50 mm in a CT; export it again",
    ),
    "huge voxels": Bad(
        then(files(), lambda folder: write_image(folder / "ct.nrrd", make_ct(0), spacing=(0.8, 0.7, 500.0))),
        "image",
        "the file has a spacing of 0.8 x 0.7 x 500 mm, must be 0.05 to 50 mm",
    ),
    "NaN in a NIfTI file": Bad(
        then(files(), lambda folder: write_image(folder / "ct.nii.gz", np.where(make_mask(), np.nan, make_ct(0)))),
        "image",
        "the file holds NaN or infinite values (24 of 396 voxels)",
        image="ct.nii.gz",
    ),
    "no orientation": Bad(
        then(files(), lambda folder: write_without_orientation(folder / "ct.nii")),
        "image",
        "the file does not say which way its axes run (qform_code and sform_code are 0): left and right may be swapped; export it again with its orientation",
        image="ct.nii",
    ),
    "no NIfTI header": Bad(
        then(files(), lambda folder: (folder / "ct.nii").write_bytes(b"no image")),
        "image",
        "the file is damaged (it ends after 8 bytes, within its header); copy or export it again",
        image="ct.nii",
    ),
}


def write_without_orientation(path: Path) -> None:
    write_image(path, make_ct(0))
    content = bytearray(path.read_bytes())
    content[252:256] = bytes(4)  # qform_code and sform_code
    path.write_bytes(content)


@pytest.mark.parametrize("bad", DICOM.values(), ids=DICOM.keys())
def test_implausible_dicom_is_refused(tmp_path: Path, bad: Bad, capfd: pytest.CaptureFixture[str]) -> None:
    assert_refused(bad, tmp_path / "Planted^Name", tmp_path / "scratch")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("bad", FILES.values(), ids=FILES.keys())
def test_implausible_files_are_refused_and_nothing_else_is_said(
    tmp_path: Path, bad: Bad, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither ITK nor the NIfTI library may write to standard error beside our line."""
    image = "ct.nrrd" if bad.image == "scan" else bad.image
    assert_refused(replace(bad, image=image, mask="m.nrrd"), tmp_path / "Planted^Name", tmp_path / "scratch")
    assert capfd.readouterr().err == ""


def test_contours_up_to_the_edge_of_the_ct_are_read(tmp_path: Path) -> None:
    """The outer edge of the last pixel is half a pixel beyond its centre; programs round beyond it."""
    structure({"GTV": [square(1, (-0.6, 6.5), (1.5, 9.6))]})(tmp_path)
    read_all(tmp_path / "scan", tmp_path / "rs", "GTV", tmp_path)


def test_a_patient_id_that_only_some_slices_state_is_no_second_patient(tmp_path: Path) -> None:
    series(third(PatientID=None))(tmp_path)
    read_all(tmp_path / "scan", tmp_path / "rs", "GTV", tmp_path)


@pytest.mark.parametrize("forbidden", ["the series", "the image file"])
def test_what_may_not_be_read_is_not_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forbidden: str
) -> None:
    """A folder that may not be listed is not an empty one, and a file that may not be opened does exist."""
    bad = Bad(series(), "image", "cannot be read (Permission denied)")
    if forbidden == "the series":
        whole = os.scandir

        def refuse(path: Any = ".") -> Any:
            if str(path).endswith("scan"):
                raise PermissionError(errno.EACCES, "Permission denied")
            return whole(path)

        monkeypatch.setattr(os, "scandir", refuse)
    else:
        bad = replace(Bad(files(), "image", bad.message), image="ct.nrrd", mask="m.nrrd")
        opened = Path.open

        def refuse_open(self: Path, *arguments: Any, **options: Any) -> Any:
            if self.name == "ct.nrrd":
                raise PermissionError(errno.EACCES, "Permission denied")
            return opened(self, *arguments, **options)

        monkeypatch.setattr(Path, "open", refuse_open)
    assert_refused(bad, tmp_path / "Planted^Name", tmp_path / "scratch")


def test_a_whole_ct_of_low_positive_values_is_not_taken_for_one(tmp_path: Path) -> None:
    """0 to 255 in 16 bits is a windowed picture in a wider type."""
    write_image(tmp_path / "ct.nrrd", (make_ct(0) % 256).astype(np.int16))
    bad = Bad(lambda folder: shutil.copy(tmp_path / "ct.nrrd", folder), "image", "values run from 0 to 25")
    bad = replace(bad, write=then(files(), bad.write), image="ct.nrrd", mask="m.nrrd")
    assert_refused(bad, tmp_path / "Planted^Name", tmp_path / "scratch")


def test_the_warnings_of_itk_are_as_they_were(tmp_path: Path) -> None:
    from tests.dataset_conversion.cohort_fixtures import write_cohort
    from tests.dataset_conversion.test_manifest2nnunet import run

    write_cohort(tmp_path)
    sitk.ProcessObject.SetGlobalWarningDisplay(True)
    seen: list[bool] = []
    run(tmp_path, progress=lambda *_: seen.append(sitk.ProcessObject.GetGlobalWarningDisplay()))
    assert set(seen) == {False}
    assert sitk.ProcessObject.GetGlobalWarningDisplay()
