"""Masks from DICOM SEGs; the volume is 12 x 10 x 6 voxels (x, y, z)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from nnunet_amt.errors import (
    GeometryMismatchError,
    ImageReadError,
    LabelValueError,
    RoiNotFoundError,
)
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.mask import open_dicom_mask
from nnunet_amt.images.dicom.seg import DicomSeg
from nnunet_amt.images.geometry import Geometry
from tests.images.dicom.dicom_fixtures import ORIGIN, SPACING, series_uid, square, write_rtstruct
from tests.images.dicom.seg_fixtures import write_ct_and_seg

GRID = Geometry((12, 10, 6), SPACING, ORIGIN, (1, 0, 0, 0, 1, 0, 0, 0, 1))


def open_seg(path: Path, roi: str | None = "tumour", resample: bool = False) -> DicomSeg:
    folder = DicomFolder(path)
    seg = open_dicom_mask(folder, folder.headers(), roi=roi, resample=resample)
    assert isinstance(seg, DicomSeg)
    return seg


def box(z: slice, y: slice, x: slice) -> NDArray[np.bool_]:
    mask = np.zeros((6, 10, 12), bool)
    mask[z, y, x] = True
    return mask


# With a hole, and a piece of one voxel in the last corner.
TUMOUR = box(slice(1, 5), slice(2, 7), slice(3, 9)) & ~box(slice(2, 4), slice(3, 5), slice(4, 6))
TUMOUR[5, 9, 11] = True
HEART = box(slice(0, 2), slice(7, 10), slice(0, 5))


def test_a_segment_spelt_as_asked_for_goes_before_a_structure_in_other_capitals(tmp_path: Path) -> None:
    """Capitals do not count only where no file has the very name; then both have one, and one must be named."""
    write_ct_and_seg(tmp_path, {"Tumour": TUMOUR})
    write_rtstruct(tmp_path / "rs.dcm", {"TUMOUR": [square(0, (0.5, 4.5), (0.5, 3.5))]})
    assert open_seg(tmp_path, "Tumour").names == ("Tumour",)
    with pytest.raises(
        RoiNotFoundError, match=r"RTSTRUCT has 1 closed ROI, 1 named .*; the DICOM SEG has 1 segment, 1 "
    ):
        open_seg(tmp_path, "tumour")
    (tmp_path / "rs.dcm").unlink()
    assert open_seg(tmp_path, "tumour").names == ("Tumour",)


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        ("BINARY", ExplicitVRLittleEndian),
        ("LABELMAP", ExplicitVRLittleEndian),
        ("LABELMAP", RLELossless),
    ],
)
def test_the_chosen_segment_is_read_voxel_for_voxel(tmp_path: Path, kind: str, syntax: str) -> None:
    """Frames without a voxel of a segment are not stored: slices are found by where frames lie, not by their number."""
    write_ct_and_seg(tmp_path, {"heart": HEART, "tumour": TUMOUR}, kind, syntax)
    seg = open_seg(tmp_path / "seg.dcm")
    seg.require_fit(GRID)
    mask = seg.read(GRID).labels
    np.testing.assert_array_equal(mask, TUMOUR)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(open_seg(tmp_path / "seg.dcm", "heart").read(GRID).labels, HEART)


def test_compressed_bits_are_read(tmp_path: Path) -> None:
    """JPEG 2000 of one bit a pixel, as some programs write; its encoder wants 32 pixels and more."""
    tumour = np.zeros((3, 40, 36), bool)
    tumour[1:, 5:30, 7:21] = True
    write_ct_and_seg(tmp_path, {"tumour": tumour}, syntax=JPEG2000Lossless)
    grid = Geometry((36, 40, 3), SPACING, ORIGIN, GRID.direction)
    np.testing.assert_array_equal(open_seg(tmp_path).read(grid).labels, tumour)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segments_that_match_are_merged(tmp_path: Path, kind: str) -> None:
    write_ct_and_seg(tmp_path, {"tumour 1": TUMOUR, "tumour 2": HEART, "tumour 1 old": ~(TUMOUR | HEART)}, kind)
    seg = open_seg(tmp_path / "seg.dcm", r"tumour \d")
    assert seg.names == ("tumour 1", "tumour 2")
    np.testing.assert_array_equal(seg.read(GRID).labels, TUMOUR | HEART)


def test_overlapping_segments_are_merged(tmp_path: Path) -> None:
    """Two boxes of 2 x 2 x 4 voxels that share 2 x 2 x 2 of them: 24."""
    first, second = box(slice(0, 2), slice(0, 2), slice(0, 4)), box(slice(0, 2), slice(0, 2), slice(2, 6))
    write_ct_and_seg(tmp_path, {"a": first, "b": second})
    assert open_seg(tmp_path / "seg.dcm", "a|b").read(GRID).labels.sum() == 24


def test_it_may_lie_with_other_files_and_needs_no_name_if_it_has_one_segment(tmp_path: Path) -> None:
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR})
    np.testing.assert_array_equal(open_seg(tmp_path, None).read(GRID).labels, TUMOUR)


def test_the_series_and_the_slices_that_it_was_drawn_on_are_known(tmp_path: Path) -> None:
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR})
    seg = open_seg(tmp_path)
    assert seg.series_uids == {series_uid("ct")}
    assert len(seg.sop_uids) == 6


def test_unknown_labels_list_those_that_there_are(tmp_path: Path) -> None:
    write_ct_and_seg(tmp_path, {"Mass": TUMOUR, "Heart": HEART})
    with pytest.raises(RoiNotFoundError, match="the DICOM SEG has 2 segments, none named 'tumour'; look"):
        open_seg(tmp_path)
    with pytest.raises(RoiNotFoundError, match="2 segments and column 'roi' is empty; name there"):
        open_seg(tmp_path, None)


def test_an_rtstruct_and_a_seg_with_the_same_name_are_ambiguous(tmp_path: Path) -> None:
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR})
    write_rtstruct(tmp_path / "rs", {"tumour": [square(0, (0.5, 4.5), (0.5, 3.5))]})
    with pytest.raises(ImageReadError, match=r"2 files \(DICOM SEG and RTSTRUCT\) have such an ROI"):
        open_seg(tmp_path)
    write_rtstruct(tmp_path / "rs", {"heart": [square(0, (0.5, 4.5), (0.5, 3.5))]})
    assert open_seg(tmp_path).kind == "DICOM SEG"
    with pytest.raises(
        RoiNotFoundError,
        match=r"the RTSTRUCT has 1 closed ROI.* named 'lung'; .*; the DICOM SEG has 1 segment.* named 'lung'",
    ):
        open_seg(tmp_path, "lung")


def test_a_grid_that_runs_the_other_way_is_the_same_voxels(tmp_path: Path) -> None:
    """CT turned by 180 degrees about z: the first voxel is the last pixel of a frame."""
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR})
    origin = (ORIGIN[0] + 11 * SPACING[0], ORIGIN[1] + 9 * SPACING[1], ORIGIN[2])
    turned = Geometry((12, 10, 6), SPACING, origin, (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    np.testing.assert_array_equal(open_seg(tmp_path).read(turned).labels, TUMOUR[:, ::-1, ::-1])


def test_another_grid_is_refused_with_both_unless_it_may_be_resampled(tmp_path: Path) -> None:
    """The CT has voxels of half the size along x: each pixel of the SEG covers two of them."""
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR})
    fine = Geometry((24, 10, 6), (0.4, 0.7, 2.5), (ORIGIN[0] - 0.2, *ORIGIN[1:]), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    seg = open_seg(tmp_path)
    for check in (seg.require_fit, seg.read):
        with pytest.raises(GeometryMismatchError) as error:
            check(fine)
        assert "frames are 12 x 10 pixels of 0.8 x 0.7 mm, one from (-10, -20," in str(error.value)
        assert "the CT is 24 x 10 x 6 voxels of 0.4 x 0.7 x 2.5 mm from (-10.2, -20, 100)" in str(error.value)
    allowed = open_seg(tmp_path, resample=True)
    allowed.require_fit(fine)
    np.testing.assert_array_equal(allowed.read(fine).labels, TUMOUR.repeat(2, axis=2))


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_resampling_keeps_the_other_segments_out(tmp_path: Path, kind: str) -> None:
    write_ct_and_seg(tmp_path, {"heart": HEART, "tumour": TUMOUR}, kind)
    fine = Geometry((24, 10, 6), (0.4, 0.7, 2.5), (ORIGIN[0] - 0.2, *ORIGIN[1:]), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    np.testing.assert_array_equal(open_seg(tmp_path, resample=True).read(fine).labels, TUMOUR.repeat(2, axis=2))


def test_tumour_outside_the_ct_is_refused(tmp_path: Path) -> None:
    """The CT ends below the last slice, on which one voxel of the tumour lies."""
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR})
    short = Geometry((12, 10, 5), SPACING, ORIGIN, GRID.direction)
    for resample in (False, True):
        with pytest.raises(GeometryMismatchError, match=rf"1 of {TUMOUR.sum()} tumour voxels lie outside the CT"):
            open_seg(tmp_path, resample=resample).read(short)


def test_fractional_empty_and_damaged_segs_are_refused(tmp_path: Path) -> None:
    write_ct_and_seg(tmp_path / "f", {"tumour": TUMOUR}, "FRACTIONAL")
    with pytest.raises(ImageReadError, match="holds probabilities"):
        open_seg(tmp_path / "f")
    write_ct_and_seg(tmp_path / "e", {"tumour": TUMOUR, "empty": HEART & TUMOUR})
    with pytest.raises(LabelValueError, match=r"segment number .: is empty"):
        open_seg(tmp_path / "e", "empty").read(GRID)

    def nowhere(dataset: Dataset) -> None:
        for groups in dataset.PerFrameFunctionalGroupsSequence:
            del groups.PlanePositionSequence

    write_ct_and_seg(tmp_path / "n", {"tumour": TUMOUR}, change=nowhere)
    with pytest.raises(ImageReadError, match=r"file 7 of 7 \(by name\) does not say where frame 1 lies"):
        open_seg(tmp_path / "n").require_fit(GRID)
