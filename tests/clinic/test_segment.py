"""New patients' CTs through a model: which are taken, what the network is given, and what is written.

The model is played by one that takes everything above 0 HU for tumour.
"""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.clinic.model_source import trained_on
from nnunet_amt.clinic.page_viewer import worth_seeing
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.mask import open_dicom_mask
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.nnunet.network_grid import Prediction
from nnunet_amt.study.settings import StudySettings, write_settings
from tests.clinic.odd_sources import REFUSED_SOURCES, stating
from tests.conftest import TINY_DATASET, set_nnunet_folders
from tests.images.dicom.dicom_fixtures import series_uid, write_ct_series, write_other
from tests.images.dicom.seg_fixtures import as_source
from tests.models.model_fixtures import write_model


@dataclass
class FakeModel:
    """What it was given, one after the other."""

    seen: list[NDArray] = field(default_factory=list)
    share: float | None = None

    def prepare(self, values: NDArray, spacing: tuple[float, ...]) -> NDArray:
        return values

    def logits(self, values: NDArray) -> NDArray:
        self.seen.append(values)
        return values

    def share_asked(self, logits: NDArray) -> float | None:
        return self.share

    def finish(self, logits: NDArray, values: NDArray, *, probabilities: bool) -> Prediction:
        above = (values > 0).astype(np.uint8)
        return Prediction(above, above * np.uint8(204))  # 204 of 255 is 0.8


def chest() -> NDArray[np.int16]:
    """Lung, fat and soft tissue by layers along z, and a block of 3 x 4 x 2 voxels above 0 HU at a corner."""
    volume = np.full((8, 10, 12), -800, np.int16)
    volume[2:6] = -100
    volume[4:] = -20
    volume[5:7, 1:5, 2:5] = 40
    return volume + np.random.default_rng(0).integers(-15, 15, volume.shape).astype(np.int16)


@pytest.fixture
def model(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    write_model(tmp_path / "results", planned_base)
    fake = FakeModel()
    monkeypatch.setattr("nnunet_amt.clinic.segment.load_model", lambda *_, **__: fake)
    return fake


def write_series(folder: Path, **options: object) -> None:
    write_ct_series(folder, chest(), change=as_source, **options)  # type: ignore[arg-type]


def segment(tmp_path: Path, *words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["segment", *map(str, words), "-o", str(tmp_path / "out"), "--device", "cpu"])
    return done.exit_code, done.output


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_dicom_nifti_and_what_dcm2niix_writes_are_one_ct(tmp_path: Path, model: FakeModel) -> None:
    """The network sees the same voxels, and each result lies on the axes of its own input."""
    write_series(tmp_path / "dicom")
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "dicom"))
    image = sitk.Cast(sitk.ReadImage(list(names)), sitk.sitkInt16)
    sitk.WriteImage(image, str(tmp_path / "lps.nii.gz"))
    sitk.WriteImage(sitk.DICOMOrient(image, "LAS"), str(tmp_path / "las_0000.nii.gz"))
    code, text = segment(tmp_path, tmp_path / "dicom", tmp_path / "lps.nii.gz", tmp_path / "las_0000.nii.gz")
    assert code == 0, text
    assert len(model.seen) == 3
    assert all((seen == model.seen[0]).all() for seen in model.seen)
    expected = sitk.GetArrayFromImage(image) > 0
    for case in ("dicom", "lps", "las"):
        written = sitk.ReadImage(str(tmp_path / "out" / case / "segmentation.nii.gz"))
        turned = sitk.DICOMOrient(written, "LPS")
        assert (sitk.GetArrayFromImage(turned) == expected).all()
    las = sitk.ReadImage(str(tmp_path / "out" / "las" / "segmentation.nii.gz"))
    assert sitk.DICOMOrientImageFilter_GetOrientationFromDirectionCosines(las.GetDirection()) == "LAS"


def test_lesions_objects_and_page(tmp_path: Path, model: FakeModel) -> None:
    write_series(tmp_path / "patient")
    code, text = segment(tmp_path, tmp_path / "patient", "--as", "seg", "--as", "rtstruct", "--as", "sc")
    assert code == 0, text
    (row,) = rows(tmp_path / "out" / "lesions.csv")
    assert (row["case_id"], row["voxels"], row["score"]) == ("patient", "24", "0.800")
    assert float(row["volume_cm3"]) == pytest.approx(24 * 0.8 * 0.7 * 2.5 / 1000, abs=5e-4)
    folder = tmp_path / "out" / "patient"
    assert {path.name for path in folder.iterdir()} == {
        "segmentation.nii.gz", "probabilities.nii.gz", "overview.png", "ct_crop.nii.gz", "result.json", "seg.dcm",
        "rtstruct.dcm", "sc_01.dcm",
    }  # fmt: skip
    assert pydicom.dcmread(folder / "seg.dcm").Modality == "SEG"
    page = (tmp_path / "out" / "index.html").read_text()
    assert "patient: 1 lesion" in page
    assert "Research use only" in page


def test_what_is_no_case_is_listed_and_stops_no_other(tmp_path: Path, model: FakeModel) -> None:
    """A folder of notes, a report of the CT and a CT that is not in HU stand beside a good one."""
    write_series(tmp_path / "in" / "good")
    write_other(tmp_path / "in" / "report.dcm", "SR", "1.2.840.10008.5.1.4.1.1.88.22")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("x")
    image = sitk.GetImageFromArray(chest() + np.int16(3000))
    sitk.WriteImage(image, str(tmp_path / "shifted.nii.gz"))
    code, text = segment(tmp_path, tmp_path / "in", tmp_path / "notes", tmp_path / "shifted.nii.gz")
    assert code == 1, text  # a CT is among them
    states = {row["case_id"]: (row["state"], row["note"]) for row in rows(tmp_path / "out" / "cases.csv")}
    assert states["good"] == ("segmented", "")
    assert states["in"] == ("not taken", "what lies beside its CT: 1 SR")
    assert states["notes"] == ("not taken", "holds no DICOM file")
    assert states["shifted.nii.gz"][0] == "not taken"
    assert "above 800" in states["shifted.nii.gz"][1]
    assert "not taken: notes: holds no DICOM file" in text


def test_two_series_of_one_folder_are_two_cases(tmp_path: Path, model: FakeModel) -> None:
    write_series(tmp_path / "study", series="one")
    write_series(tmp_path / "study", series="two")
    segment(tmp_path, tmp_path / "study")
    names = [row["case_id"] for row in rows(tmp_path / "out" / "cases.csv")]
    assert [name.rpartition("-")[0] for name in names] == ["study", "study"]
    assert len(set(names)) == 2


def test_two_patients_never_meet_in_one_folder(tmp_path: Path, model: FakeModel) -> None:
    """Their folders are called alike, and are given in another order the next time, and one alone."""
    write_series(tmp_path / "one" / "CT", series="one")
    write_series(tmp_path / "two" / "CT", series="two")
    folders = [tmp_path / "one" / "CT", tmp_path / "two" / "CT"]
    segment(tmp_path, *folders, "--as", "seg")
    found = {row["source"]: row["case_id"] for row in rows(tmp_path / "out" / "cases.csv")}
    _, text = segment(tmp_path, *folders[::-1], "--as", "seg")
    assert "segmented 0 now, 2 before" in text
    assert {row["source"]: row["case_id"] for row in rows(tmp_path / "out" / "cases.csv")} == found
    segment(tmp_path, folders[0])
    segment(tmp_path, folders[1])
    sources = {row["case_id"]: row["source"] for row in rows(tmp_path / "out" / "cases.csv")}
    assert sources == {**{name: source for source, name in found.items()}, "CT": str(folders[0])}


def test_the_same_ct_twice_is_one_case(tmp_path: Path, model: FakeModel) -> None:
    write_series(tmp_path / "a")
    write_series(tmp_path / "copy")
    code, text = segment(tmp_path, tmp_path / "a", tmp_path / "copy")
    assert code == 0
    assert f"not taken: copy: is the same CT as {tmp_path / 'a'}" in text
    assert len(model.seen) == 1


def test_tables_and_page_keep_the_cases_of_earlier_runs(tmp_path: Path, model: FakeModel) -> None:
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", series="other")
    segment(tmp_path, tmp_path / "a")
    segment(tmp_path, tmp_path / "b")
    assert [row["case_id"] for row in rows(tmp_path / "out" / "lesions.csv")] == ["a", "b"]
    assert 'id="a"' in (tmp_path / "out" / "index.html").read_text()


def test_objects_of_an_earlier_mask_go(tmp_path: Path, model: FakeModel) -> None:
    write_series(tmp_path / "a")
    segment(tmp_path, tmp_path / "a", "--as", "seg", "--as", "sc")
    segment(tmp_path, tmp_path / "a", "--as", "rtstruct")
    assert sorted(path.name for path in (tmp_path / "out" / "a").glob("*.dcm")) == ["rtstruct.dcm"]


def test_zips_in_a_folder_are_looked_into(tmp_path: Path, model: FakeModel) -> None:
    """As a PACS exports many patients: a zip each, beside a file, and one that is no zip."""
    for name, study in (("one", "1"), ("two", "2")):
        write_series(tmp_path / study, series=f"series of {name}")
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for path in (tmp_path / study).iterdir():
                archive.write(path, path.name)
        (tmp_path / "given").mkdir(exist_ok=True)
        (tmp_path / f"{name}.zip").rename(tmp_path / "given" / f"{name}.zip")
    (tmp_path / "given" / "read me.txt").write_text("of the PACS")
    with zipfile.ZipFile(tmp_path / "given" / "papers.zip", "w") as archive:
        archive.writestr("a.txt", "no CT")
    code, text = segment(tmp_path, tmp_path / "given")
    assert code == 0, text
    assert "not taken: papers.zip: holds no DICOM file" in text
    (tmp_path / "given" / "bad.zip").write_bytes(b"PK\x03\x04" + bytes(200))
    code, text = segment(tmp_path, tmp_path / "given")
    assert code == 1
    assert "not taken: bad.zip: is a zip whose end is cut off" in text
    segmented = [row["case_id"] for row in rows(tmp_path / "out" / "cases.csv") if row["state"] == "segmented"]
    assert segmented == ["one", "two"]


def test_a_zip_that_is_cut_off_is_called_so(tmp_path: Path, model: FakeModel) -> None:
    write_series(tmp_path / "a")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04" + bytes(200))
    code, text = segment(tmp_path, tmp_path / "a", tmp_path / "cut.zip")
    assert code == 1
    assert "not taken: cut.zip: is a zip whose end is cut off; copy it again" in text


def test_again_does_only_what_is_missing(tmp_path: Path, model: FakeModel) -> None:
    """Also after a kill between two files of a case: the file that says that it is done comes last."""
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", series="other")
    segment(tmp_path, tmp_path / "a", tmp_path / "b")
    (tmp_path / "out" / "b" / "result.json").unlink()
    _, text = segment(tmp_path, tmp_path / "a", tmp_path / "b")
    assert len(model.seen) == 3
    assert "segmented 1 now, 1 before" in text
    assert [row["case_id"] for row in rows(tmp_path / "out" / "lesions.csv")] == ["a", "b"]


def test_another_option_or_another_ct_of_the_name_is_done_anew(tmp_path: Path, model: FakeModel) -> None:
    write_series(tmp_path / "a")
    segment(tmp_path, tmp_path / "a")
    segment(tmp_path, tmp_path / "a", "--as", "seg")
    assert (tmp_path / "out" / "a" / "seg.dcm").is_file()
    assert len(model.seen) == 2


def test_it_is_said_where_the_network_was_asked(tmp_path: Path, model: FakeModel) -> None:
    """Of a model that is asked between the lungs alone."""
    write_series(tmp_path / "ct")
    model.share = 0.25
    segment(tmp_path, tmp_path / "ct")
    [row] = rows(tmp_path / "out" / "cases.csv")
    assert row["note"] == "the network was asked in 25% of the CT, between the lungs, and nowhere else"
    assert row["note"] in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_a_file_gets_no_dicom_and_says_so(tmp_path: Path, model: FakeModel) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(chest()), str(tmp_path / "a.nrrd"))
    segment(tmp_path, tmp_path / "a.nrrd", "--as", "seg")
    (row,) = rows(tmp_path / "out" / "cases.csv")
    assert row["note"] == "no DICOM objects of this CT: it is no DICOM series"


@pytest.mark.parametrize("rows_a_slice", [2.0, 1.2])
def test_objects_of_a_tilted_gantry_lie_on_the_scanners_slices(
    tmp_path: Path, model: FakeModel, rows_a_slice: float
) -> None:
    """Moved by whole rows a mask is exact; by 1.2 each pixel has the nearest of the straightened grid."""
    positions = [(-10.0, -20.0 + z * rows_a_slice * 0.7, 100.0 + 2.5 * z) for z in range(8)]
    write_series(tmp_path / "tilted", positions=positions)
    code, text = segment(tmp_path, tmp_path / "tilted", "--resample-tilt", "--as", "seg", "--as", "rtstruct")
    assert code == 0, text
    (row,) = rows(tmp_path / "out" / "cases.csv")
    assert row["note"] == "DICOM objects: drawn on the straightened CT, each slice moved back by whole pixels"
    straight = sitk.ReadImage(str(tmp_path / "out" / "tilted" / "segmentation.nii.gz"))
    labels = sitk.GetArrayFromImage(straight)
    expected = np.stack([
        plane[(top := int(np.floor(z * rows_a_slice + 0.5))) : top + 10] for z, plane in enumerate(labels)
    ])  # fmt: skip
    if rows_a_slice == 2.0:
        assert (expected == (chest() > 0)).all()
    seg = pydicom.dcmread(tmp_path / "out" / "tilted" / "seg.dcm")
    frames = {
        round((frame.PlanePositionSequence[0].ImagePositionPatient[2] - 100) / 2.5): (pixels, frame)
        for pixels, frame in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True)
    }
    for z, (pixels, frame) in frames.items():
        assert (pixels == expected[z]).all()
        assert frame.PlanePositionSequence[0].ImagePositionPatient == pytest.approx(positions[z])
    assert sum(pixels.sum() for pixels, _ in frames.values()) == expected.sum()
    folder = DicomFolder(tmp_path / "out" / "tilted" / "rtstruct.dcm")
    back = open_dicom_mask(folder, folder.headers(), roi="AMT 1").read(Geometry.of(straight)).labels
    assert (back == labels).all()


def test_a_damaged_file_of_an_earlier_case_costs_its_place_in_the_viewer_and_no_more(
    tmp_path: Path, model: FakeModel, caplog: pytest.LogCaptureFixture
) -> None:
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", series="other")
    segment(tmp_path, tmp_path / "a")
    (tmp_path / "out" / "a" / "ct_crop.nii.gz").write_bytes(b"no image")
    code, text = segment(tmp_path, tmp_path / "b")
    assert code == 0, text
    page = (tmp_path / "out" / "index.html").read_text()
    assert ('id="view-a"' in page, 'id="view-b"' in page) == (False, True)
    assert "1 of the cases has only a picture" in page
    assert "a: only a picture of it is on the page" in caplog.text
    (tmp_path / "out" / "b" / "ct_crop.nii.gz").write_bytes(b"no image")
    assert segment(tmp_path, tmp_path / "b")[0] == 0
    assert 'id="look"' not in (tmp_path / "out" / "index.html").read_text()


def test_where_a_case_came_from_is_said_for_any_folder(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`export` looks for the series there, and may run in another folder."""
    write_series(tmp_path / "in" / "a")
    monkeypatch.chdir(tmp_path / "in")
    assert segment(tmp_path, ".")[0] == 0
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["export", str(tmp_path / "out"), "-o", str(tmp_path / "objects")])
    assert done.exit_code == 0, done.output
    assert rows(tmp_path / "out" / "cases.csv")[0]["source"] == str(tmp_path / "in" / "a")


def test_specks_do_not_widen_what_the_page_shows() -> None:
    """A voxel of noise in a far corner is no lesion; what half the threshold would find as one is shown."""
    mask, levels = np.zeros((9, 9, 9), bool), np.zeros((9, 9, 9), np.uint8)
    mask[4:6, 4:6, 4:6], levels[4:6, 4:6, 4:7], levels[0, 0, 0], mask[8, 8, 8] = True, 70, 255, True
    shown = worth_seeing(mask, levels, minimum_voxels=4)
    assert np.argwhere(shown).min(axis=0).tolist() == [4, 4, 4]
    assert np.argwhere(shown).max(axis=0).tolist() == [5, 5, 6]


def test_what_was_segmented_is_exported_to_its_own_series(tmp_path: Path, model: FakeModel) -> None:
    """Two reconstructions have one grid, but each case knows which of them it is of; the objects are the same ones."""
    write_series(tmp_path / "soft", series="soft")
    write_series(tmp_path / "sharp", series="sharp")
    sitk.WriteImage(sitk.GetImageFromArray(chest()), str(tmp_path / "file.nrrd"))
    segment(tmp_path, tmp_path / "soft", tmp_path / "sharp", tmp_path / "file.nrrd", "--as", "seg")
    words = ["export", str(tmp_path / "out"), "-o", str(tmp_path / "objects"), "--as", "seg"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1  # there is no series of a file
    for case in ("soft", "sharp"):
        one, other = (pydicom.dcmread(tmp_path / folder / case / "seg.dcm") for folder in ("out", "objects"))
        assert one.SOPInstanceUID == other.SOPInstanceUID
        assert one.ReferencedSeriesSequence[0].SeriesInstanceUID == series_uid(case)
    lesions = rows(tmp_path / "objects" / "lesions.csv")
    assert lesions == [row for row in rows(tmp_path / "out" / "lesions.csv") if row["case_id"] != "file"]


def test_a_stack_of_coronal_slices_names_its_own_slice(tmp_path: Path, model: FakeModel) -> None:
    """Slice 5 of the coronal stack, whose y is the axis of the slices, holds most of the block."""
    orientation = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    write_series(
        tmp_path / "coronal", orientation=orientation, positions=[(0.0, 2.5 * z, 0.0) for z in range(8)],
    )  # fmt: skip
    segment(tmp_path, tmp_path / "coronal", "--as", "sc")
    (row,) = rows(tmp_path / "out" / "lesions.csv")
    assert row["slice"] == "6"  # from 1: the block is in slices 5 and 6 of 0 to 7
    assert float(row["centre_y_mm"]) == pytest.approx(2.5 * 5.5)


def test_a_tilted_ct_is_taken_with_the_option_alone(tmp_path: Path, model: FakeModel) -> None:
    """Its structured report stands on the SEG, which lies on the scanner's slices."""
    tilted = [(-10.0, -20.0 + 0.8 * z, 2.5 * z) for z in range(8)]
    write_series(tmp_path / "a", positions=tilted)
    code, text = segment(tmp_path, tmp_path / "a", "--as", "seg")
    assert code == 2
    assert "--resample-tilt" in text
    code, text = segment(tmp_path, tmp_path / "a", "--as", "sr", "--resample-tilt")
    assert code == 0, text
    (row,) = rows(tmp_path / "out" / "cases.csv")
    assert row["note"] == "DICOM objects: drawn on the straightened CT, each slice moved back by whole pixels"
    assert sorted(path.name for path in (tmp_path / "out" / "a").glob("*.dcm")) == ["seg.dcm", "sr.dcm"]


@pytest.mark.parametrize("kinds", [["--as", "seg", "--as", "rtstruct"], []])
def test_a_ct_that_no_object_can_name_is_segmented_all_the_same(
    tmp_path: Path, model: FakeModel, kinds: list[str]
) -> None:
    write_ct_series(tmp_path / "a", chest(), change=REFUSED_SOURCES["study UID of 76 characters"][0])
    code, text = segment(tmp_path, tmp_path / "a", *kinds)
    assert code == 0, text
    (row,) = rows(tmp_path / "out" / "cases.csv")
    assert row["state"] == "segmented"
    assert ("no DICOM objects: a: slice 1 has a StudyInstanceUID of 76 characters" in row["note"]) == bool(kinds)
    assert rows(tmp_path / "out" / "lesions.csv")[0]["voxels"] == "24"


def test_what_objects_leave_out_is_told(tmp_path: Path, model: FakeModel) -> None:
    write_ct_series(
        tmp_path / "a",
        chest(),
        change=stating(StudyInstanceUID="1.2.3.4", FrameOfReferenceUID="1.2.3.5", PatientSex="male"),
    )
    segment(tmp_path, tmp_path / "a", "--as", "seg")
    (row,) = rows(tmp_path / "out" / "cases.csv")
    assert row["note"] == "the objects leave out PatientSex: the CT's value is none by the standard"


def test_a_structured_report_on_request(tmp_path: Path, model: FakeModel) -> None:
    write_series(tmp_path / "a")
    segment(tmp_path, tmp_path / "a", "--as", "sr")
    assert sorted(path.name for path in (tmp_path / "out" / "a").glob("*.dcm")) == ["seg.dcm", "sr.dcm"]


def test_an_exported_zip_is_a_model(tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """As nnUNetv2_export_model_to_zip lays it out: the dataset's folder above the model's."""
    write_series(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        for path in (tmp_path / "results").rglob("*"):
            archive.write(path, path.relative_to(tmp_path / "results"))
    monkeypatch.delenv("nnUNet_results")
    code, text = segment(tmp_path, tmp_path / "a", "--model", tmp_path / "model.zip")
    assert code == 0, text
    result = json.loads((tmp_path / "out" / "a" / "result.json").read_text())
    assert len(result["model_sha256"]) == 64
    words = ["--model", tmp_path / "model.zip", "--executor", "dask://127.0.0.1:1"]
    code, text = segment(tmp_path, tmp_path / "a", *words)
    assert code == 2
    assert "unpack it into a folder that all of them see" in " ".join(text.split())


def test_a_study_is_a_model(tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever ran a study need not know where nnU-Net keeps its model."""
    write_series(tmp_path / "a")
    study = tmp_path / "study"
    study.mkdir()
    write_settings(study, StudySettings().changed({"study": {"name": TINY_DATASET.removeprefix("Dataset711_")}}))
    (tmp_path / "results").rename(study / "nnUNet_results")
    monkeypatch.delenv("nnUNet_results")
    code, text = segment(tmp_path, tmp_path / "a", "--model", study)
    assert code == 0, text


def test_a_folder_of_models_names_those_in_it(tmp_path: Path, model: FakeModel) -> None:
    """Such as nnUNet_results, or that of a dataset in it."""
    write_series(tmp_path / "a")
    code, text = segment(tmp_path, tmp_path / "a", "--model", tmp_path / "results")
    assert code == 2
    assert "is no folder of a model; give one of those below it: " in text
    assert "nnUNetTrainerAMT__nnUNetAMTPlans__3d_fullres" in text


@pytest.mark.parametrize("given", ["missing", "empty folder", "no model"])
def test_one_line_for_what_cannot_be_used(tmp_path: Path, model: FakeModel, given: str) -> None:
    (tmp_path / "empty folder").mkdir()
    write_series(tmp_path / "a")
    words = [tmp_path / given] if given != "no model" else [tmp_path / "a", "--model", tmp_path / "empty folder"]
    code, text = segment(tmp_path, *words)
    assert code == 2
    (line,) = [line for line in text.splitlines() if line.startswith("error:")]
    assert line


def test_noise_is_shown_and_does_not_become_objects(tmp_path: Path, model: FakeModel) -> None:
    """4 x 5 x 6 voxels apart from each other: no mask of a hundred lesions is a result that an archive should get."""
    volume = chest()
    volume[volume > 0] = -20
    volume[::2, ::2, ::2] = 40
    write_ct_series(tmp_path / "a", volume, change=as_source)
    kinds = ("--as", "seg", "--as", "sc", "--minimum-voxels", "0")
    code, text = segment(tmp_path, tmp_path / "a", *kinds)
    assert code == 0, text
    why = (
        "no DICOM objects: 120 lesions were found, which is noise more likely than tumours, and at "
        "most 99 are written; look at the mask, and raise --minimum-voxels or choose an operating point"
    )
    [row] = rows(tmp_path / "out" / "cases.csv")
    assert row["note"] == why
    assert f"a: {why}" in text
    assert len(rows(tmp_path / "out" / "lesions.csv")) == 120
    assert not list((tmp_path / "out" / "a").glob("*.dcm"))


def test_a_model_of_phantoms_says_so_of_a_patient(tmp_path: Path, model: FakeModel) -> None:
    """On the screen, in the table, on the page and in the archive; and the page names the model."""
    (folder,) = {path.parent for path in (tmp_path / "results").rglob("dataset.json")}
    description = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**description, "subjects": "phantoms"}))
    write_series(tmp_path / "ct")
    code, text = segment(tmp_path, tmp_path / "ct", "--as", "seg", "--as", "sc")
    assert code == 0, text
    assert "ct: the model was trained on phantoms, on no patient" in text
    [row] = rows(tmp_path / "out" / "cases.csv")
    assert row["note"] == "the model was trained on phantoms, on no patient"
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "The model was trained on phantoms, on no patient." in page
    assert "Segmented by nnUNetTrainerAMT, weights of the SHA-256 " in page
    written = pydicom.dcmread(tmp_path / "out" / "ct" / "seg.dcm")
    assert written.SeriesDescription == "AMT segments (research only, model of phantoms)"


@pytest.mark.parametrize(
    ("subjects", "told"),
    [("Phantoms", "phantoms"), ("patients", ""), ("patients and phantoms", ""), ("mice", "mice"), (None, "")],
)
def test_a_model_that_has_seen_patients_is_not_said_to_have_seen_none(
    tmp_path: Path, subjects: str | None, told: str
) -> None:
    """Nor is one of which nothing is on record."""
    (tmp_path / "dataset.json").write_text(json.dumps({} if subjects is None else {"subjects": subjects}))
    assert trained_on(tmp_path / "fold_0" / "checkpoint_best.pth") == told
