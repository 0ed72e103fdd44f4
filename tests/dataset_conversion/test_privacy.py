"""Identifiers are planted in every DICOM tag that can hold one, and in paths; then every byte that leaves is searched.

What leaves are the files below nnUNet_raw, their names, and what is shown on the screen or logged at the default level.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined]
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID as PydicomUID  # noqa: N811

from tests.dataset_conversion.cohort_fixtures import write_cohort, write_manifest
from tests.dataset_conversion.dicom_fixtures import (
    ORIGIN,
    SPACING,
    make_volume,
    square,
    write_ct_series,
    write_rtstruct,
)

# No part of a word of ours. Dates and times in the forms of DICOM's DA, TM and DT.
TEXT, DATE, TIME, NUMBER, UID = "Qzxvplanted", "19031207", "235957.654321", "98761234", "2.25.987612345987612345"
WORDS = (TEXT, TEXT.upper(), DATE, "235957", NUMBER, UID, "2.25.9876")
PLANTS: dict[str, object] = {
    "AE": "QzxvplantedAE", "AS": "117Y", "DA": DATE, "DT": f"{DATE}235957", "IS": NUMBER, "LO": TEXT, "LT": TEXT,
    "PN": f"{TEXT}^{TEXT}", "SH": TEXT, "ST": TEXT, "TM": TIME, "UC": TEXT, "UI": UID, "UR": f"a:{TEXT}", "UT": TEXT,
}  # fmt: skip
# What makes the series a series and the pixels pixels; all else is overwritten.
_NEEDED = {
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Manufacturer", "NumberOfFrames",
    "ROINumber", "ROIName", "ReferencedROINumber", "NumberOfContourPoints", "SpecificCharacterSet",
}  # fmt: skip
_FOLDER = f"{TEXT}_{DATE}"


def plant(dataset: Dataset) -> int:
    """Fill every tag of the standard that takes text, a date or a UID; give their number."""
    planted = 0
    for number, (vr, multiplicity, _, retired, keyword) in DicomDictionary.items():
        tag = Tag(number)
        if vr not in PLANTS or keyword in _NEEDED or tag.group in (0x0002, 0x0028) or tag.group < 0x0008 or retired:
            continue
        least = int(multiplicity[0]) if multiplicity[0].isdigit() else 1
        value = PLANTS[vr]
        dataset.add_new(tag, vr, [value] * least if least > 1 else value)
        planted += 1
    private = dataset.private_block(0x0029, TEXT.upper(), create=True)
    private.add_new(0x01, "LO", TEXT)
    return planted


def planted_cohort(folder: Path, change: Callable[[int, Dataset], None] | None = None) -> Path:
    """Write four cases, the first a zipped DICOM series with RTSTRUCT; give the manifest."""
    home = folder / _FOLDER
    counts = []

    def plant_slice(z: int, dataset: Dataset) -> None:
        counts.append(plant(dataset))
        dataset.SeriesInstanceUID = dataset.FrameOfReferenceUID = PydicomUID(UID + "1")
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = PydicomUID(f"{UID}2{z}")
        if change:
            change(z, dataset)

    def plant_structure(dataset: Dataset) -> None:
        plant(dataset)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = PydicomUID(UID + "3")
        [frame] = dataset.ReferencedFrameOfReferenceSequence
        [study] = frame.RTReferencedStudySequence
        study.RTReferencedSeriesSequence[0].SeriesInstanceUID = UID + "1"
        for item in dataset.StructureSetROISequence:
            item.ROIDescription = item.ROIGenerationDescription = TEXT

    write_cohort(home)
    scan = home / TEXT
    write_ct_series(scan, change=plant_slice)
    write_rtstruct(scan / TEXT.upper(), {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]}, change=plant_structure)
    shutil.make_archive(str(scan), "zip", scan)
    assert min(counts) > 1000
    for kind in ("ct", "masks"):
        (home / kind / "1.nii.gz").rename(home / kind / f"{TEXT}.nii.gz")
    rows = list(csv.DictReader((home / "manifest.csv").open(encoding="utf-8")))
    rows[0] |= {"image": f"{TEXT}.zip", "mask": f"{TEXT}.zip"}
    rows[1] |= {"image": f"ct/{TEXT}.nii.gz", "mask": f"masks/{TEXT}.nii.gz"}
    for row in rows:
        row["patient_id"] = f"{TEXT} {row['case_id']}"
        row["institution"] = f"{TEXT.capitalize()} hospital {'East' if row['split'] == 'external' else 'North'}"
        row["manufacturer"] = ""
    return write_manifest(home / "manifest.csv", rows)


def convert(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the manifest's folder, so that no path of the caller's is in what it is told."""
    command = [sys.executable, "-m", "nnunet_amt", "convert", "manifest.csv", "-d", "711", *options]
    environment = {"nnUNet_raw": str(folder / "raw"), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    home = folder / _FOLDER
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=120, check=False)


def bytes_of(path: Path) -> Iterator[bytes]:
    """Give a file's bytes, and what is inside if they are compressed."""
    content = path.read_bytes()
    yield content
    if path.suffix == ".gz":
        yield gzip.decompress(content)
        yield content[3:40]  # gzip's own header may hold a file name
    if path.suffix == ".png":
        yield from _png_texts(content)


def _png_texts(content: bytes) -> Iterator[bytes]:
    start = 8
    while start < len(content):
        length = int.from_bytes(content[start : start + 4], "big")
        kind, data = content[start + 4 : start + 8], content[start + 8 : start + 8 + length]
        if kind == b"zTXt":
            yield zlib.decompress(data.partition(b"\0")[2][1:])
        start += length + 12


def found_in(content: bytes) -> list[str]:
    return [word for word in WORDS if word.encode() in content or word.encode("utf-16-le") in content]


def assert_clean_folder(raw: Path) -> int:
    """Search names and bytes; give the number of files."""
    files = [path for path in raw.rglob("*") if path.is_file()]
    for path in raw.rglob("*"):
        assert not found_in(str(path.relative_to(raw)).encode()), path
    for path in files:
        for content in bytes_of(path):
            assert not found_in(content), path
    return len(files)


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    """Otherwise the tests below could not fail."""
    planted_cohort(tmp_path)
    first = next((tmp_path / _FOLDER / TEXT).glob("ct*")).read_bytes()
    assert set(found_in(first)) == set(WORDS)


def test_no_identifier_is_in_any_byte_of_the_dataset_or_on_the_screen(tmp_path: Path) -> None:
    planted_cohort(tmp_path)
    result = convert(tmp_path)
    assert result.returncode == 0, result.stderr
    assert assert_clean_folder(tmp_path / "raw") > 15
    assert not found_in((result.stdout + result.stderr).encode())


def _identifiers(home: Path) -> set[str]:
    """Give what a list of patients, of UIDs or of files might hold: each planted word, path, UID and cell."""
    rows = csv.DictReader((home / "manifest.csv").open(encoding="utf-8"))
    cells = {cell for row in rows for cell in row.values() if cell}
    paths = {str(name) for path in home.rglob("*") for name in (path, path.relative_to(home), path.name)}
    uids = {UID + "1", UID + "3", *(f"{UID}2{z}" for z in range(6))}
    return {*WORDS, *map(str, PLANTS.values()), *cells, *paths, *uids}


@pytest.mark.parametrize("options", [(), ("--keep-case-ids",)], ids=["pseudonyms", "kept ids"])
def test_no_hash_of_an_identifier_is_in_any_byte_of_the_dataset(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Whoever has a list of UIDs or file names could hash them all, and see which are in the dataset."""
    planted_cohort(tmp_path)
    assert convert(tmp_path, *options).returncode == 0
    written = b"".join(
        content for path in (tmp_path / "raw").rglob("*") if path.is_file() for content in bytes_of(path)
    ).lower()
    words = _identifiers(tmp_path / _FOLDER)
    assert len(words) > 50
    for word in words:
        for algorithm in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512"):
            hashed = hashlib.new(algorithm, word.encode())
            assert hashed.hexdigest().encode() not in written, word
            assert hashed.digest() not in written, word


def test_nor_with_cases_that_keep_their_names(tmp_path: Path) -> None:
    """The institutions stay as the manifest has them then; they are the user's words."""
    manifest = planted_cohort(tmp_path)
    rows = list(csv.DictReader(manifest.open(encoding="utf-8")))
    write_manifest(manifest, [row | {"institution": row["institution"].split()[-1]} for row in rows])
    result = convert(tmp_path, "--keep-case-ids")
    assert result.returncode == 0, result.stderr
    assert_clean_folder(tmp_path / "raw")
    assert not found_in((result.stdout + result.stderr).encode())


def test_the_key_lies_outside_the_dataset_for_its_owner_only(tmp_path: Path) -> None:
    planted_cohort(tmp_path)
    assert convert(tmp_path).returncode == 0
    [key] = (tmp_path / _FOLDER).glob("*_key.csv")
    assert key.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(key.open(encoding="utf-8")))
    assert {row["name"] for row in rows if row["kind"] == "case"} == {"c0", "c1", "c2", "c3"}
    assert not list((tmp_path / "raw").rglob("*key*"))


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
    scan = tmp_path / _FOLDER / TEXT
    areas = [square(1, (2.5, 6.5), (1.5, 4.5))]
    write_rtstruct(tmp_path / _FOLDER / "rs", {f"GTV {TEXT}": areas, TEXT: areas}, series=UID + "1")
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
    harm(tmp_path / _FOLDER / what)
    result = convert(tmp_path)
    assert result.returncode in (1, 2)
    assert "manifest.csv line" in result.stderr
    assert "unexpected" not in result.stderr
    assert not found_in((result.stdout + result.stderr).encode()), result.stderr


def test_voxels_are_those_of_the_planted_series(tmp_path: Path) -> None:
    """The plants must not have kept the series from being read."""
    import SimpleITK as sitk

    planted_cohort(tmp_path)
    assert convert(tmp_path, "--keep-case-ids").returncode == 0
    image = sitk.ReadImage(str(tmp_path / "raw" / "Dataset711_AMT" / "imagesTr" / "c0_0000.nii.gz"))
    assert (sitk.GetArrayFromImage(image) == make_volume()).all()
