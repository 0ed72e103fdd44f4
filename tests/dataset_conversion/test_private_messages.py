"""Messages of the default level name the case, the line and the column, and nobody."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from tests.dataset_conversion.cohort_fixtures import write_manifest
from tests.dataset_conversion.privacy_fixtures import (
    FOLDER,
    TEXT,
    UID,
    assert_clean_folder,
    change_rows,
    convert,
    found_in,
    planted_cohort,
)
from tests.images.dicom.dicom_fixtures import ORIGIN, SPACING, square, write_rtstruct

pytestmark = pytest.mark.usefixtures("without_figure")


def _missing_slice(z: int, dataset: Dataset) -> None:
    if z > 2:
        dataset.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], ORIGIN[2] + (z + 2) * SPACING[2]]


def _two_at_one_place(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], ORIGIN[2] + max(z, 1) * SPACING[2]]


def _tilted(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [ORIGIN[0], ORIGIN[1] + 0.5 * z, ORIGIN[2] + z * SPACING[2]]


def _other_modality(z: int, dataset: Dataset) -> None:
    dataset.Modality = "MR"


def _two_series(z: int, dataset: Dataset) -> None:
    dataset.SeriesInstanceUID = f"{UID}7{z % 2}"


def _cut_pixels(z: int, dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[: 10 * z + 2]


def _no_position(z: int, dataset: Dataset) -> None:
    del dataset.ImagePositionPatient


def _free_text_as_unit(z: int, dataset: Dataset) -> None:
    dataset.RescaleType = TEXT


def _free_text_as_modality(z: int, dataset: Dataset) -> None:
    dataset.Modality = TEXT.upper()


DEFECTS = (
    *(_missing_slice, _two_at_one_place, _tilted, _other_modality, _two_series, _cut_pixels, _no_position),
    *(_free_text_as_unit, _free_text_as_modality),
)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__.strip("_"))
def test_messages_about_bad_series_name_the_case_and_no_identifier(
    tmp_path: Path, defect: Callable[[int, Dataset], None]
) -> None:
    planted_cohort(tmp_path, defect)
    result = convert(tmp_path)
    assert result.returncode in (1, 2)
    assert "manifest.csv line 2, column 'image' (case 'c0'): " in result.stderr
    assert "unexpected" not in result.stderr
    assert not found_in((result.stdout + result.stderr).encode()), result.stderr
    if (tmp_path / "raw").exists():
        assert_clean_folder(tmp_path / "raw")


@pytest.mark.parametrize("roi", ["tumour", ""])
def test_messages_about_rois_do_not_name_those_that_are_there(tmp_path: Path, roi: str) -> None:
    """Names of ROIs are free text, and patients' names have been seen in it."""
    manifest = planted_cohort(tmp_path)
    scan = tmp_path / FOLDER / TEXT
    areas = [square(1, (2.5, 6.5), (1.5, 4.5))]
    write_rtstruct(tmp_path / FOLDER / "rs", {f"GTV {TEXT}": areas, TEXT: areas}, series=UID + "1")
    rows = list(csv.DictReader(manifest.open(encoding="utf-8")))
    rows[0] |= {"image": scan.name, "mask": "rs", "roi": roi}
    write_manifest(manifest, rows)
    result = convert(tmp_path)
    assert result.returncode == 1
    assert "column 'roi' (case 'c0'): the RTSTRUCT has 2 closed ROIs" in result.stderr
    assert not found_in((result.stdout + result.stderr).encode()), result.stderr


def _damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def _remove(path: Path) -> None:
    path.unlink()


def _no_image(path: Path) -> None:
    path.write_bytes(b"no image")


@pytest.mark.parametrize("what", [f"ct/{TEXT}.nii.gz", f"masks/{TEXT}.nii.gz", f"{TEXT}.zip"])
@pytest.mark.parametrize("harm", [_damage, _remove, _no_image], ids=lambda harm: harm.__name__.strip("_"))
def test_messages_about_bad_files_do_not_name_the_file(tmp_path: Path, what: str, harm: Callable[[Path], None]) -> None:
    """Hospitals name files by the patient: the manifest's line and the case id say which file it is."""
    planted_cohort(tmp_path)
    harm(tmp_path / FOLDER / what)
    result = convert(tmp_path)
    assert result.returncode in (1, 2)
    assert "manifest.csv line" in result.stderr
    assert "unexpected" not in result.stderr
    assert not found_in((result.stdout + result.stderr).encode()), result.stderr


def _text_as_character_set(_: int, dataset: Dataset) -> None:
    dataset.SpecificCharacterSet = TEXT


def _text_as_image_uid(z: int, dataset: Dataset) -> None:
    dataset.SOPInstanceUID = f"{TEXT}{z}"


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of what is written here
@pytest.mark.parametrize("defect", [_text_as_character_set, _text_as_image_uid])
def test_the_readers_own_warnings_are_not_shown(tmp_path: Path, defect: Callable[[int, Dataset], None]) -> None:
    """They quote what they complain about."""
    planted_cohort(tmp_path, defect)
    result = convert(tmp_path)
    assert result.returncode == 0, result.stderr
    assert not found_in((result.stdout + result.stderr).encode()), result.stderr


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nor_are_those_about_structures(tmp_path: Path) -> None:
    def name_series(dataset: Dataset) -> None:
        [frame] = dataset.ReferencedFrameOfReferenceSequence
        frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].SeriesInstanceUID = TEXT

    planted_cohort(tmp_path, change_structure=name_series)
    result = convert(tmp_path)
    assert result.returncode == 1
    assert "the RTSTRUCT was drawn on another CT series" in result.stderr
    assert not found_in((result.stdout + result.stderr).encode()), result.stderr


_NRRD = """NRRD0004
type: {type}
dimension: 3
space: {space}
sizes: 4 4 4
space directions: (1,0,0) (0,1,0) (0,0,1)
kinds: domain domain domain
encoding: raw
endian: little
space origin: (0,0,0)
{more}
"""


@pytest.mark.parametrize(
    ("ending", "fields"),
    [
        (".nrrd", {"type": TEXT}),
        (".nrrd", {"space": TEXT}),
        (".nhdr", {"more": f"data file: {TEXT}.raw"}),
    ],
)
def test_what_the_header_of_an_nrrd_file_holds_is_not_shown(
    tmp_path: Path, ending: str, fields: dict[str, str]
) -> None:
    manifest = planted_cohort(tmp_path)
    header = {"type": "short", "space": "left-posterior-superior", "more": "", **fields}
    (manifest.parent / f"ct{ending}").write_bytes(_NRRD.format(**header).encode() + bytes(128))
    change_rows(manifest, lambda rows: rows[1].update(image=f"ct{ending}"))
    result = convert(tmp_path)
    assert result.returncode == 1
    assert "line 3, column 'image' (case 'c1'): " in result.stderr
    assert not found_in((result.stdout + result.stderr).encode()), result.stderr


def test_a_long_path_is_not_shown_in_part(tmp_path: Path) -> None:
    """The reader's message holds the path; cut off, it would not be found and taken out."""
    manifest = planted_cohort(tmp_path)
    path = manifest.parent / (TEXT * 8) / (TEXT * 8) / "ct.mha"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no image")
    change_rows(manifest, lambda rows: rows[1].update(image=str(path.relative_to(manifest.parent))))
    result = convert(tmp_path)
    assert result.returncode == 1
    assert not found_in((result.stdout + result.stderr).encode()), result.stderr


def test_a_path_that_the_system_refuses_is_not_shown_on_a_rerun(tmp_path: Path) -> None:
    """The finished cases are looked for first, outside of what names the case."""
    manifest = planted_cohort(tmp_path)
    assert convert(tmp_path, "--keep-case-ids").returncode in (0, 2)
    assert convert(tmp_path).returncode == 0
    change_rows(manifest, lambda rows: rows[1].update(image=f"ct/{TEXT * 30}.nii.gz"))
    result = convert(tmp_path)
    assert result.returncode == 1
    assert "line 3, column 'image' (case 'c1'): cannot be read (File name too long)" in result.stderr
    assert not found_in((result.stdout + result.stderr).encode()), result.stderr


@pytest.mark.parametrize("column", ["age", "sex", "split", "slice_thickness_mm"])
@pytest.mark.parametrize("value", [TEXT, "19031207", "1903-12-07"])
def test_a_wrong_value_that_may_be_a_name_or_a_date_is_not_shown(tmp_path: Path, column: str, value: str) -> None:
    manifest = planted_cohort(tmp_path)
    change_rows(manifest, lambda rows: rows[1].update({column: value}))
    result = convert(tmp_path)
    assert result.returncode == 2
    assert f"manifest.csv line 3, column '{column}' (case 'c1'): must be " in result.stderr
    assert "the value is not shown, as it may be a name or a date" in result.stderr
    assert value.lower() not in result.stderr.lower()


def test_an_institution_on_both_sides_is_not_named(tmp_path: Path) -> None:
    manifest = planted_cohort(tmp_path)
    change_rows(manifest, lambda rows: rows[1].update(institution=rows[2]["institution"]))
    result = convert(tmp_path)
    assert result.returncode == 2
    assert "case 'c1' (line 3, tuning) and case 'c2' (line 4, external) are of one institution" in result.stderr
    assert not found_in(result.stderr.encode()), result.stderr
