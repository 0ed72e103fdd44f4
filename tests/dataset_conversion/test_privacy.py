"""Identifiers are planted in every DICOM tag that can hold one, and in paths; then every byte that leaves is searched.

What leaves are the files below nnUNet_raw, their names, and what is shown on the screen or logged at the default level.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from nnunet_amt.base.run_record import read_runs
from tests.dataset_conversion.cohort_fixtures import write_manifest
from tests.dataset_conversion.privacy_fixtures import (
    FOLDER,
    PLANTS,
    TEXT,
    UID,
    WORDS,
    assert_clean_folder,
    bytes_of,
    change_rows,
    convert,
    convert_in_a_process_of_its_own,
    found_in,
    planted_cohort,
)
from tests.images.dicom.dicom_fixtures import make_volume


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    """Otherwise the tests below could not fail."""
    planted_cohort(tmp_path)
    first = next((tmp_path / FOLDER / TEXT).glob("ct*")).read_bytes()
    assert set(found_in(first)) == set(WORDS)


def test_no_identifier_is_in_any_byte_of_the_dataset_or_on_the_screen(tmp_path: Path) -> None:
    planted_cohort(tmp_path)
    result = convert_in_a_process_of_its_own(tmp_path)
    assert result.returncode == 0, result.stderr
    assert assert_clean_folder(tmp_path / "raw") > 15
    assert not found_in((result.stdout + result.stderr).encode())


def test_the_record_does_not_tell_what_manifest_and_key_are_called(tmp_path: Path) -> None:
    """Their names may be those of hospitals; everything else that was typed stays."""
    manifest = planted_cohort(tmp_path)
    manifest.rename(manifest.with_name(f"{TEXT}.csv"))
    key_file = str(tmp_path / f"{TEXT}_key.csv")
    options = ("--key-file", key_file, "--seed", "3")
    assert convert(tmp_path, *options, manifest=f"{TEXT}.csv").returncode == 0
    [run] = read_runs(tmp_path / "raw" / "Dataset711_AMT")
    assert run["command"] == "nnunet_amt convert FILE.csv -d 711 --key-file FILE.csv --seed 3"
    assert_clean_folder(tmp_path / "raw")


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
    words = _identifiers(tmp_path / FOLDER)
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
    [key] = (tmp_path / FOLDER).glob("*_key.csv")
    assert key.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(key.open(encoding="utf-8")))
    assert {row["name"] for row in rows if row["kind"] == "case"} == {"c0", "c1", "c2", "c3"}
    assert not list((tmp_path / "raw").rglob("*key*"))


@pytest.mark.parametrize(("header", "known"), [(TEXT, "other"), (f"GE {TEXT}", "GE Healthcare")])
def test_the_manufacturer_in_a_header_is_free_text_and_not_copied(tmp_path: Path, header: str, known: str) -> None:
    def name_maker(_: int, dataset: Dataset) -> None:
        dataset.Manufacturer = header

    planted_cohort(tmp_path, name_maker)
    assert convert(tmp_path, "--keep-case-ids").returncode == 0
    dataset = tmp_path / "raw" / "Dataset711_AMT"
    rows = {row["case_id"]: row for row in csv.DictReader((dataset / "cohort.csv").open(encoding="utf-8"))}
    assert rows["c0"]["manufacturer"] == known
    for file in ("cohort.csv", "table2.md", ".conversion/c0.json"):
        assert TEXT not in (dataset / file).read_text(encoding="utf-8").replace(f"{TEXT.capitalize()} hospital", "")


def _reason(text: str) -> dict[str, str]:
    return {"case_id": "c9", "exclusion_reason": text}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"same person as {TEXT} c1", "a patient_id of this table"),
        (f"another CT of the {TEXT.capitalize()} hospital North", "an institution of this table"),
        ("died 7.12.1903", "a date"),
        ("died 1903-12-07", "a date"),
        ("scanned 19031207", "a date"),
    ],
)
def test_what_is_copied_as_it_is_must_not_name_anybody(tmp_path: Path, text: str, what: str) -> None:
    """Reasons go into the flow figure. The table itself tells who its patients are."""
    change_rows(planted_cohort(tmp_path), lambda rows: rows.append(_reason(text)))
    result = convert(tmp_path)
    assert result.returncode == 2
    place = "manifest.csv line 6, column 'exclusion_reason' (case 'c9')"
    assert result.stderr == f"error: {place}: holds {what} and goes into the dataset; take it out\n"
    assert not (tmp_path / "raw").exists()


def test_a_diagnosis_that_is_a_patient_id_shows_that_columns_are_shifted(tmp_path: Path) -> None:
    change_rows(planted_cohort(tmp_path), lambda rows: rows[2].update(histology=rows[2]["patient_id"]))
    result = convert(tmp_path)
    assert result.returncode == 2
    assert "line 4, column 'histology' (case 'c2'): holds a patient_id of this table" in result.stderr
    assert not found_in(result.stderr.encode())


def test_voxels_are_those_of_the_planted_series(tmp_path: Path) -> None:
    """The plants must not have kept the series from being read."""
    import SimpleITK as sitk

    planted_cohort(tmp_path)
    assert convert(tmp_path, "--keep-case-ids").returncode == 0
    image = sitk.ReadImage(str(tmp_path / "raw" / "Dataset711_AMT" / "imagesTr" / "c0_0000.nii.gz"))
    assert (sitk.GetArrayFromImage(image) == make_volume()).all()
