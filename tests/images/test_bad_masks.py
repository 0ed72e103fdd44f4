"""Kinds of bad masks and of bad label and image files, each with the message it must give."""
# ruff: noqa: E501 (a message stands on one line, to be searched for)

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from tests.dataset_conversion.bad_inputs import (
    AREA,
    TUMOUR,
    Bad,
    assert_refused,
    every,
    files,
    read_all,
    segmentation,
    series,
    structure,
    then,
)
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask
from tests.images.dicom.dicom_fixtures import (
    SPACING,
    square,
    write_ct_series,
    write_other,
)
from tests.images.dicom.seg_fixtures import as_source, write_ct_and_seg, write_seg


def seg_of_another_series(folder: Path) -> None:
    write_ct_series(folder / "scan", change=as_source)
    others = write_ct_series(folder / "other", change=as_source, series="other")
    write_seg(folder / "seg.dcm", others, {"GTV": TUMOUR})


def seg_of_other_pixels(folder: Path) -> None:
    """The CT has pixels of 1.6 mm, the SEG of 0.8 mm."""
    write_ct_and_seg(folder, {"GTV": TUMOUR})
    shutil.rmtree(folder / "ct")
    write_ct_series(folder / "ct", change=every(PixelSpacing=[SPACING[1], 1.6]))


def no_position_in_seg(dataset: Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence


MASKS = {
    "contours between slices": Bad(
        structure({"GTV": [square(1.5, (2.5, 6.5), (1.5, 4.5))]}),
        "mask",
        "ROI number 1: a contour at z 103.75 to 103.75 mm lies between the slices of the CT, which are 2.5 mm apart; draw it on this CT",
    ),
    "contours outside": Bad(
        structure({"GTV": [square(6, (2.5, 6.5), (1.5, 4.5))]}),
        "mask",
        "ROI number 1: a contour at z 115.00 mm lies outside the CT; draw it on this CT",
    ),
    "contours of nothing": Bad(
        structure({"GTV": [square(0, (2.2, 2.8), (2.2, 2.8))]}),
        "mask",
        "ROI number 1, slice at z 100.00 mm: ends empty though it has contours (1), which hold no pixel's centre; draw this slice anew, or delete them there",
    ),
    "RTSTRUCT of another series": Bad(
        structure({"GTV": AREA}, series="other"),
        "mask",
        "the RTSTRUCT was drawn on another CT series; give the series that it refers to",
    ),
    "unknown ROI": Bad(
        structure({"Heart": AREA}),
        "roi",
        "the RTSTRUCT has 1 closed ROI, none named 'GTV'; look the names up in the program that wrote it (not shown: they may name people)",
    ),
    "ROI of points": Bad(
        structure({"GTV": [("POINT", AREA[0][:3])], "Heart": AREA}),
        "roi",
        "the RTSTRUCT has 1 closed ROI, none named 'GTV'; look the names up in the program that wrote it (not shown: they may name people)",
    ),
    "several ROIs": Bad(
        structure({"GTV": AREA, "Heart": AREA}),
        "roi",
        "the RTSTRUCT has 2 closed ROIs and column 'roi' is empty; name there what is tumour",
        roi=None,
    ),
    "no mask in DICOM": Bad(
        then(series(), lambda folder: write_other(folder / "rd", "RTDOSE", "1.2.840.10008.5.1.4.1.1.481.2")),
        "mask",
        "the file holds no RTSTRUCT and no DICOM SEG (it has RTDOSE); give one, or a label file",
        mask="rd",
    ),
    "SEG of another series": Bad(
        seg_of_another_series,
        "mask",
        "the DICOM SEG was drawn on another CT series; give the series that it refers to",
        mask="seg.dcm",
    ),
    "SEG of other pixels": Bad(
        seg_of_other_pixels,
        "mask",
        "the DICOM SEG lies on another grid than the CT: its frames are 12 x 10 pixels of 0.8 x 0.7 mm, one from (-10, -20, 10",
        image="ct",
        mask="seg.dcm",
    ),
    "unknown segment": Bad(
        segmentation({"Heart": TUMOUR}),
        "roi",
        "the DICOM SEG has 1 segment, none named 'GTV'; look the names up in the program that wrote it (not shown: they may name people)",
        image="ct",
        mask="seg.dcm",
    ),
    "several segments": Bad(
        segmentation({"GTV": TUMOUR, "Heart": TUMOUR}),
        "roi",
        "the DICOM SEG has 2 segments and column 'roi' is empty; name there what is tumour",
        image="ct",
        mask="seg.dcm",
        roi=None,
    ),
    "empty segment": Bad(
        segmentation({"GTV": TUMOUR & False, "Heart": TUMOUR}),
        "mask",
        "the DICOM SEG's segment number 1 is empty, no voxel is tumour; draw it or give the case an exclusion_reason, or "
        "no_tumour = yes if the CT shows none",
        image="ct",
        mask="seg.dcm",
    ),
    "fractional": Bad(
        segmentation({"GTV": TUMOUR}, "FRACTIONAL"),
        "mask",
        "the DICOM SEG holds probabilities (FRACTIONAL); store it as BINARY",
        image="ct",
        mask="seg.dcm",
    ),
    "SEG without places": Bad(
        segmentation({"GTV": TUMOUR}, change=no_position_in_seg),
        "mask",
        "the file does not say where frame 1 lies (ImagePositionPatient: 3 numbers); export it again",
        image="ct",
        mask="seg.dcm",
    ),
}

FILES = {
    "other spacing": Bad(
        files(spacing=(0.8, 0.7, 3.0)),
        "mask",
        "the file does not lie on the grid of the CT: spacing (0.8, 0.7, 3) against (0.8, 0.7, 5) of the CT (the mask has 11 x 9 x 4 voxels of 0.8 x 0.7 x 3 mm from (-12.5, 3.25, 40), the CT 11 x 9 x 4 voxels of 0.8 x 0.7 x 5 mm from (-12.5, 3.25, 40)); export it on the CT's grid, or have it resampled (--resample-masks)",
    ),
    "other origin": Bad(
        files(origin=(-12.5, 3.25, 45.0)),
        "mask",
        "the file does not lie on the grid of the CT: origin (-12.5, 3.25, 45) against (-12.5, 3.25, 40) of the CT",
    ),
    "other size": Bad(
        files(mask=make_mask()[:3]),
        "mask",
        "the file does not lie on the grid of the CT: size (11, 9, 3) against (11, 9, 4) of the CT",
    ),
    "turned": Bad(
        files(direction=(1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8)),
        "mask",
        "the file does not lie on the grid of the CT: direction (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8) against (1, 0, 0, 0, 1, 0, 0, 0, 1) of the CT",
    ),
    "empty mask": Bad(
        files(mask=make_mask() * 0),
        "mask",
        "the file is empty, no voxel is tumour; draw it or give the case an exclusion_reason, or "
        "no_tumour = yes if the CT shows none",
    ),
    "second label": Bad(
        files(mask=make_mask() * 2),
        "mask",
        "the file holds 24 voxels with other values than 0 (background) and 1 (tumour): 2",
    ),
    "255": Bad(
        files(mask=make_mask() * 255),
        "mask",
        "the file holds 24 voxels with other values than 0 (background) and 1 (tumour): 255; divide it by 255",
    ),
    "probabilities": Bad(
        files(mask=make_mask() * np.float32(0.5)),
        "mask",
        "the file holds 24 voxels with other values than 0 (background) and 1 (tumour): 0.5",
    ),
    "NaN in the mask": Bad(
        files(mask=np.where(make_mask(), np.nan, 0)),
        "mask",
        "the file holds 24 voxels with other values than 0 (background) and 1 (tumour): nan",
    ),
    "flat CT": Bad(
        files(ct=make_ct(0)[:1]), "image", "the file has size (11, 9, 1), must be one three-dimensional volume"
    ),
    "rescaled CT": Bad(files(ct=(make_ct(0) / 1500).astype(np.float32)), "image", "the image is rescaled, not in HU"),
    "NaN in the CT": Bad(
        files(ct=np.where(make_mask(), np.nan, make_ct(0))), "image", "24 voxels are NaN or infinite, not HU"
    ),
    "picture": Bad(
        files(ct=make_mask() * 200),
        "image",
        "values have 8 bits (0 to 255): the image is a windowed picture, not in HU",
    ),
    "constant CT": Bad(files(ct=make_ct(0) * 0), "image", "all voxels are 0: the image is empty"),
    "values beyond HU": Bad(files(ct=make_ct(0) * np.float32(1e7)), "image", "the image is not in HU"),
    "two volumes": Bad(
        then(
            files(),
            lambda folder: sitk.WriteImage(
                sitk.JoinSeries([sitk.GetImageFromArray(make_ct(0))] * 2), str(folder / "ct.nrrd")
            ),
        ),
        "image",
        "the file has size (11, 9, 4, 2), must be one three-dimensional volume",
    ),
    "vectors": Bad(
        then(
            files(),
            lambda folder: sitk.WriteImage(
                sitk.GetImageFromArray(np.zeros((4, 9, 11, 3), np.uint8), isVector=True), str(folder / "m.nrrd")
            ),
        ),
        "mask",
        "the file has 3 values a voxel, must have one",
    ),
    "text": Bad(
        then(files(), lambda folder: (folder / "ct.nrrd").write_text("no image")),
        "image",
        "the file cannot be read as an image",
    ),
    "cut off": Bad(
        then(files(), lambda folder: (folder / "ct.nrrd").write_bytes((folder / "ct.nrrd").read_bytes()[:-20])),
        "image",
        "voxels cannot be read ([nrrd] _nrrdEncodingRaw_read: fread got only",
    ),
    "a folder": Bad(
        then(files(), lambda folder: (folder / "m.nrrd").unlink(), lambda folder: (folder / "m.nrrd").mkdir()),
        "mask",
        "the folder is no image that can be read; give a file (.nii.gz, .nii, .nrrd, .nhdr, .mha, .mhd), or DICOM as a folder or a zip",
    ),
    "a table": Bad(
        then(files(), lambda folder: (folder / "ct.csv").write_text("a,b")),
        "image",
        "the file is no image that can be read; give a file (.nii.gz, .nii, .nrrd, .nhdr, .mha, .mhd), or DICOM as a folder or a zip",
        image="ct.csv",
    ),
}


@pytest.mark.parametrize("bad", MASKS.values(), ids=MASKS.keys())
def test_each_bad_mask_is_refused_with_its_message(tmp_path: Path, bad: Bad) -> None:
    assert_refused(bad, tmp_path / "Planted^Name", tmp_path / "scratch")


@pytest.mark.parametrize("bad", FILES.values(), ids=FILES.keys())
def test_each_bad_file_is_refused_with_its_message(tmp_path: Path, bad: Bad) -> None:
    image = "ct.nrrd" if bad.image == "scan" else bad.image
    assert_refused(replace(bad, image=image, mask="m.nrrd"), tmp_path / "Planted^Name", tmp_path / "scratch")


def test_the_sound_cases_are_read(tmp_path: Path) -> None:
    """Otherwise the tables above could be full of refusals for another reason."""
    write_ct_and_seg(tmp_path / "a", {"GTV": TUMOUR})
    files()(tmp_path / "b")
    for image, mask in (("a/ct", "a/seg.dcm"), ("b/ct.nrrd", "b/m.nrrd")):
        read_all(tmp_path / image, tmp_path / mask, "GTV", tmp_path)
