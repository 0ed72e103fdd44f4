"""What the whole conversion refuses: bad cases one by one, leaks before anything is written, full disks."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from nnunet_amt.errors import AMTError, BadInputError, DiskFullError, WorkFailedError
from nnunet_amt.images.dicom.files import DicomFolder
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_cohort, write_image
from tests.dataset_conversion.test_manifest2nnunet import CASE_FILES, contents, run
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

BAD_CASES = {
    "image does not exist": (
        {"image": "ct/9.nii.gz"},
        "manifest.csv line 3, column 'image' (case 'c1'): the file does not exist",
    ),
    "Windows path": ({"image": "ct\\1.nii.gz"}, "does not exist; write / in place of \\"),
    "mask does not exist": (
        {"mask": "masks/9.nii.gz"},
        "manifest.csv line 3, column 'mask' (case 'c1'): the file does not exist",
    ),
    "no image format": ({"image": "manifest.csv"}, "column 'image' (case 'c1'): the file is no image"),
    "no DICOM in the folder": ({"image": "masks"}, "column 'image' (case 'c1'): the folder holds no DICOM file"),
    "damaged header": ({"image": "bad.nii.gz"}, "column 'image' (case 'c1'): the file is damaged"),
    "truncated voxels": ({"image": "short.nii.gz"}, "column 'image' (case 'c1'): the file is damaged"),
    "mask of another size": (
        {"mask": "size.nii.gz"},
        "column 'mask' (case 'c1'): the file does not lie on the grid of the CT: "
        "size (11, 9, 3) against (11, 9, 4) of the CT",
    ),
    "mask of another spacing": ({"mask": "spacing.nii.gz"}, "spacing (0.8, 0.7, 3) against (0.8, 0.7, 5)"),
    "mask of another origin": ({"mask": "origin.nii.gz"}, "origin (0, 0, 0) against (-12.5, 3.25, 40)"),
    "another label": (
        {"mask": "two.nii.gz"},
        "the file holds 24 voxels with other values than 0 (background) and 1 (tumour): 2",
    ),
    "0 and 255": ({"mask": "white.nii.gz"}, "255; divide it by 255"),
    "empty mask": (
        {"mask": "empty.nii.gz"},
        "the file is empty, no voxel is tumour; draw it or give the case an exclusion_reason, or no_tumour = yes if "
        "the CT shows none",
    ),
}


@pytest.mark.parametrize(("cells", "message"), BAD_CASES.values(), ids=BAD_CASES.keys())
def test_a_bad_case_is_named_and_stops_no_other(tmp_path: Path, cells: dict[str, str], message: str) -> None:
    write_cohort(tmp_path, {1: cells})
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    (tmp_path / "short.nii.gz").write_bytes((tmp_path / "ct" / "1.nii.gz").read_bytes()[:-200])
    write_image(tmp_path / "size.nii.gz", make_mask()[:3])
    write_image(tmp_path / "spacing.nii.gz", make_mask(), spacing=(0.8, 0.7, 3.0))
    write_image(tmp_path / "origin.nii.gz", make_mask(), origin=(0, 0, 0))
    write_image(tmp_path / "two.nii.gz", make_mask() * 2)
    write_image(tmp_path / "white.nii.gz", make_mask() * 255)
    write_image(tmp_path / "empty.nii.gz", make_mask() * 0)
    text = failed(tmp_path)
    assert message in text
    assert "3 of 4 cases are converted" in text
    dataset = tmp_path / "raw" / "Dataset711_AMT"
    assert CASE_FILES - set(contents(dataset)) == {"imagesTr/c1_0000.nii.gz", "labelsTr/c1.nii.gz"}
    assert not (dataset / "dataset.json").exists()


@pytest.mark.parametrize("mask", ["masks/3.nii.gz", "rs"])
def test_a_tumour_in_the_mask_of_a_case_that_has_none_is_refused(tmp_path: Path, mask: str) -> None:
    """24 voxels in a file; in an RTSTRUCT 12."""
    image = {"image": "scan"} if mask == "rs" else {}
    write_cohort(tmp_path, {3: {"mask": mask, "no_tumour": "1", **image}})
    write_ct_series(tmp_path / "scan")
    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    assert failed(tmp_path).startswith(
        f"manifest.csv line 5, column 'mask' (case 'c3'): holds {12 if mask == 'rs' else 24} voxels of tumour, though "
        "no_tumour is yes; empty one of the two cells"
    )


LEAKS = {
    "same CT twice": (
        {"image": "ct/0.nii.gz"},
        "column 'image' (case 'c1'): is the same CT as that of case 'c0' in line 2",
    ),
    "patient in two splits": ({"patient_id": "Patient-0"}, "manifest.csv: column 'patient_id': case 'c0' (line 2"),
    "institution on both sides": ({"institution": "East"}, "manifest.csv: column 'institution': case 'c1'"),
    "partly given split": ({"split": ""}, "column 'split' (case 'c1'): is empty"),
}


@pytest.mark.parametrize(("cells", "message"), LEAKS.values(), ids=LEAKS.keys())
def test_a_leak_stops_the_conversion_before_anything_is_written(
    tmp_path: Path, cells: dict[str, str], message: str
) -> None:
    write_cohort(tmp_path, {1: cells})
    assert message in refusal(tmp_path)
    assert not (tmp_path / "raw").exists()


def test_an_unknown_roi_is_named_in_its_column(tmp_path: Path) -> None:
    write_cohort(tmp_path, {0: {"image": "scan", "mask": "rs", "roi": "tumour"}})
    write_ct_series(tmp_path / "scan")
    area = square(1, (2.5, 6.5), (1.5, 4.5))
    write_rtstruct(tmp_path / "rs", {"GTV-1": [area]})
    assert "line 2, column 'roi' (case 'c0'): the RTSTRUCT has 1 closed ROI, none named 'tumour'; look" in failed(
        tmp_path
    )
    write_rtstruct(tmp_path / "rs", {"tumour": [area]}, series="another CT")
    assert "line 2, column 'mask' (case 'c0'): the RTSTRUCT was drawn on another CT series" in failed(tmp_path)


def test_the_first_bad_case_is_shown_and_the_others_are_counted(tmp_path: Path) -> None:
    write_cohort(tmp_path, {number: {"mask": f"none{number}.nii.gz"} for number in (1, 2, 3)})
    text = failed(tmp_path)
    assert text.startswith("manifest.csv line 3, column 'mask' (case 'c1')")
    assert "(and 2 more); 1 of 4 cases are converted" in text


def test_one_ct_in_two_formats_is_found_by_its_voxels(tmp_path: Path) -> None:
    write_cohort(tmp_path, {2: {"image": "copy.nrrd"}})
    write_image(tmp_path / "copy.nrrd", make_ct(0))
    text = refusal(tmp_path)
    assert "case 'c0' (line 2, training) and case 'c2' (line 4, external) are the same CT, voxel for voxel" in text
    assert not (tmp_path / "raw" / "Dataset711_AMT" / "dataset.json").exists()


def test_a_ct_without_its_end_slice_is_found_on_the_other_side_of_the_split(tmp_path: Path) -> None:
    """Three of four slices, in another format; the slice of one value, as CTs have at their ends, tells nothing."""
    write_cohort(tmp_path, {2: {"image": "part.nrrd", "mask": "part_mask.nrrd"}})
    write_image(tmp_path / "part.nrrd", make_ct(0)[:3])
    write_image(tmp_path / "part_mask.nrrd", make_mask()[:3])
    assert (
        "case 'c0' (line 2, training) and case 'c2' (line 4, external) have 3 slices of 3 in common, voxel for voxel"
        in refusal(tmp_path)
    )
    blank = [make_ct(number) for number in (0, 9)]
    for ct in blank:
        ct[3] = -1024
    write_image(tmp_path / "ct" / "0.nii.gz", blank[0])
    write_image(tmp_path / "part.nrrd", blank[1])
    write_image(tmp_path / "part_mask.nrrd", make_mask())
    assert run(tmp_path).audit.total[0] == 4


def test_a_full_disk_is_found_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cohort(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(DiskFullError, match="the conversion of 4 cases needs about"):
        run(tmp_path)
    assert not (tmp_path / "raw").exists()


def test_a_disk_that_fills_up_on_the_way_is_no_fault_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip is unpacked beside the dataset; what is then missing is space, not the CT."""
    write_cohort(tmp_path, {0: {"image": "scan.zip", "mask": "scan.zip"}})
    write_ct_series(tmp_path / "scan")
    write_rtstruct(tmp_path / "scan" / "structures", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    shutil.make_archive(str(tmp_path / "scan"), "zip", tmp_path / "scan")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DiskFullError, match=r"\(case 'c0'\): the disk is full"):
            run(tmp_path)
    assert run(tmp_path).converted == 4


def test_an_image_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cohort(tmp_path, {1: {"image": "scan"}})
    write_ct_series(tmp_path / "scan")

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(DicomFolder, "headers", forbidden)
    assert failed(tmp_path).startswith(
        "manifest.csv line 3, column 'image' (case 'c1'): cannot be read (Permission denied)"
    )


def refusal(folder: Path) -> str:
    """Run a conversion that must be refused (exit code 2), and give the message."""
    return _message(folder, BadInputError)


def failed(folder: Path) -> str:
    """Run a conversion of which a case must fail (exit code 1), and give the message."""
    return _message(folder, WorkFailedError)


def _message(folder: Path, kind: type[AMTError]) -> str:
    with pytest.raises(kind) as error:
        run(folder)
    assert "\n" not in str(error.value)
    assert "Patient-" not in str(error.value)
    return str(error.value)
