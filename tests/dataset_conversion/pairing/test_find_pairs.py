"""A mask under the wrong CT trains a network on nonsense: it is paired by what it says, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nnunet_amt.dataset_conversion.pairing import FoundFiles, find_pairs
from nnunet_amt.dataset_conversion.pairing.dicom import structure_names
from nnunet_amt.errors import BadInputError
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

SQUARE = [square(105.0, (-8.0, -4.0), (-16.0, -10.0))]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def pairs(found: FoundFiles, root: Path) -> dict[str, str | None]:
    return {
        str(case.image.relative_to(root)): None if case.mask is None else str(case.mask.relative_to(root))
        for case in found.cases
    }


def reasons(found: FoundFiles) -> dict[str, str]:
    return {other.path.name: other.reason for other in found.others}


def test_an_rtstruct_goes_to_the_series_that_it_refers_to(tmp_path: Path) -> None:
    """Not to that which lies beside it: the two are swapped."""
    for name, other in (("a", "b"), ("b", "a")):
        write_ct_series(tmp_path / name / "ct", series=name)
        write_rtstruct(tmp_path / name / "struct.dcm", {"GTV": SQUARE}, series=other)
    found = find_pairs(tmp_path)
    assert pairs(found, tmp_path) == {"a/ct": "b/struct.dcm", "b/ct": "a/struct.dcm"}
    assert [case.name for case in found.cases] == ["a", "b"]
    assert structure_names(tmp_path / "a" / "struct.dcm") == ("GTV",)


def test_what_the_header_says_fills_other_columns(tmp_path: Path) -> None:
    def change(_: int, dataset: object) -> None:
        for keyword, value in (("PatientID", "P-1"), ("PatientSex", "F"), ("PatientAge", "061Y")):
            setattr(dataset, keyword, value)
        dataset.InstitutionName = "North  Hospital"  # type: ignore[attr-defined]

    write_ct_series(tmp_path / "ct", change=change)
    (case,) = find_pairs(tmp_path).cases
    assert case.cells == {"patient_id": "P-1", "institution": "North Hospital", "sex": "F", "age": "61"}


def test_several_series_in_a_folder_need_the_mask_to_tell(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "p1", series="thin")
    write_ct_series(tmp_path / "p1", series="thick")
    write_rtstruct(tmp_path / "p1" / "rs.dcm", {"GTV": SQUARE}, series="thin")
    found = find_pairs(tmp_path)
    assert pairs(found, tmp_path) == {"p1": "p1/rs.dcm"}
    assert "holds 2 CT series, of which no mask tells" in reasons(found)["p1"]


def test_two_masks_of_one_ct_leave_the_choice_to_you(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "p1" / "ct")
    write_rtstruct(tmp_path / "p1" / "one.dcm", {"GTV": SQUARE})
    shutil.copy(tmp_path / "p1" / "one.dcm", tmp_path / "p1" / "copy.dcm")  # a copy is no second one
    assert pairs(find_pairs(tmp_path), tmp_path) == {"p1/ct": "p1/copy.dcm"}
    write_rtstruct(tmp_path / "p1" / "two.dcm", {"GTV": SQUARE})
    found = find_pairs(tmp_path)
    assert pairs(found, tmp_path) == {"p1/ct": None}
    assert set(reasons(found)) == {"copy.dcm", "two.dcm"}
    assert "one of 2 masks of one CT" in reasons(found)["two.dcm"]


def test_a_mask_of_a_series_that_is_not_there_is_told(tmp_path: Path) -> None:
    write_rtstruct(tmp_path / "far.dcm", {"GTV": SQUARE}, series="elsewhere")
    assert "refers to none of the CT series here" in reasons(find_pairs(tmp_path))["far.dcm"]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("c1.nii.gz", "c1_mask.nii.gz"),
        ("c1_CT.nii.gz", "c1-Segmentation.nrrd"),
        ("images/c1.nii.gz", "masks/c1.nii.gz"),
        ("imagesTr/c1_0000.nii.gz", "labelsTr/c1.nii.gz"),
        ("c1/ct.nii.gz", "c1/mask.nii.gz"),
        ("症例1/画像.nii.gz", "症例1/マスク.nii.gz"),
    ],
)
def test_image_files_are_paired_by_their_names(tmp_path: Path, image: str, mask: str) -> None:
    touch(tmp_path, image, mask, image.replace("1", "2"), mask.replace("1", "2"))
    assert pairs(find_pairs(tmp_path), tmp_path) == {image: mask, image.replace("1", "2"): mask.replace("1", "2")}


def test_names_that_say_too_little_are_not_paired(tmp_path: Path) -> None:
    touch(tmp_path, "c1.nii.gz", "c1_mask.nii.gz", "c1_label.nii.gz", "c9_seg.nii.gz", "c10.nii.gz", "notes.txt")
    found = find_pairs(tmp_path)
    assert pairs(found, tmp_path) == {"c1.nii.gz": None, "c10.nii.gz": None}
    assert set(reasons(found)) == {"c1_mask.nii.gz", "c1_label.nii.gz", "c9_seg.nii.gz"}
    assert found.passed_over == 1


def test_a_series_takes_a_label_file_that_is_named_by_its_folder(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "p1" / "dicom")
    touch(tmp_path, "p1/mask.nii.gz")
    assert pairs(find_pairs(tmp_path), tmp_path) == {"p1/dicom": "p1/mask.nii.gz"}


def test_results_and_hidden_folders_are_not_looked_into(tmp_path: Path) -> None:
    touch(tmp_path, "study/study.toml", "study/a.nii.gz", ".kept/b.nii.gz", "nnUNet_raw/c.nii.gz", "d.nii.gz")
    touch(tmp_path, "segmented/nnunet_amt_runs.json", "segmented/e.nii.gz")
    assert pairs(find_pairs(tmp_path), tmp_path) == {"d.nii.gz": None}


def test_a_damaged_file_is_told_and_stops_nothing(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "p1")
    touch(tmp_path, "p2/slice.dcm")
    found = find_pairs(tmp_path)
    assert pairs(found, tmp_path) == {"p1": None}
    assert "slice.dcm" in reasons(found)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such folder"):
        find_pairs(tmp_path / "none")
