"""What a browser sent lands below its folder whatever its name, and a zip can neither lead out nor fill the disk."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from nnunet_amt.app.sent_files import keep_files, keep_folders
from nnunet_amt.errors import BadInputError, DiskFullError


def zipped(**members: bytes) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    packed.seek(0)
    return packed


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a/b.dcm", "a/b.dcm"),
        ("../../b.dcm", "b.dcm"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\CT\\b.dcm", "C/CT/b.dcm"),
        (".hidden", "hidden"),
        ("..", "file"),
        ("胸部/症例 1.nii.gz", "胸部/症例_1.nii.gz"),
        ("x" * 300, "x" * 100),
    ],
)
def test_names_lead_nowhere_else(tmp_path: Path, name: str, kept: str) -> None:
    keep_folders(tmp_path / "kept", [(name, io.BytesIO(b"1"))])
    assert files_below(tmp_path) == {f"kept/{kept}": b"1"}


def test_a_zip_is_unpacked_into_a_folder_of_its_name(tmp_path: Path) -> None:
    """Its members too lead nowhere else; those of macOS are left out, a zip in it stays one."""
    content = {"ct/1.dcm": b"1", "../2.dcm": b"2", "__MACOSX/ct/1.dcm": b"3", "inner.zip": b"4"}
    keep_folders(tmp_path / "kept", [("north/scan.ZIP", zipped(**content))])
    below = {"ct/1.dcm": b"1", "2.dcm": b"2", "inner.zip": b"4"}
    assert files_below(tmp_path) == {f"kept/north/scan/{name}": data for name, data in below.items()}


def test_files_of_one_name_are_all_kept(tmp_path: Path) -> None:
    """In one folder, as slices of several folders are called alike; and where a file has the name of a folder."""
    keep_files(tmp_path / "flat", [("a/1.dcm", io.BytesIO(b"1")), ("b/1.dcm", io.BytesIO(b"2"))])
    assert files_below(tmp_path / "flat") == {"1.dcm": b"1", "00002_1.dcm": b"2"}
    keep_folders(tmp_path / "deep", [("a", io.BytesIO(b"1")), ("a/1.dcm", io.BytesIO(b"2"))])
    assert files_below(tmp_path / "deep") == {"a": b"1", "a_1.dcm": b"2"}


def test_a_zip_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    """10 MB of nothing are packed into 10 kB."""
    with pytest.raises(BadInputError, match=r"bomb.zip: holds 1 files of 0.0 GB, 1\d\d\d times its own size"):
        keep_folders(tmp_path / "kept", [("bomb.zip", zipped(a=bytes(10_000_000)))])
    assert files_below(tmp_path) == {}


def test_a_damaged_and_a_locked_zip_are_told_apart(tmp_path: Path) -> None:
    whole = zipped(a=bytes(range(256))).getvalue()
    with pytest.raises(BadInputError, match=r"cut\.zip: is damaged, or no zip"):
        keep_folders(tmp_path / "1", [("cut.zip", io.BytesIO(whole[:-30]))])
    changed = bytearray(whole)
    changed[50] ^= 255  # in the packed content: only its checksum tells
    with pytest.raises(BadInputError, match=r"bad\.zip: is damaged, or no zip"):
        keep_folders(tmp_path / "2", [("bad.zip", io.BytesIO(bytes(changed)))])
    locked = bytearray(whole)
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(magic) + place] |= 1  # the flag of encryption
    with pytest.raises(BadInputError, match=r"locked\.zip: is locked by a password"):
        keep_folders(tmp_path / "3", [("locked.zip", io.BytesIO(bytes(locked)))])


def test_what_the_disk_has_no_room_for_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(DiskFullError):
        keep_folders(tmp_path / "kept", [("a.zip", zipped(a=bytes(range(256))))])
