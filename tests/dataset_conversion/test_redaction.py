"""Names of files go, all other words stay."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nnunet_amt.dataset_conversion.redaction import without_file_names

IMAGE, MASK = Path("/data/Miller/ct/DOE_JANE.nii.gz"), Path("/data/Miller/masks/DOE_JANE_seg.nii.gz")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("DOE_JANE.nii.gz: voxels cannot be read", "the file: voxels cannot be read"),
        ("DOE_JANE_seg.nii.gz does not exist; paths are relative", "the file does not exist; paths are relative"),
        ('no reader for "/data/Miller/ct/DOE_JANE.nii.gz"', 'no reader for "the file"'),
        ("MY_DOE_JANE.nii.gz and DOE_JANE.nii.gzip are others", "MY_DOE_JANE.nii.gz and DOE_JANE.nii.gzip are others"),
        ("size (11, 9, 3) against (11, 9, 4) of the CT", "size (11, 9, 3) against (11, 9, 4) of the CT"),
    ],
)
def test_names_of_files(message: str, expected: str) -> None:
    assert without_file_names(message, IMAGE, MASK) == expected


def test_names_inside_a_folder(tmp_path: Path) -> None:
    """A file named 2 or CT is not looked for: those are words of the message."""
    scan = tmp_path / "Doe"
    (scan / "MILLER").mkdir(parents=True)
    for name in ("MILLER/MILLER01.dcm", "2", "CT"):
        (scan / name).write_bytes(b"")
    message = "Doe: MILLER01.dcm has Modality 'MR', must be CT; slices are missing (2)"
    expected = "the file: one of its files has Modality 'MR', must be CT; slices are missing (2)"
    assert without_file_names(message, scan, scan) == expected


def test_names_inside_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        archive.writestr("Miller^Jane/0001.dcm", b"")
    message = "scan.zip: Miller^Jane/0001.dcm is truncated, and 0001.dcm too"
    expected = "the file: one of its files is truncated, and one of its files too"
    assert without_file_names(message, tmp_path / "scan.zip") == expected


def test_a_broken_zip_hides_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "Doe.zip").write_bytes(b"PK\x03\x04 broken")
    assert without_file_names("Doe.zip: the zip cannot be read", tmp_path / "Doe.zip").startswith("the file: the zip")
