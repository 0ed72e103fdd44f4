"""An RTSTRUCT of ours, read back, is the same mask; and it holds what its standard asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from nnunet_amt.clinic.rtstruct import Holes, write_rtstruct
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.mask import open_dicom_mask, require_same_series
from tests.clinic.builders import MAKER, hard_mask, source_series, structures

OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)  # two unit vectors at a right angle, in numbers of two digits
_NORMAL = (0.48, -0.64, 0.6)
OBLIQUE_POSITIONS = [(2.5 * z * _NORMAL[0], 2.5 * z * _NORMAL[1], 2.5 * z * _NORMAL[2]) for z in range(6)]


def read_back(path: Path, source: SourceSeries, roi: str) -> NDArray[np.uint8]:
    """Read an ROI by the reader of the conversion, on the scanner's slices: (slice, row, column)."""
    folder = DicomFolder(path)
    mask = open_dicom_mask(folder, folder.headers(), roi=roi)
    require_same_series(mask, source.series)
    return mask.read(source.geometry).labels


@pytest.mark.parametrize("holes", ["keyhole", "xor"])
def test_comes_back_voxel_for_voxel(tmp_path: Path, holes: Holes) -> None:
    source = source_series(tmp_path / "ct")
    write_rtstruct(tmp_path / "rt.dcm", source, structures({"AMT": hard_mask()}), maker=MAKER, holes=holes)
    assert (read_back(tmp_path / "rt.dcm", source, "AMT") == hard_mask()).all()


def test_comes_back_on_oblique_slices(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct", positions=OBLIQUE_POSITIONS, orientation=OBLIQUE)
    write_rtstruct(tmp_path / "rt.dcm", source, structures({"AMT": hard_mask()}), maker=MAKER)
    assert (read_back(tmp_path / "rt.dcm", source, "AMT") == hard_mask()).all()


def test_two_lesions_are_two_structures(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    first, second = np.zeros((2, 6, 10, 12), dtype=bool)
    first[1, 2:4, 2:5], second[4, 7, 9] = True, True
    write_rtstruct(tmp_path / "rt.dcm", source, structures({"AMT 1": first, "AMT 2": second}), maker=MAKER)
    assert (read_back(tmp_path / "rt.dcm", source, "AMT 1") == first).all()
    assert (read_back(tmp_path / "rt.dcm", source, "AMT 2") == second).all()


def test_random_masks_come_back(tmp_path: Path) -> None:
    """Slices of noise, from nearly empty to nearly full: every pattern of neighbours."""
    source = source_series(tmp_path / "ct", shape=(24, 9, 11))
    mask = np.random.default_rng(0).random((24, 9, 11)) < np.linspace(0.06, 0.98, 24)[:, None, None]
    write_rtstruct(tmp_path / "rt.dcm", source, structures({"AMT": mask}), maker=MAKER)
    assert (read_back(tmp_path / "rt.dcm", source, "AMT") == mask).all()


def test_lesions_of_one_structure_may_lie_a_slice_apart(tmp_path: Path) -> None:
    """A slice without a contour between two others is not one that somebody forgot: the planes looked at are named."""
    source = source_series(tmp_path / "ct")
    mask = np.zeros((6, 10, 12), dtype=bool)
    mask[1, 2:4, 2:4] = mask[3, 2:4, 2:4] = True
    write_rtstruct(tmp_path / "rt.dcm", source, structures({"AMT": mask}), maker=MAKER)
    assert (read_back(tmp_path / "rt.dcm", source, "AMT") == mask).all()


@pytest.mark.filterwarnings("ignore:The value length")
def test_decimals_of_twenty_digits_still_give_short_numbers(tmp_path: Path) -> None:
    """A DS has 16 characters at most, also where a position does not."""

    def long_positions(z: int, dataset: Dataset) -> None:
        with pydicom.config.disable_value_validation():
            dataset.ImagePositionPatient = ["-123.12345678901234567", "0.1", f"{z * 2.5:.17f}"]

    source = source_series(tmp_path / "ct", change=long_positions)
    write_rtstruct(tmp_path / "rt.dcm", source, structures({"AMT": hard_mask()}), maker=MAKER)
    written = pydicom.dcmread(tmp_path / "rt.dcm")
    numbers = [str(n) for c in written.ROIContourSequence[0].ContourSequence for n in c.ContourData]
    assert max(map(len, numbers)) <= 16
    assert (read_back(tmp_path / "rt.dcm", source, "AMT") == hard_mask()).all()


def test_names_the_patient_as_the_ct_does(tmp_path: Path) -> None:
    """Japanese names switch between character sets within one value; a copy must keep its bytes."""
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"

    def japanese(z: int, dataset: Dataset) -> None:
        dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        dataset.PatientName = name

    source = source_series(tmp_path / "ct", change=japanese)
    write_rtstruct(tmp_path / "rt.dcm", source, structures({"AMT": hard_mask()}), maker=MAKER)
    written = pydicom.dcmread(tmp_path / "rt.dcm")
    assert str(written.PatientName) == name
    assert written.StudyInstanceUID == source.first.StudyInstanceUID
    assert written.FrameOfReferenceUID == source.first.FrameOfReferenceUID


def test_the_same_twice_and_another_object_for_another_mask(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    other = hard_mask()
    other[5, 0, 0] = False
    for name, mask in {"one": hard_mask(), "again": hard_mask(), "other": other}.items():
        write_rtstruct(tmp_path / f"{name}.dcm", source, structures({"AMT": mask}), maker=MAKER)
    assert (tmp_path / "one.dcm").read_bytes() == (tmp_path / "again.dcm").read_bytes()
    one, different = (pydicom.dcmread(tmp_path / f"{name}.dcm") for name in ("one", "other"))
    assert one.SOPInstanceUID != different.SOPInstanceUID
    assert one.SeriesInstanceUID != different.SeriesInstanceUID


def test_says_that_it_is_for_research_and_unapproved(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    write_rtstruct(tmp_path / "rt.dcm", source, structures({"AMT": hard_mask()}), maker=MAKER)
    written = pydicom.dcmread(tmp_path / "rt.dcm")
    assert "Research use only" in written.StructureSetDescription
    assert "Research use only" in written.StructureSetROISequence[0].ROIDescription
    assert written.ApprovalStatus == "UNAPPROVED"
