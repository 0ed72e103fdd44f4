"""Files beside the images: cases that cannot be converted, and what becomes of the cohort; audit.json."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.base.run_record import read_runs
from nnunet_amt.cohort import audit_splits
from nnunet_amt.dataset_conversion import ConversionSettings, case_source, convert
from nnunet_amt.dataset_conversion.convert_case import CaseJob, CaseRecord, convert_case
from nnunet_amt.dataset_conversion.dataset_files import (
    AUDIT_COLUMNS,
    audit_checks,
    audit_rows,
    interpolated_in_words,
    write_audit,
)
from nnunet_amt.errors import BadInputError, DiskFullError, ManifestError, WorkFailedError
from nnunet_amt.images.image_file import ReadingOptions, open_image_file
from tests.cohort.test_audit import CLEAN
from tests.dataset_conversion.cohort_fixtures import SPACING, make_mask, write_cohort, write_image
from tests.dataset_conversion.test_manifest2nnunet import CASE_FILES, contents, run
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

pytestmark = pytest.mark.usefixtures("without_figure")

C3_FILES = {"imagesTr/c3_0000.nii.gz", "labelsTr/c3.nii.gz"}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_cohort_with_bad_case(folder: Path) -> None:
    """c3, in line 5, has an empty mask, in a file that is called by the patient's name."""
    write_cohort(folder, {3: {"mask": "masks/Meier_Anna.nii.gz"}})
    write_image(folder / "masks" / "Meier_Anna.nii.gz", make_mask() * 0)


def test_a_failed_case_is_recorded_and_the_others_are_kept(tmp_path: Path) -> None:
    write_cohort_with_bad_case(tmp_path)
    with pytest.raises(WorkFailedError) as error:
        run(tmp_path)
    assert error.value.exit_code == 1
    assert (
        f"3 of 4 cases are converted, 1 failed ({tmp_path / 'manifest_failures.csv'} lists it): mend the case"
        in str(error.value)
    )
    [row] = rows_of(tmp_path / "manifest_failures.csv")
    assert (row["line"], row["case_id"]) == ("5", "c3")
    assert row["message"].endswith(
        "is empty, no voxel is tumour; draw it or give the case an exclusion_reason, or no_tumour = yes if the CT "
        "shows none"
    )
    write_image(tmp_path / "masks" / "Meier_Anna.nii.gz", make_mask())
    summary = run(tmp_path)
    assert (summary.converted, summary.already_done, summary.refused) == (1, 3, ())
    assert not (tmp_path / "manifest_failures.csv").exists()
    assert not (summary.dataset_folder / "failures.csv").exists()


@pytest.mark.parametrize("cells", [{"image": "none.nii.gz"}, {"image": "scan", "mask": "rs", "roi": "tumour"}])
def test_missing_files_and_rois_are_listed_before_any_case_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, cells: dict[str, str]
) -> None:
    """Who mistypes a path or a name must not learn it after a night."""
    write_ct_series(tmp_path / "scan")
    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    write_cohort(tmp_path, {1: cells, 3: {"mask": "none.nii.gz"}})
    listed_at_first = []

    def see(job: CaseJob) -> CaseRecord:
        listed_at_first.append([row["case_id"] for row in rows_of(tmp_path / "manifest_failures.csv")])
        return convert_case(job)

    monkeypatch.setattr("nnunet_amt.dataset_conversion.convert_cases.convert_case", see)
    with pytest.raises(WorkFailedError, match="2 of 4 cases are converted, 2 failed"):
        run(tmp_path)
    assert listed_at_first == [["c1", "c3"]] * 2
    assert f"failed so far: 2 of 4 cases, listed in {tmp_path / 'manifest_failures.csv'}" in caplog.text


def test_an_unreadable_case_can_be_counted_as_excluded(tmp_path: Path) -> None:
    """Of four cases one fails: three are included, and audit, flow and exclusions say so."""
    write_cohort_with_bad_case(tmp_path)
    summary = run(tmp_path, exclude_unreadable=True)
    reason = "mask is empty"
    assert summary.excluded == {reason: 1}
    assert [refused.case.case_id for refused in summary.refused] == ["c3"]
    assert [split.cases for split in summary.audit.splits] == [1, 1, 1]
    dataset = summary.dataset_folder
    assert not C3_FILES & set(contents(dataset))
    assert rows_of(dataset / "failures.csv") == [{"case_id": "c3", "reason": reason}]
    assert rows_of(dataset / "exclusions.csv") == [{"reason": reason, "cases": "1"}]
    audit = json.loads((dataset / "audit.json").read_text())
    assert (audit["identified"], audit["excluded"], audit["included"]["cases"]) == (4, 1, 3)
    assert json.loads((dataset / "dataset.json").read_text())["numTraining"] == 2
    assert [row["case_id"] for row in rows_of(dataset / "cohort.csv")] == ["c0", "c1", "c2"]


def test_a_case_that_was_good_once_goes_when_it_is_excluded(tmp_path: Path) -> None:
    write_cohort(tmp_path)
    assert set(contents(run(tmp_path).dataset_folder)) >= CASE_FILES
    write_image(tmp_path / "masks" / "3.nii.gz", make_mask() * 0)
    assert not C3_FILES & set(contents(run(tmp_path, exclude_unreadable=True).dataset_folder))


def test_files_that_are_away_for_a_while_cost_no_converted_case(tmp_path: Path) -> None:
    """A share that is not mounted: every case fails, and what was converted before is still there."""
    write_cohort(tmp_path)
    run(tmp_path)
    (tmp_path / "ct").rename(tmp_path / "unmounted")
    with pytest.raises(WorkFailedError, match="0 of 4 cases are converted"):
        run(tmp_path)
    assert set(contents(tmp_path / "raw" / "Dataset711_AMT")) >= CASE_FILES
    (tmp_path / "unmounted").rename(tmp_path / "ct")
    assert run(tmp_path).already_done == 4


def test_nothing_in_the_dataset_names_the_file_or_the_manifests_case(tmp_path: Path) -> None:
    write_cohort_with_bad_case(tmp_path)
    settings = ConversionSettings(exclude_unreadable=True)
    summary = convert(tmp_path / "manifest.csv", tmp_path / "raw", dataset_id=711, settings=settings)
    [row] = rows_of(summary.dataset_folder / "failures.csv")
    assert row["case_id"].startswith("AMT-")
    for name, content in contents(summary.dataset_folder).items():
        assert "Meier" not in name
        assert b"Meier" not in content
    assert rows_of(tmp_path / "manifest_failures.csv")[0]["case_id"] == "c3"


def test_a_split_that_loses_its_last_case_stops_the_conversion(tmp_path: Path) -> None:
    write_cohort(tmp_path, {2: {"mask": "none.nii.gz"}})
    with pytest.raises(ManifestError, match=r"without the cases that .*no case is in 'external'"):
        run(tmp_path, exclude_unreadable=True)


def test_an_unexpected_error_stops_no_other_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cohort(tmp_path)

    def stumble(path: Path) -> object:
        if path.name == "3.nii.gz":
            raise KeyError(str(path))
        return open_image_file(path)

    monkeypatch.setattr(case_source, "open_image_file", stumble)
    summary = run(tmp_path, exclude_unreadable=True)
    assert summary.excluded == {"conversion failed": 1}
    message = summary.refused[0].message
    assert message.startswith("manifest.csv line 5, column 'image' (case 'c3'): unexpected KeyError in ")
    assert str(tmp_path) not in message


def test_a_full_disk_is_no_fault_of_a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskFullError("the disk is full")

    write_cohort(tmp_path)
    monkeypatch.setattr("nnunet_amt.dataset_conversion.convert_case.write_nifti", full)
    with pytest.raises(DiskFullError):
        run(tmp_path, exclude_unreadable=True)


def test_the_key_file_must_lie_outside_the_dataset(tmp_path: Path) -> None:
    write_cohort(tmp_path)
    settings = ConversionSettings(key_file=tmp_path / "raw" / "Dataset711_AMT" / "key.csv")
    with pytest.raises(BadInputError, match="lies in the dataset's folder"):
        convert(tmp_path / "manifest.csv", tmp_path / "raw", dataset_id=711, settings=settings)


def test_an_ignore_label_is_named_for_nnunet(tmp_path: Path) -> None:
    """nnU-Net wants the ignore label to be the highest, and to be named only where it is used."""
    import SimpleITK as sitk

    write_cohort(tmp_path, {0: {"mask": "masks/0.nrrd"}})
    mask = make_mask()
    mask[0] = 2
    write_image(tmp_path / "masks" / "0.nrrd", mask)
    image = sitk.ReadImage(str(tmp_path / "masks" / "0.nrrd"))
    image.SetMetaData("ignore_label", "2")
    sitk.WriteImage(image, str(tmp_path / "masks" / "0.nrrd"))
    dataset = run(tmp_path).dataset_folder
    assert json.loads((dataset / "dataset.json").read_text())["labels"] == {"background": 0, "tumour": 1, "ignore": 2}
    record = json.loads((dataset / ".conversion" / "c0.json").read_text())
    assert (record["tumour_voxels"], record["ignored_voxels"]) == (24, 99)  # 9 x 11 in one slice


def test_slices_that_nobody_has_drawn_are_told_in_every_place(tmp_path: Path) -> None:
    """Contours on slices 1, 3 and 5: 12 voxels on each, and as many on 2 and 4 if they may be interpolated."""
    write_cohort(tmp_path, {0: {"image": "scan", "mask": "rs"}})
    write_ct_series(tmp_path / "scan")
    write_rtstruct(tmp_path / "rs", {"GTV": [square(z, (2.5, 6.5), (1.5, 4.5)) for z in (1, 3, 5)]})
    summary = run(tmp_path, exclude_unreadable=True)
    assert (summary.excluded, summary.interpolated) == ({"contours contradict each other or are missing": 1}, {})
    summary = run(tmp_path, reading=ReadingOptions(interpolate_contours=True))
    assert summary.interpolated == {"c0": 2}
    assert interpolated_in_words(summary.interpolated) == (
        "Contours are interpolated, not drawn, on 2 slices of 1 case"
    )
    dataset = summary.dataset_folder
    record = json.loads((dataset / ".conversion" / "c0.json").read_text())
    assert (record["tumour_voxels"], record["interpolated_slices"]) == (60, 2)
    audit = json.loads((dataset / "audit.json").read_text())
    assert audit["slices_with_interpolated_contours_by_case"] == {"c0": 2}
    assert (
        "Contours are interpolated, not drawn, on 2 slices of 1 case (audit.json names them)."
        in (json.loads((dataset / "dataset.json").read_text())["description"])
    )
    [*_, recorded] = read_runs(dataset)
    assert recorded["counts"]["interpolated_slices"] == 2
    assert recorded["settings"]["reading"]["interpolate_contours"] is True


def test_slices_that_were_passed_over_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Drawn on slices 0 and 2 of four at one place: one tumour in two pieces. Drawn at two places: two tumours."""
    write_cohort(tmp_path, {number: {"mask": f"masks/{number}.nrrd"} for number in (0, 1)})
    for number, second in ((0, slice(3, 7)), (1, slice(8, 11))):
        mask = np.zeros((4, 9, 11), np.uint8)
        mask[0, 2:5, 3:7] = mask[2, 2:5, second] = 1
        write_image(tmp_path / "masks" / f"{number}.nrrd", mask)
    dataset = run(tmp_path).dataset_folder
    assert json.loads((dataset / "audit.json").read_text())["slices_without_tumour_between_others_by_case"] == {"c0": 1}
    assert "masks with slices between others on which nobody has drawn: lesions in pieces: 1 (c0)" in caplog.text


def test_lesions_that_resampling_joins_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The mask has slices of 2.5 mm, the CT of 5 mm: a gap of one of the mask's is none on the CT."""
    write_cohort(tmp_path, {number: {"mask": f"fine{number}.nii.gz"} for number in (0, 1)})
    mask = np.zeros((8, 9, 11), np.uint8)
    mask[2:6, 2:5, 3:7] = 1
    write_image(tmp_path / "fine1.nii.gz", mask, spacing=(*SPACING[:2], 2.5))
    mask[3] = 0
    write_image(tmp_path / "fine0.nii.gz", mask, spacing=(*SPACING[:2], 2.5))
    dataset = run(tmp_path, reading=ReadingOptions(resample_masks=True)).dataset_folder
    audit = json.loads((dataset / "audit.json").read_text())
    assert audit["lesions_before_and_after_resampling_by_case"] == {"c0": [2, 1], "c1": [1, 1]}
    assert "masks whose lesions were joined or divided by --resample-masks: 1 (c0); audit.json lists" in caplog.text


def test_rows_for_the_screen_end_with_the_whole() -> None:
    assert AUDIT_COLUMNS == ("split", "cases", "patients", "institutions")
    assert audit_rows(audit_splits(CLEAN)) == [
        ("training", "2", "1", "1"),
        ("tuning", "2", "2", "2"),
        ("external", "1", "1", "1"),
        ("all", "5", "4", "3"),  # North is in training and tuning
    ]


def test_checks_say_how_much_was_compared() -> None:
    assert audit_checks(audit_splits(CLEAN), 5) == [
        "institutions: 1 of the external test set, 2 of training and tuning, none of both",
        "patients: 4, none in two splits",
        "CTs compared voxel for voxel: 5, no two the same, no slice in two patients",
    ]


def test_the_file_holds_counts_codes_and_no_name(tmp_path: Path) -> None:
    codes = {"North": "i-1", "South": "i-2", "East": "i-3"}
    path = write_audit(
        tmp_path,
        audit=audit_splits(CLEAN).coded(codes),
        excluded={"incomplete CT": 2, "no CT": 1},
        checks=audit_checks(audit_splits(CLEAN), 5),
    )
    assert path == tmp_path / "audit.json"
    content = json.loads(path.read_text())
    assert (content["identified"], content["excluded"]) == (8, 3)
    assert content["included"] == {"cases": 5, "patients": 4, "institutions": 3}
    assert content["splits"]["tuning"] == {"cases": 2, "patients": 2, "institutions": 2}
    assert content["institutions_of_both_training_and_tuning"] == 1
    assert content["cases_by_institution"]["i-1"] == {"training": 2, "tuning": 1}
    assert all(check["passed"] for check in content["checks"])
    assert not any(name in path.read_text() for name in ("North", "South", "East", "p1"))
