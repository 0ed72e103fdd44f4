"""What the studies of risk and lesions need of a dataset: findings in cohort.csv, and a second reader's masks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.cohort import read_manifest
from nnunet_amt.dataset_conversion.public.public_cohort import join_manifests
from nnunet_amt.errors import BadInputError, WorkFailedError
from tests.dataset_conversion.cohort_fixtures import make_mask, write_cohort, write_image
from tests.dataset_conversion.test_manifest2nnunet import results, run
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

pytestmark = pytest.mark.usefixtures("without_figure")


def second_mask() -> np.ndarray:
    """Half of the 24 voxels of `make_mask`: Dice 2 * 12 / (24 + 12) = 2/3."""
    mask = make_mask()
    mask[2] = 0
    return mask


def write_risk_cohort(folder: Path, **cells: str) -> Path:
    """Write a cohort whose case c0 has a second mask, and further cells."""
    write_image(folder / "second" / "0.nii.gz", second_mask())
    return write_cohort(folder, {0: {"mask_2": "second/0.nii.gz", **cells}})


def rows_of(dataset: Path) -> list[dict[str, str]]:
    with (dataset / "cohort.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_findings_and_the_second_mask_go_into_the_dataset(tmp_path: Path) -> None:
    """Columns that say nothing of any case, as contour here, are left out; so are paths."""
    write_risk_cohort(tmp_path, who_type="type b2", contour="", margin="Unclear", clinical_stage="II")
    dataset = run(tmp_path).dataset_folder
    rows = rows_of(dataset)
    assert list(rows[0])[-4:] == ["slice_thickness_mm", "who_type", "margin", "clinical_stage"]
    assert [row["who_type"] for row in rows] == ["B2", "", "", ""]
    assert (rows[0]["margin"], rows[0]["clinical_stage"]) == ("unclear", "II")
    first, second = (sitk.ReadImage(str(dataset / name / "c0.nii.gz")) for name in ("labelsTr", "labelsSecond"))
    assert np.array_equal(sitk.GetArrayFromImage(second), second_mask())
    for get in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(first, get)() == getattr(second, get)()
    assert [path.name for path in (dataset / "labelsSecond").iterdir()] == ["c0.nii.gz"]
    audit = json.loads((dataset / "audit.json").read_text())
    assert audit["dice_of_both_readers_by_case"] == {"c0": pytest.approx(2 / 3)}


def test_diagnosis_location_and_level_go_into_the_dataset(tmp_path: Path) -> None:
    """After the findings; a level keeps its digits, and none was measured of the second case."""
    cells = {
        0: {"who_type": "b2", "diagnosis": "thymoma B2", "location": "Anterior mediastinum", "ctc_level": "12,50"},
        1: {"diagnosis": "bronchogenic cyst", "ctc_level": "not done"},
    }
    write_cohort(tmp_path, cells)
    rows = rows_of(run(tmp_path).dataset_folder)
    assert list(rows[0])[-4:] == ["who_type", "diagnosis", "location", "ctc_level"]
    assert [tuple(row.values())[-3:] for row in rows[:3]] == [
        ("Type B2 thymoma", "anterior", "12.5"),
        ("bronchogenic cyst", "", ""),
        ("", "", ""),
    ]


def test_a_second_mask_takes_pseudonyms_as_the_case_does(tmp_path: Path) -> None:
    write_risk_cohort(tmp_path, who_type="A")
    dataset = run(tmp_path, keep_case_ids=False).dataset_folder
    row = next(row for row in rows_of(dataset) if row["who_type"] == "A")
    assert [path.name for path in (dataset / "labelsSecond").iterdir()] == [f"{row['case_id']}.nii.gz"]


def test_nothing_changes_for_a_manifest_without_these_columns(tmp_path: Path, converted: Path) -> None:
    """Of the same files, a manifest with the columns and nothing in them gives the same dataset, byte for byte."""
    plain = results(converted / "raw" / "Dataset711_AMT")
    assert not any("labelsSecond" in name or b"second" in content for name, content in plain.items())
    for name in ("ct", "masks", "manifest_key.csv"):
        (tmp_path / name).symlink_to(converted / name)
    lines = (converted / "manifest.csv").read_text().splitlines()
    text = [lines[0] + ",who_type,margin,mask_2,clinical_stage", *(line + ",,,," for line in lines[1:])]
    (tmp_path / "manifest.csv").write_text("\n".join(text) + "\n")
    assert results(run(tmp_path).dataset_folder) == plain


def test_a_rerun_keeps_the_second_mask_makes_it_again_and_takes_it_away(tmp_path: Path) -> None:
    manifest = write_risk_cohort(tmp_path, split="training")
    path = run(tmp_path).dataset_folder / "labelsSecond" / "c0.nii.gz"
    made = path.stat().st_mtime_ns
    assert (run(tmp_path).already_done, path.stat().st_mtime_ns) == (4, made)
    path.write_bytes(b"")
    assert run(tmp_path).converted == 1
    assert path.stat().st_size > 0
    text = manifest.read_text()
    manifest.write_text(text.replace("second/0.nii.gz", ""))
    assert run(tmp_path).converted == 1
    assert not path.exists()
    manifest.write_text(text)
    run(tmp_path)
    manifest.write_text("\n".join(line for line in text.splitlines() if not line.startswith("c0,")) + "\n")
    run(tmp_path)
    assert not path.exists()


def test_a_second_mask_of_another_grid_is_refused_by_its_column(tmp_path: Path) -> None:
    write_risk_cohort(tmp_path)
    write_image(tmp_path / "second" / "0.nii.gz", second_mask(), spacing=(0.8, 0.7, 4.0))
    with pytest.raises(WorkFailedError, match=r"line 2, column 'mask_2' \(case 'c0'\): .*grid of the CT: spacing"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("defect", "words"),
    [("absent", "does not exist"), ("empty", "no tumour|empty"), ("other", "other values than 0 .* and 1")],
)
def test_bad_second_masks(tmp_path: Path, defect: str, words: str) -> None:
    write_risk_cohort(tmp_path)
    path = tmp_path / "second" / "0.nii.gz"
    if defect == "absent":
        path.unlink()
    else:
        write_image(path, make_mask() * {"empty": 0, "other": 7}[defect])
    with pytest.raises(WorkFailedError, match=rf"line 2, column 'mask_2' \(case 'c0'\): .*({words})") as caught:
        run(tmp_path)
    assert "0.nii" not in str(caught.value)  # hospitals name files by the patient


def test_a_second_mask_that_is_a_copy_of_the_first_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Agreement of a reader with himself is 1, and would let every feature pass as reproducible."""
    write_risk_cohort(tmp_path)
    write_image(tmp_path / "second" / "0.nii.gz", make_mask())
    run(tmp_path)
    assert "second reader that are the first reader's voxel for voxel: 1 (c0)" in caplog.text


def test_files_of_others_in_the_folder_of_second_masks_are_not_overwritten(tmp_path: Path) -> None:
    write_risk_cohort(tmp_path)
    write_image(tmp_path / "raw" / "Dataset711_AMT" / "labelsSecond" / "c0.nii.gz", make_mask())
    with pytest.raises(BadInputError, match=r"holds labelsSecond/c0\.nii\.gz, which this conversion did not make"):
        run(tmp_path)


def test_second_masks_stay_where_they_are_when_manifests_are_joined(tmp_path: Path) -> None:
    """The joint manifest stands in another folder, and its paths start there."""
    one = write_risk_cohort(tmp_path / "one")
    other = write_cohort(tmp_path / "other", {n: {"case_id": f"d{n}", "patient_id": f"Other-{n}"} for n in range(4)})
    joint = join_manifests([one, other], tmp_path / "joint.csv")
    cases = {case.case_id: case for case in read_manifest(joint).cases}
    assert cases["c0"].mask_2 == tmp_path / "one" / "second" / "0.nii.gz"
    assert cases["c1"].mask_2 is None
    assert cases["d0"].mask_2 is None


def test_two_readers_with_an_rtstruct_each(tmp_path: Path) -> None:
    """The second outline is one voxel narrower: 4 x 3 voxels against 3 x 3, Dice 2 * 9 / (12 + 9)."""
    write_cohort(tmp_path, {0: {"image": "scan", "mask": "one.dcm", "mask_2": "two.dcm"}})
    write_ct_series(tmp_path / "scan")
    write_rtstruct(tmp_path / "one.dcm", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    write_rtstruct(tmp_path / "two.dcm", {"GTV": [square(1, (2.5, 5.5), (1.5, 4.5))]})
    dataset = run(tmp_path).dataset_folder
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(dataset / "labelsSecond" / "c0.nii.gz")))
    assert label.sum() == label[1, 2:5, 3:6].sum() == 9
    audit = json.loads((dataset / "audit.json").read_text())
    assert audit["dice_of_both_readers_by_case"] == {"c0": pytest.approx(18 / 21)}
    write_rtstruct(tmp_path / "two.dcm", {"GTV": [square(1, (2.5, 5.5), (1.5, 4.5))]}, series="another")
    with pytest.raises(WorkFailedError, match=r"line 2, column 'mask_2' \(case 'c0'\): .*series"):
        run(tmp_path)
