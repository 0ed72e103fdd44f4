"""ROIs of tiny CTs whose HU tell the voxel: the value of a voxel (z, y, x) is 100 z + y + x / 100, before windowing."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.base.run_record import newest_run
from nnunet_amt.errors import BadInputError, GeometryMismatchError, LabelValueError, UnmatchedCasesError
from nnunet_amt.risk.cases import RiskCohort
from nnunet_amt.risk.rois import Roi, cut_roi, read_rois, write_rois
from tests.conftest import write_image
from tests.risk.risk_dataset import risk_case

SHAPE = (5, 8, 9)  # (z, y, x)


def hu_of(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """HU that tell the voxel: 10 z + y, within the window."""
    z, y, _ = np.indices(shape)
    return (10 * z + y).astype(np.int16)


def mask_of(*slices: int, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Rows 2 to 4 and columns 3 to 6 in the slices; the first of them has one more column, and is the largest."""
    mask = np.zeros(shape, np.uint8)
    for number in slices:
        mask[number, 2:5, 3:7] = 1
    mask[slices[0], 2:5, 7] = 1
    return mask


def write_case(folder: Path, mask: np.ndarray, *, case_id: str = "a", thickness: float = 2.0, **geometry: Any) -> Any:
    """Write a CT and its mask; slices are `thickness` mm apart, pixels 0.8 mm along y and 0.7 along x."""
    spacing = (0.7, 0.8, thickness)
    image = write_image(folder / "imagesTr" / f"{case_id}_0000.nii.gz", hu_of(mask.shape), spacing, **geometry)
    return risk_case(case_id, image, write_image(folder / "labelsTr" / f"{case_id}.nii.gz", mask, spacing, **geometry))


def cut(folder: Path, mask: np.ndarray, **options: Any) -> Any:
    case = write_case(folder, mask, **options)
    return cut_roi(case.image, case.mask, case_id="a")


def windowed(hu: np.ndarray | float) -> Any:
    return (hu + 160) / 400


def test_the_largest_slice_and_the_plane_1_mm_nearer_to_the_head(tmp_path: Path) -> None:
    """Slices are 2 mm apart, so 1 mm above slice 2 lies halfway to slice 3: 25 + y HU. Row 2 is the box's first."""
    roi, note = cut(tmp_path, mask_of(2, 1, 3))
    assert (note.slice, note.adjacent_mm, note.rows, note.columns, note.slice_mm) == (2, 1, 3, 5, 2.0)
    assert (note.components, note.left_out_voxels, note.tilt_degrees, note.reason) == (1, 0, 0.0, "")
    rows = np.arange(2, 5)[:, None]
    assert roi.largest == pytest.approx(windowed(20 + rows + np.zeros(5)), abs=1e-6)
    assert roi.adjacent == pytest.approx(windowed(25 + rows + np.zeros(5)), abs=1e-6)
    assert (roi.largest.dtype, roi.mask_largest.dtype) == (np.float32, bool)
    assert roi.spacing == pytest.approx((0.8, 0.7))
    assert roi.mask_largest.all()  # of the box 3 x 5, the widest slice fills it
    assert roi.mask_adjacent.all()  # halfway between 5 and 4 columns: those with at least one half
    assert roi.mask_adjacent.shape == (3, 5)


@pytest.mark.parametrize(("thickness", "plane"), [(5.0, 2.2), (1.0, 3.0), (0.8, 3.25), (0.5, 4.0)])
def test_slices_of_any_thickness(tmp_path: Path, thickness: float, plane: float) -> None:
    """1 mm is a fifth of a slice of 5 mm, and two slices of 0.5 mm."""
    roi, _ = cut(tmp_path, mask_of(2, 1, 3, 4), thickness=thickness)
    assert roi.adjacent[0, 0] == pytest.approx(windowed(10 * plane + 2), abs=1e-6)


def test_values_outside_the_window_become_0_and_1(tmp_path: Path) -> None:
    """Level 40 and width 400 HU: from -160 to 240 HU, and 40 HU is the middle."""
    case = write_case(tmp_path, mask_of(2, 1, 3))
    hu = hu_of()
    hu[2, 2, 3:8] = (-1000, -160, 40, 240, 3000)
    write_image(case.image, hu, (0.7, 0.8, 2.0))
    roi, _ = cut_roi(case.image, case.mask, case_id="a")
    assert roi is not None
    assert roi.largest[0] == pytest.approx([0, 0, 0.5, 1, 1])


def test_above_the_tumour_the_plane_1_mm_below_is_taken(tmp_path: Path) -> None:
    """Slice 2 is the largest and the last with tumour, and slices are 1 mm apart; so is slice 4, the image's last."""
    roi, note = cut(tmp_path / "mask", mask_of(2, 1), thickness=1.0)
    assert note.adjacent_mm == -1
    assert roi.adjacent[0, 0] == pytest.approx(windowed(10 + 2), abs=1e-6)
    assert not roi.mask_adjacent[:, 4].any()
    _, note = cut(tmp_path / "edge", mask_of(4, 3), thickness=1.0)
    assert (note.slice, note.adjacent_mm) == (4, -1)


def test_a_thick_slice_reaches_1_mm_beyond_its_middle(tmp_path: Path) -> None:
    """A tumour of one slice of 5 mm reaches 2.5 mm up; at the image's last slice there is nothing to interpolate."""
    roi, note = cut(tmp_path, mask_of(2), thickness=5.0)
    assert (note.adjacent_mm, bool(roi.mask_adjacent.all())) == (1, True)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (mask_of(2), "no tumour 1 mm above and below the largest slice"),
        (np.zeros(SHAPE, np.uint8), "no tumour in the mask"),
    ],
)
def test_no_roi_and_why(tmp_path: Path, mask: np.ndarray, reason: str) -> None:
    roi, note = cut(tmp_path, mask, thickness=1.0)
    assert (roi, note.reason, note.slice) == (None, reason, None)


def test_the_largest_component_is_the_tumour(tmp_path: Path) -> None:
    """A speck of two voxels in a corner would stretch the rectangle over the whole image."""
    mask = mask_of(2, 1, 3)
    mask[0, 0, 0:2] = 1
    roi, note = cut(tmp_path, mask)
    assert (roi.largest.shape, note.components, note.left_out_voxels) == ((3, 5), 2, 2)
    assert note.slice == 2


# Columns: where the array's x, y and z run; RAS, and one whose slices along the array's z are sagittal.
AXES = {"RAS": (-1, 0, 0, 0, -1, 0, 0, 0, 1), "PSL": (0, 0, 1, 1, 0, 0, 0, 1, 0), "LPI": (1, 0, 0, 0, 1, 0, 0, 0, -1)}


@pytest.mark.parametrize("axes", list(AXES))
def test_other_axes_give_the_same_roi(tmp_path: Path, axes: str) -> None:
    """The same CT, stored otherwise: SimpleITK turns it to the axes, and the ROI is as before."""
    case = write_case(tmp_path / "lps", mask_of(2, 1, 3))
    files = []
    for path in (case.image, case.mask):
        image = sitk.DICOMOrient(sitk.ReadImage(str(path)), axes)
        assert image.GetDirection() == pytest.approx(AXES[axes])
        files.append(tmp_path / path.name)
        sitk.WriteImage(image, str(files[-1]))
    expected, found = cut_roi(case.image, case.mask, case_id="a"), cut_roi(*files, case_id="a")
    assert found[1] == expected[1]
    for name in ("largest", "adjacent", "mask_largest", "mask_adjacent"):
        assert np.array_equal(getattr(found[0], name), getattr(expected[0], name))
    assert found[0] is not None
    assert found[0].spacing == pytest.approx((0.8, 0.7))


def tilted(degrees: float) -> tuple[float, ...]:
    """Axes that are turned about the patient's x."""
    c, s = float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))
    return (1, 0, 0, 0, c, -s, 0, s, c)


def test_tilted_slices_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    case = write_case(tmp_path, mask_of(2, 1, 3), direction=tilted(20))
    summary = write_rois(RiskCohort((case,), {}), output=tmp_path / "rois")
    assert summary.notes[0].tilt_degrees == pytest.approx(20, abs=0.01)
    assert "slices of 1 case (a) are tilted against the axial plane, by up to 20 degrees" in caplog.text


@pytest.fixture()
def cohort(tmp_path: Path) -> RiskCohort:
    """Case a, and case b whose mask is empty."""
    a = write_case(tmp_path, mask_of(2, 1, 3))
    return RiskCohort((a, write_case(tmp_path, np.zeros(SHAPE, np.uint8), case_id="b")), {})


def test_rois_are_written_and_read_back(tmp_path: Path, cohort: RiskCohort, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        summary = write_rois(cohort, output=tmp_path / "rois")
    assert summary.without == {"b": "no tumour in the mask"}
    assert "no ROI of 1 case (b): no tumour in the mask" in caplog.text
    rois = read_rois(tmp_path / "rois")
    assert list(rois) == ["a"]
    direct, _ = cut_roi(cohort.cases[0].image, cohort.cases[0].mask, case_id="a")
    assert isinstance(direct, Roi)
    assert np.array_equal(rois["a"].adjacent, direct.adjacent)
    assert (rois["a"].mask_largest.dtype, rois["a"].spacing) == (bool, direct.spacing)
    with (tmp_path / "rois" / "rois.csv").open(newline="") as file:
        a, b = csv.DictReader(file)
    assert (a["case_id"], a["split"], a["who_type"], a["risk"], a["slice"]) == ("a", "training", "B2", "high", "2")
    assert (b["case_id"], b["reason"], b["slice"]) == ("b", "no tumour in the mask", "")
    run = newest_run(tmp_path / "rois", "rois")
    assert run is not None
    assert (run["counts"], run["settings"]["masks"]) == ({"cases": 2, "without_roi": 1, "below": 0}, "reference")
    assert str(tmp_path) not in (tmp_path / "rois" / "rois.csv").read_text()


def test_a_rerun_cuts_only_what_changed(tmp_path: Path, cohort: RiskCohort) -> None:
    write_rois(cohort, output=tmp_path / "rois")
    file = tmp_path / "rois" / "a.npz"
    made = file.stat().st_mtime_ns
    summary = write_rois(cohort, output=tmp_path / "rois")
    assert (file.stat().st_mtime_ns, summary.notes[0].slice) == (made, 2)
    write_image(cohort.cases[0].mask, mask_of(1, 2), (0.7, 0.8, 2.0))
    assert write_rois(cohort, output=tmp_path / "rois").notes[0].slice == 1
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(BadInputError, match=r"a.npz: ROI of case a is damaged; cut the ROIs again"):
        read_rois(tmp_path / "rois")
    write_rois(cohort, output=tmp_path / "rois")
    assert list(read_rois(tmp_path / "rois")) == ["a"]


def test_an_emptied_mask_takes_its_roi_away(tmp_path: Path, cohort: RiskCohort) -> None:
    write_rois(cohort, output=tmp_path / "rois")
    write_image(cohort.cases[0].mask, np.zeros(SHAPE, np.uint8), (0.7, 0.8, 2.0))
    write_rois(cohort, output=tmp_path / "rois")
    assert (read_rois(tmp_path / "rois"), list((tmp_path / "rois").glob("*.npz"))) == ({}, [])


def test_rois_of_predicted_masks(tmp_path: Path, cohort: RiskCohort) -> None:
    """The prediction of b holds a tumour, that of a none; another case's is passed over."""
    for case_id, mask in {"a": np.zeros(SHAPE, np.uint8), "b": mask_of(3, 2), "c": mask_of(1)}.items():
        write_image(tmp_path / "predicted" / f"{case_id}.nii.gz", mask, (0.7, 0.8, 2.0))
    summary = write_rois(cohort, output=tmp_path / "rois", masks=tmp_path / "predicted")
    assert summary.without == {"a": "no tumour in the mask"}
    assert [note.slice for note in summary.notes] == [None, 3]
    run = newest_run(tmp_path / "rois", "rois")
    assert run is not None
    assert (run["settings"]["masks"], "predicted" in run["inputs"]) == ("predicted", True)


def test_bad_masks_are_refused_in_one_line_and_the_others_are_cut(tmp_path: Path, cohort: RiskCohort) -> None:
    predicted = tmp_path / "predicted"
    write_image(predicted / "a.nii.gz", mask_of(2, 1), (0.7, 0.8, 2.0))
    with pytest.raises(UnmatchedCasesError, match=r"no label map for 1 case \(b\); predict them"):
        write_rois(cohort, output=tmp_path / "rois", masks=predicted)
    write_image(predicted / "b.nii.gz", mask_of(2, 1), (0.7, 0.8, 3.0))
    with pytest.raises(GeometryMismatchError, match=r"case b: .*spacing .*; 1 of 2 ROIs are cut") as caught:
        write_rois(cohort, output=tmp_path / "rois", masks=predicted)
    assert "\n" not in str(caught.value)
    with pytest.raises(BadInputError, match=r"holds no rois.csv"):
        read_rois(tmp_path / "rois")
    write_image(predicted / "b.nii.gz", 3 * mask_of(2, 1), (0.7, 0.8, 2.0))
    with pytest.raises(LabelValueError, match=r"case b: holds the values 0, 3"):
        write_rois(cohort, output=tmp_path / "rois", masks=predicted)
    assert not write_rois(cohort, output=tmp_path / "rois", masks=predicted, foreground=3).without
    with pytest.raises(BadInputError, match="holds images or masks"):
        write_rois(cohort, output=predicted, masks=predicted)


def test_workers_give_the_same_rois(tmp_path: Path, cohort: RiskCohort) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert write_rois(cohort, output=one).notes == write_rois(cohort, output=two, jobs=2).notes
    assert (one / "a.npz").read_bytes() == (two / "a.npz").read_bytes()
