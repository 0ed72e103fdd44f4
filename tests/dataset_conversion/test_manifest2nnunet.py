"""The whole conversion: what it writes."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, file_sha256, read_runs
from nnunet_amt.dataset_conversion import ConversionSettings, ConversionSummary, convert
from tests.dataset_conversion.cohort_fixtures import (
    make_ct,
    make_mask,
    write_cohort,
    write_image,
    write_manifest,
)
from tests.images.dicom.dicom_fixtures import make_volume, square, write_ct_series, write_rtstruct

CASE_FILES = {
    "imagesTr/c0_0000.nii.gz",
    "imagesTr/c1_0000.nii.gz",
    "imagesTs/c2_0000.nii.gz",
    "imagesTr/c3_0000.nii.gz",
    "labelsTr/c0.nii.gz",
    "labelsTr/c1.nii.gz",
    "labelsTs/c2.nii.gz",
    "labelsTr/c3.nii.gz",
}
DATASET_FILES = {
    "audit.json",
    "cohort.csv",
    "dataset.json",
    "exclusions.csv",
    "flow.png",
    "flow.svg",
    RECORD_FILE,
    "splits_final.json",
    "cohort_tables.json",
    "table1.csv",
    "table1.md",
    "table2.csv",
    "table2.md",
}


def run(
    folder: Path, raw: str = "raw", jobs: int = 1, progress: Progress = silent, **settings: Any
) -> ConversionSummary:
    """Convert the cohort of `folder`; case ids are kept unless the settings say otherwise."""
    chosen = ConversionSettings(**{"keep_case_ids": True, **settings})
    return convert(folder / "manifest.csv", folder / raw, dataset_id=711, settings=chosen, jobs=jobs, progress=progress)


def contents(dataset: Path) -> dict[str, bytes]:
    """Every file of a dataset, the conversion's notes among them."""
    return {str(path.relative_to(dataset)): path.read_bytes() for path in dataset.rglob("*") if path.is_file()}


def results(dataset: Path) -> dict[str, bytes]:
    """What two conversions must have in common: all but the record, which holds the time."""
    return {name: content for name, content in contents(dataset).items() if name != RECORD_FILE}


def times(dataset: Path) -> dict[str, int]:
    return {name: (dataset / name).stat().st_mtime_ns for name in CASE_FILES}


def test_the_dataset_has_the_layout_that_nnunet_reads(tmp_path: Path) -> None:
    write_cohort(tmp_path)
    summary = run(tmp_path)
    dataset = tmp_path / "raw" / "Dataset711_AMT"
    assert summary.dataset_folder == dataset
    assert (summary.converted, summary.already_done) == (4, 0)
    assert [split.cases for split in summary.audit.splits] == [2, 1, 1]
    records = {f".conversion/c{number}.json" for number in range(4)}
    assert set(contents(dataset)) == CASE_FILES | DATASET_FILES | records
    description = json.loads((dataset / "dataset.json").read_text())
    assert description["channel_names"] == {"0": "CT"}
    assert description["labels"] == {"background": 0, "tumour": 1}
    assert (description["numTraining"], description["file_ending"]) == (3, ".nii.gz")
    assert description["overwrite_image_reader_writer"] == "SimpleITKIO"
    assert description["intensity_floor_hu"] == -1024
    assert description["images_to_predict"].startswith("LPS axes (x to the patient's left")
    assert "plain nnUNetv2_predict does not" in description["images_to_predict"]
    assert json.loads((dataset / "splits_final.json").read_text()) == [{"train": ["c0", "c3"], "val": ["c1"]}]


@pytest.mark.usefixtures("without_figure")
def test_voxels_and_grid_are_those_of_the_input(tmp_path: Path) -> None:
    write_cohort(tmp_path)
    low = make_ct(0)
    low[0, 0, :2] = -3024, -1025
    write_image(tmp_path / "ct" / "0.nii.gz", low)
    dataset = run(tmp_path).dataset_folder
    image = sitk.ReadImage(str(dataset / "imagesTr" / "c0_0000.nii.gz"))
    expected = make_ct(0)
    expected[0, 0, :2] = -1024
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), expected)
    assert image.GetPixelID() == sitk.sitkInt16
    label = sitk.ReadImage(str(dataset / "labelsTr" / "c0.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(label), make_mask())
    assert label.GetPixelID() == sitk.sitkUInt8
    original = sitk.ReadImage(str(tmp_path / "ct" / "0.nii.gz"))
    for written in (image, label):
        np.testing.assert_allclose(written.GetSpacing(), original.GetSpacing(), rtol=1e-6)
        np.testing.assert_allclose(written.GetOrigin(), original.GetOrigin(), rtol=1e-6)
        np.testing.assert_allclose(written.GetDirection(), original.GetDirection(), atol=1e-6)


def test_the_record_tells_the_settings_and_counts_but_not_the_manifest(tmp_path: Path) -> None:
    write_cohort(tmp_path)
    dataset = run(tmp_path, seed=7, key_file=tmp_path / "key_of_qzxv.csv").dataset_folder
    [recorded] = read_runs(dataset)
    assert (recorded["stage"], recorded["seed"]) == ("convert", 7)
    counts = {"cases": 4, "training": 2, "tuning": 1, "external": 1, "excluded": 0, "converted": 4}
    assert recorded["counts"] == counts
    assert recorded["settings"]["external_institutions"] is False
    assert recorded["settings"]["reading"] == {
        "resample_masks": False,
        "resample_tilt": False,
        "keep_intensities": False,
        "interpolate_contours": False,
        "trust_geometry": False,
    }
    assert recorded["inputs"] == {"manifest": {"sha256": file_sha256(tmp_path / "manifest.csv")}}
    hashed = {name: entry["sha256"] for name, entry in recorded["outputs"].items()}
    assert hashed == {name: file_sha256(dataset / name) for name in hashed}
    assert hashed.keys() >= {"cohort.csv", "splits_final.json", "dataset.json", "audit.json"}
    text = (dataset / RECORD_FILE).read_text()
    for word in ("manifest.csv", "key_of_qzxv", "North", "Patient-", str(tmp_path)):
        assert word not in text


def test_the_cohort_file_keeps_what_subgroups_need_and_no_patient(tmp_path: Path) -> None:
    cells = {
        0: {"age": "61", "sex": "female", "histology": "Thymoma", "manufacturer": "TOSHIBA"},
        1: {"slice_thickness_mm": "7"},
    }
    write_cohort(tmp_path, cells)
    dataset = run(tmp_path).dataset_folder
    rows = list(csv.DictReader((dataset / "cohort.csv").open(encoding="utf-8")))
    assert re.fullmatch(r"patient-000[1-4]", rows[0]["patient"])
    assert rows[0] == {
        "case_id": "c0",
        "patient": rows[0]["patient"],
        "institution": "North",
        "split": "training",
        "age": "61",
        "sex": "F",
        "histology": "thymoma",
        "manufacturer": "Canon Medical Systems",
        "slice_thickness_mm": "5",  # from the image
    }
    assert (rows[1]["slice_thickness_mm"], rows[2]["age"]) == ("7", "")
    assert all(b"Patient-" not in content for content in contents(dataset).values())


def test_cts_of_one_patient_share_a_code_which_a_rerun_and_a_further_ct_keep(tmp_path: Path) -> None:
    """c0 and c1 are of one patient. The case ids are the manifest's here; the patient's id is a code even so."""
    cells = {number: {"patient_id": "Patient-one", "split": "training", "institution": "North"} for number in (0, 1)}
    cells[3] = {"split": "tuning"}
    write_cohort(tmp_path, cells)

    def codes() -> dict[str, str]:
        dataset = run(tmp_path).dataset_folder
        assert all(b"Patient-" not in content for content in contents(dataset).values())
        rows = csv.DictReader((dataset / "cohort.csv").open(encoding="utf-8"))
        return {row["case_id"]: row["patient"] for row in rows}

    found = codes()
    assert found["c0"] == found["c1"]
    assert sorted({*found.values()}) == ["patient-0001", "patient-0002", "patient-0003"]
    assert codes() == found
    rows = list(csv.DictReader((tmp_path / "manifest.csv").open(encoding="utf-8")))
    for folder, array in (("ct", make_ct(9)), ("masks", make_mask())):
        write_image(tmp_path / folder / "9.nii.gz", array)
    rows.insert(0, rows[2] | {"case_id": "c9", "image": "ct/9.nii.gz", "mask": "masks/9.nii.gz"})
    write_manifest(tmp_path / "manifest.csv", rows)
    assert codes() == found | {"c9": found["c2"]}


@pytest.mark.usefixtures("without_figure")
def test_excluded_cases_are_counted_by_reason(tmp_path: Path) -> None:
    rows = list(csv.DictReader(write_cohort(tmp_path).open(encoding="utf-8")))
    for number, reason in enumerate(("incomplete CT", "no histology", "incomplete CT")):
        rows.append({"case_id": f"x{number}", "exclusion_reason": reason})
    write_manifest(tmp_path / "manifest.csv", rows)
    summary = run(tmp_path)
    assert summary.excluded == {"incomplete CT": 2, "no histology": 1}
    text = (summary.dataset_folder / "exclusions.csv").read_text()
    assert text == "reason,cases\nincomplete CT,2\nno histology,1\n"


@pytest.mark.usefixtures("without_figure")
def test_without_a_split_column_the_small_institution_is_external(tmp_path: Path) -> None:
    write_cohort(tmp_path, {number: {"split": ""} for number in range(4)})
    dataset = run(tmp_path).dataset_folder
    assert [path.name for path in (dataset / "imagesTs").iterdir()] == ["c2_0000.nii.gz"]
    [fold] = json.loads((dataset / "splits_final.json").read_text())
    assert (len(fold["train"]), len(fold["val"])) == (2, 1)


def test_a_case_without_a_tumour_is_a_case_with_an_empty_reference(tmp_path: Path) -> None:
    """c4 of training and c5 of the test set show no tumour; an empty mask may be given too."""
    rows = list(csv.DictReader(write_cohort(tmp_path).open(encoding="utf-8")))
    for number, split, institution, mask in ((4, "training", "North", ""), (5, "external", "East", "empty.nii.gz")):
        image = write_image(tmp_path / "ct" / f"{number}.nii.gz", make_ct(number)).relative_to(tmp_path)
        ids = {"case_id": f"c{number}", "patient_id": f"Patient-{number}", "institution": institution}
        rows.append(ids | {"image": str(image), "mask": mask, "split": split, "no_tumour": "yes"})
    write_image(tmp_path / "empty.nii.gz", make_mask() * 0)
    write_manifest(tmp_path / "manifest.csv", rows)
    summary = run(tmp_path)
    dataset = summary.dataset_folder
    assert [split.without_tumour for split in summary.audit.splits] == [1, 0, 1]
    for name in ("labelsTr/c4.nii.gz", "labelsTs/c5.nii.gz"):
        label = sitk.ReadImage(str(dataset / name))
        assert not sitk.GetArrayViewFromImage(label).any()
        assert label.GetSize() == (11, 9, 4)
    table = list(csv.DictReader((dataset / "cohort.csv").open(encoding="utf-8")))
    assert [row["no_tumour"] for row in table] == ["no", "no", "no", "no", "yes", "yes"]
    description = json.loads((dataset / "dataset.json").read_text())
    assert (description["cases_without_tumour"], description["numTraining"]) == (2, 4)
    assert "Labels without a tumour are empty (no_tumour in cohort.csv)." in description["description"]
    audit = json.loads((dataset / "audit.json").read_text())
    assert {split: row["without_tumour"] for split, row in audit["splits"].items()} == {
        "training": 1,
        "tuning": 0,
        "external": 1,
    }
    assert read_runs(dataset)[-1]["counts"]["without_tumour"] == 2
    assert (dataset / "flow.svg").read_text().count(" without a tumour") == 4  # of all and of each split
    assert "without a tumour" in (dataset / "table1.md").read_text()
    assert run(tmp_path).already_done == 6


def test_dicom_and_rtstruct_in_one_zip(tmp_path: Path) -> None:
    """The headers carry a planted name and id: no byte that is written may hold them, nor a UID or a path."""
    cells = {0: {"image": "scan.zip", "mask": "scan.zip", "roi": "GTV.*", "patient_id": "planted-id"}}
    write_cohort(tmp_path, cells)
    write_ct_series(tmp_path / "scan")
    write_rtstruct(tmp_path / "scan" / "structures", {"GTV-1": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    shutil.make_archive(str(tmp_path / "scan"), "zip", tmp_path / "scan")
    dataset = run(tmp_path).dataset_folder
    image = sitk.ReadImage(str(dataset / "imagesTr" / "c0_0000.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), make_volume())
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(dataset / "labelsTr" / "c0.nii.gz")))
    assert label.sum() == label[1, 2:5, 3:7].sum() == 12
    row = next(csv.DictReader((dataset / "cohort.csv").open(encoding="utf-8")))
    assert (row["manufacturer"], row["slice_thickness_mm"]) == ("Siemens", "2.5")
    for name, content in contents(dataset).items():
        plain = gzip.decompress(content) if name.endswith(".gz") else content
        for planted in (b"planted", b"Planted", b"1.2.826", str(tmp_path).encode()):
            assert planted not in plain


@pytest.mark.usefixtures("without_figure")
def test_progress_is_reported_for_every_case(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    write_cohort(tmp_path)
    run(tmp_path, progress=lambda *step: seen.append(step))
    steps = range(5)
    stages = ("looking for files", "checking headers", "converting cases")
    assert seen == [(done, 4, what) for what in stages for done in steps]
