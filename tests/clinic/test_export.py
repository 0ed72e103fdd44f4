"""From label maps and CT series to objects: which CT a mask belongs to, and what is said of those that fit none."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from nnunet_amt.base.run_record import file_sha256, read_runs
from nnunet_amt.cli.commands import app
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.dataset_conversion.convert_case import voxel_digests
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.mask import open_dicom_mask
from nnunet_amt.images.geometry import Geometry
from tests.clinic.builders import source_series
from tests.clinic.odd_sources import REFUSED_SOURCES, stating
from tests.images.dicom.dicom_fixtures import make_volume, series_uid, write_ct_series


def write_label_map(path: Path, mask: NDArray[np.bool_], grid: Geometry) -> None:
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    grid.set_on(image)
    path.parent.mkdir(exist_ok=True)
    sitk.WriteImage(image, str(path))


def one_lesion() -> NDArray[np.bool_]:
    """24 voxels in slices 2 and 3, and a speck of one voxel in slice 5."""
    mask = np.zeros((6, 10, 12), dtype=bool)
    mask[2:4, 3:6, 4:8] = True
    mask[5, 9, 11] = True
    return mask


def export(tmp_path: Path, *words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["export", str(tmp_path / "predictions"), "-o", str(tmp_path / "out"),
                                    *map(str, words)])  # fmt: skip
    return done.exit_code, done.output


@pytest.fixture
def source(tmp_path: Path) -> SourceSeries:
    source = source_series(tmp_path / "ct")
    write_label_map(tmp_path / "predictions" / "a.nii.gz", one_lesion(), source.series.geometry)
    return source


def read(path: Path, source: SourceSeries, roi: str) -> NDArray[np.uint8]:
    folder = DicomFolder(path)
    return open_dicom_mask(folder, folder.headers(), roi=roi).read(source.geometry).labels


def test_seg_and_rtstruct_hold_the_lesion_and_not_the_speck(tmp_path: Path, source: SourceSeries) -> None:
    code, text = export(tmp_path, "--dicom", tmp_path / "ct", "--as", "seg", "--as", "rtstruct", "--as", "sc")
    assert code == 0, text
    lesion = one_lesion()
    lesion[5] = False
    for name in ("seg", "rtstruct"):
        assert (read(tmp_path / "out" / "a" / f"{name}.dcm", source, "AMT 1") == lesion).all()
    (row,) = csv.DictReader((tmp_path / "out" / "lesions.csv").open())
    assert row["voxels"] == "24"
    assert float(row["volume_cm3"]) == pytest.approx(24 * 0.8 * 0.7 * 2.5 / 1000, abs=5e-4)
    assert row["slice"] == "3"  # the third slice of the stack by its InstanceNumber, that of index 2
    page = dcmread(tmp_path / "out" / "a" / "sc_01.dcm")
    assert page.pixel_array.shape == (page.Rows, page.Columns, 3)


def test_minimum_of_zero_keeps_the_speck(tmp_path: Path, source: SourceSeries) -> None:
    export(tmp_path, "--dicom", tmp_path / "ct", "--minimum-voxels", 0, "--together")
    assert (read(tmp_path / "out" / "a" / "seg.dcm", source, "AMT") == one_lesion()).all()


def test_a_label_map_on_other_axes_is_the_same_mask(tmp_path: Path, source: SourceSeries) -> None:
    """Viewers store label maps as RAS or LAS; the patient is the same."""
    image = sitk.ReadImage(str(tmp_path / "predictions" / "a.nii.gz"))
    sitk.WriteImage(sitk.DICOMOrient(image, "LAS"), str(tmp_path / "predictions" / "a.nii.gz"))
    export(tmp_path, "--dicom", tmp_path / "ct", "--minimum-voxels", 0, "--together")
    assert (read(tmp_path / "out" / "a" / "seg.dcm", source, "AMT") == one_lesion()).all()


def test_slices_stored_from_head_to_feet_give_the_same_mask(tmp_path: Path) -> None:
    """A series whose rows run to the right and columns to the front is turned, not mirrored, by its conversion."""
    turned = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    source = source_series(tmp_path / "ct", orientation=turned)
    mask = one_lesion()
    write_label_map(tmp_path / "predictions" / "a.nii.gz", mask, source.series.geometry)
    export(tmp_path, "--dicom", tmp_path / "ct", "--minimum-voxels", 0, "--together")
    written = read(tmp_path / "out" / "a" / "seg.dcm", source, "AMT")
    assert (written == mask[:, ::-1, ::-1]).all()


def test_two_series_of_one_grid_are_not_guessed_between(tmp_path: Path, source: SourceSeries) -> None:
    """Two reconstructions of one scan share their grid: which one the mask was made of, the grid does not tell."""

    def other(z: int, dataset: Dataset) -> None:
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = series_uid("soft kernel"), f"1.2.3.{z + 1}"

    source_series(tmp_path / "other", change=other)
    code, _ = export(tmp_path, "--dicom", tmp_path / "ct", "--dicom", tmp_path / "other")
    assert code == 1
    assert "2 CT series have its grid" in json.loads((tmp_path / "out" / "refused.json").read_text())["a"]
    assert not (tmp_path / "out" / "a").exists()


def test_a_mask_of_another_ct_stops_no_other(tmp_path: Path, source: SourceSeries) -> None:
    write_label_map(tmp_path / "predictions" / "b.nii.gz", np.ones((7, 10, 12), dtype=bool),
                    Geometry((12, 10, 7), (0.8, 0.7, 2.5), (0.0, 0.0, 0.0), source.geometry.direction))  # fmt: skip
    code, text = export(tmp_path, "--dicom", tmp_path / "ct")
    assert code == 1
    assert "b: not written: b.nii.gz: none of 1 CT series has its grid" in text
    assert (tmp_path / "out" / "a" / "seg.dcm").is_file()


@pytest.mark.parametrize(("empty", "files"), [("nothing", []), ("sc", ["sc_01.dcm"])])
def test_an_empty_mask_writes_what_is_asked_for(tmp_path: Path, empty: str, files: list[str]) -> None:
    source = source_series(tmp_path / "ct")
    write_label_map(tmp_path / "predictions" / "a.nii.gz", np.zeros((6, 10, 12), dtype=bool), source.series.geometry)
    code, text = export(tmp_path, "--dicom", tmp_path / "ct", "--empty", empty)
    assert code == 0
    assert "a: no lesion" in text
    folder = tmp_path / "out" / "a"
    assert ([file.name for file in folder.iterdir()] if folder.exists() else []) == files


def test_objects_do_not_go_among_the_label_maps(tmp_path: Path, source: SourceSeries) -> None:
    code, text = export(tmp_path, "--dicom", tmp_path / "ct", "-o", tmp_path / "predictions")
    assert code == 2
    assert "holds the label maps; give another folder for the objects" in text


def test_a_segmented_case_whose_result_is_damaged_is_told(tmp_path: Path, source: SourceSeries) -> None:
    """Its folder holds a label map, so it was a case: it must not be left out without a word."""
    write_label_map(tmp_path / "predictions" / "b" / "segmentation.nii.gz", one_lesion(), source.series.geometry)
    code, _ = export(tmp_path, "--dicom", tmp_path / "ct")
    assert code == 1
    reason = json.loads((tmp_path / "out" / "refused.json").read_text())["b"]
    assert reason == "its result.json is missing or damaged; segment it again"


def test_again_writes_the_same_bytes(tmp_path: Path, source: SourceSeries) -> None:
    kept = []
    for _ in range(2):
        export(tmp_path, "--dicom", tmp_path / "ct", "--as", "seg", "--as", "rtstruct", "--as", "sc")
        kept.append({file.name: file.read_bytes() for file in (tmp_path / "out" / "a").iterdir()})
    assert sorted(kept[0]) == ["rtstruct.dcm", "sc_01.dcm", "seg.dcm"]
    assert kept[0] == kept[1]


def test_another_moment_is_no_other_object(tmp_path: Path, source: SourceSeries) -> None:
    """A label map that was copied is the same result, and an archive takes one UID for one object."""
    kept = []
    for moment in (1_000_000_000, 1_700_000_000):
        os.utime(tmp_path / "predictions" / "a.nii.gz", (moment, moment))
        export(tmp_path, "--dicom", tmp_path / "ct", "--as", "seg", "--as", "rtstruct", "--as", "sc")
        kept.append({file.name: file.read_bytes() for file in (tmp_path / "out" / "a").iterdir()})
    assert kept[0] == kept[1]


def test_objects_of_a_case_that_is_refused_now_go(tmp_path: Path, source: SourceSeries) -> None:
    export(tmp_path, "--dicom", tmp_path / "ct")
    image = sitk.GetImageFromArray(np.full((6, 10, 12), 3, np.uint8))
    source.series.geometry.set_on(image)
    sitk.WriteImage(image, str(tmp_path / "predictions" / "a.nii.gz"))
    code, _ = export(tmp_path, "--dicom", tmp_path / "ct")
    assert code == 1
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_two_label_maps_of_one_name_stop_only_themselves(tmp_path: Path, source: SourceSeries) -> None:
    for name in ("b.nii", "b.nrrd"):
        write_label_map(tmp_path / "predictions" / name, one_lesion(), source.series.geometry)
    code, text = export(tmp_path, "--dicom", tmp_path / "ct")
    assert code == 1
    assert "case b stands there twice, as b.nii and b.nrrd; remove one" in " ".join(text.split())
    assert (tmp_path / "out" / "a" / "seg.dcm").is_file()
    assert not (tmp_path / "out" / "b").exists()


def test_the_record_has_the_hashes_of_ct_and_objects(tmp_path: Path, source: SourceSeries) -> None:
    export(tmp_path, "--dicom", tmp_path / "ct", "--as", "seg", "--as", "sc")
    (run,) = read_runs(tmp_path / "out")
    for name in ("a/seg.dcm", "a/sc_01.dcm"):
        assert run["outputs"][name]["sha256"] == file_sha256(tmp_path / "out" / name)
    values = make_volume(6, 10, 12)
    assert run["settings"]["ct_sha256"]["a"]["voxels"] == voxel_digests(values)[0]


def test_a_series_that_no_object_can_name_stops_no_other(tmp_path: Path, source: SourceSeries) -> None:
    """Its mask is refused with the reason, as the grid alone would not tell it."""
    write_ct_series(tmp_path / "odd", make_volume(7), change=REFUSED_SOURCES["study UID of 76 characters"][0])
    odd = Geometry((12, 10, 7), (0.8, 0.7, 2.5), source.geometry.origin, source.geometry.direction)
    write_label_map(tmp_path / "predictions" / "b.nii.gz", np.eye(7, 120, dtype=bool).reshape(7, 10, 12), odd)
    code, _ = export(tmp_path, "--dicom", tmp_path / "ct", "--dicom", tmp_path / "odd", "--as", "sr")
    assert code == 1
    assert sorted(path.name for path in (tmp_path / "out" / "a").iterdir()) == ["seg.dcm", "sr.dcm"]
    reason = json.loads((tmp_path / "out" / "refused.json").read_text())["b"]
    assert "1 cannot be used, such as odd: slice 1 has a StudyInstanceUID of 76 characters" in reason


def test_what_the_objects_leave_out_is_told(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct", change=stating(PatientSex="male"))
    write_label_map(tmp_path / "predictions" / "a.nii.gz", one_lesion(), source.series.geometry)
    code, text = export(tmp_path, "--dicom", tmp_path / "ct")
    assert code == 0
    assert "a: the objects leave out PatientSex: the CT's value is none by the standard" in text


def test_noise_is_refused(tmp_path: Path) -> None:
    """3 x 5 x 7 voxels apart from each other; the same mask as one structure can be written."""
    source = source_series(tmp_path / "ct", (6, 10, 14))
    mask = np.zeros((6, 10, 14), dtype=bool)
    mask[::2, ::2, ::2] = True
    write_label_map(tmp_path / "predictions" / "a.nii.gz", mask, source.series.geometry)
    given = ("--dicom", tmp_path / "ct", "--minimum-voxels", 0, "--as")
    code, text = export(tmp_path, *given, "rtstruct")
    assert code == 1
    assert "105 lesions were found" in text
    assert json.loads((tmp_path / "out" / "refused.json").read_text()).keys() == {"a"}
    code, text = export(tmp_path, *given, "rtstruct", "--together")
    assert code == 0, text
    assert (read(tmp_path / "out" / "a" / "rtstruct.dcm", source, "AMT") == mask).all()
    code, text = export(tmp_path, *given, "sc", "--together")  # a page a lesion
    assert code == 1


def test_a_porous_mask_of_one_lesion_is_refused_too(
    tmp_path: Path, source: SourceSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outline takes a kilobyte and more of each pixel's edge: those of 24 voxels, 3 x 4 a slice, are 28."""
    given = ("--dicom", tmp_path / "ct", "--as")
    monkeypatch.setattr("nnunet_amt.clinic.case_objects.MOST_EDGES", 28)
    assert export(tmp_path, *given, "rtstruct")[0] == 0
    monkeypatch.setattr("nnunet_amt.clinic.case_objects.MOST_EDGES", 27)
    code, text = export(tmp_path, *given, "rtstruct")
    assert code == 1
    assert "outlines run along 28 edges of pixels, which is noise more likely than tumours, and at most 27" in text
    assert export(tmp_path, *given, "seg")[0] == 0


def test_what_covers_most_of_a_ct_is_refused(tmp_path: Path) -> None:
    source = source_series(tmp_path / "ct")
    write_label_map(tmp_path / "predictions" / "a.nii.gz", np.ones((6, 10, 12), dtype=bool), source.series.geometry)
    code, text = export(tmp_path, "--dicom", tmp_path / "ct", "--as", "seg")
    assert code == 1
    assert "a: not written: the mask covers 100% of the CT, at most two thirds are plausible; look at it" in text
