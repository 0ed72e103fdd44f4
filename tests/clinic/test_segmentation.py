"""A SEG of ours, read back by our reader and by pydicom alone, is the same mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from nnunet_amt.clinic.segmentation import write_segmentation
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.mask import open_dicom_mask, require_same_series
from tests.clinic.builders import MAKER, hard_mask, source_series, structures

OPTIONAL = ("PatientSex", "PatientBirthDate", "StudyID", "AccessionNumber", "ReferringPhysicianName", "StudyDate",
            "StudyTime", "PositionReferenceIndicator", "Manufacturer", "PatientName")  # fmt: skip


def read_back(path: Path, source: SourceSeries, roi: str | None = None) -> NDArray[np.uint8]:
    """Read a segment by the reader of the conversion, on the scanner's slices: (slice, row, column)."""
    folder = DicomFolder(path)
    mask = open_dicom_mask(folder, folder.headers(), roi=roi)
    require_same_series(mask, source.series)
    mask.require_fit(source.geometry)
    return mask.read(source.geometry).labels


def by_pydicom(path: Path, source: SourceSeries) -> dict[int, NDArray[np.bool_]]:
    """Place each frame on the slice that it names, by number of segment, with nothing but the elements of the file."""
    dataset = pydicom.dcmread(path)
    places = {str(header.SOPInstanceUID): index for index, header in enumerate(source.slices)}
    masks = {
        int(one.SegmentNumber): np.zeros(source.geometry.size[::-1], dtype=bool) for one in dataset.SegmentSequence
    }
    (shared,) = dataset.SharedFunctionalGroupsSequence
    frames = dataset.pixel_array.reshape(dataset.NumberOfFrames, dataset.Rows, dataset.Columns)
    for frame, pixels in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        image = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        (of,) = frame.get("SegmentIdentificationSequence") or shared.SegmentIdentificationSequence
        masks[int(of.ReferencedSegmentNumber)][places[str(image)]] = pixels.astype(bool)
    return masks


def test_comes_back_voxel_for_voxel(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    write_segmentation(tmp_path / "seg.dcm", source, structures({"AMT": hard_mask()}), maker=MAKER)
    assert (read_back(tmp_path / "seg.dcm", source) == hard_mask()).all()
    assert (by_pydicom(tmp_path / "seg.dcm", source)[1] == hard_mask()).all()


def test_two_lesions_are_two_segments(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    first, second = np.zeros((2, 6, 10, 12), dtype=bool)
    first[1, 2:4, 2:5], second[4, 7, 9] = True, True
    write_segmentation(tmp_path / "seg.dcm", source, structures({"AMT 1": first, "AMT 2": second}), maker=MAKER)
    assert (read_back(tmp_path / "seg.dcm", source, "AMT 1") == first).all()
    assert (read_back(tmp_path / "seg.dcm", source, "AMT 2") == second).all()


@pytest.mark.parametrize("empty", [True, False])
def test_a_ct_may_lack_what_is_optional(tmp_path: Path, empty: bool) -> None:
    """SliceThickness may be empty by the standard, and scanners leave out more than that."""

    def leave_out(z: int, dataset: Dataset) -> None:
        for keyword in (*OPTIONAL, "SliceThickness"):
            if empty:
                setattr(dataset, keyword, None)
            elif keyword in dataset:
                del dataset[keyword]

    source = source_series(tmp_path / "ct", change=leave_out)
    write_segmentation(tmp_path / "seg.dcm", source, structures({"AMT": hard_mask()}), maker=MAKER)
    assert (read_back(tmp_path / "seg.dcm", source) == hard_mask()).all()


def test_names_the_patient_as_the_ct_does(tmp_path: Path) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"

    def japanese(z: int, dataset: Dataset) -> None:
        dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        dataset.PatientName = name

    source = source_series(tmp_path / "ct", change=japanese)
    write_segmentation(tmp_path / "seg.dcm", source, structures({"AMT": hard_mask()}), maker=MAKER)
    assert str(pydicom.dcmread(tmp_path / "seg.dcm").PatientName) == name


def test_the_same_twice(tmp_path: Path) -> None:
    """A result that is returned again must be the same object, not a second one."""
    source = source_series(tmp_path / "ct")
    for name in ("one", "again"):
        write_segmentation(tmp_path / f"{name}.dcm", source, structures({"AMT": hard_mask()}), maker=MAKER)
    assert (tmp_path / "one.dcm").read_bytes() == (tmp_path / "again.dcm").read_bytes()


def test_says_what_made_it_and_that_it_is_for_research(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    write_segmentation(tmp_path / "seg.dcm", source, structures({"AMT": hard_mask()}), maker=MAKER)
    written = pydicom.dcmread(tmp_path / "seg.dcm")
    assert "Research use only" in written.ContentDescription
    segment = written.SegmentSequence[0]
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert segment.SegmentAlgorithmName == "nnUNetTrainerAMT abababababab"
