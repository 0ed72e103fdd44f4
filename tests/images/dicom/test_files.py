"""What lies in a DICOM folder and cannot be followed is told: passed over, it would leave slices out."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.files import DicomFolder
from tests.images.dicom.dicom_fixtures import write_ct_series


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to(".git/annex/objects/aa/bb/SHA256E-s600--c0ffee.dcm")


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def annex_pointer(path: Path) -> None:
    path.write_text("/annex/objects/SHA256E-s600--c0ffee\n")


def lfs_pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:c0ffee\nsize 600\n")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def linked_folder(path: Path) -> None:
    """The last slice moves to a folder outside, to which a link leads."""
    outside = path.parent.parent / "outside"
    outside.mkdir()
    path.rename(outside / path.name)
    path.symlink_to(outside, target_is_directory=True)


def empty(path: Path) -> None:
    path.with_suffix(".dcm").touch()
    path.unlink()


def no_dicom(path: Path) -> None:
    path.with_suffix(".IMA").write_text("an error page of the archive")
    path.unlink()


HARMS = {
    link_to_nothing: "is a link to nothing; fetch the file that it stands for (git annex get), or copy it there",
    link_to_itself: "is a link to nothing",
    annex_pointer: "is a pointer in place of the file; fetch the file (git annex get, git lfs pull)",
    lfs_pointer: "is a pointer in place of the file",
    pipe: "is no ordinary file; remove it",
    linked_folder: "is a linked folder, which is not followed; give the folder itself, or copy it",
    empty: "is damaged (it is empty); copy or export it again",
    no_dicom: "is damaged (it is called DICOM, and does not begin like it); copy or export it again",
}


@pytest.mark.parametrize(("harm", "message"), HARMS.items(), ids=[harm.__name__ for harm in HARMS])
def test_what_cannot_be_followed_is_refused_by_its_number(
    tmp_path: Path, harm: Callable[[Path], None], message: str
) -> None:
    """The top slice: without it the others make a sound, shorter CT."""
    top = write_ct_series(tmp_path / "scan")[-1]
    number = sorted(path.name for path in top.parent.iterdir()).index(top.name) + 1
    harm(top)
    with pytest.raises(ImageReadError) as error:
        DicomFolder(tmp_path / "scan").headers()
    assert str(error.value).startswith(f"file {number} of 6 (by name) {message}")
    assert "\n" not in str(error.value)


def test_what_is_no_slice_is_passed_over(tmp_path: Path) -> None:
    """Notes, empty files and the locks of editors, which are links to nothing by design, hold no slice."""
    write_ct_series(tmp_path / "scan" / "below")
    (tmp_path / "scan" / "notes.txt").write_text("no DICOM")
    (tmp_path / "scan" / "empty").touch()
    (tmp_path / "scan" / "._0001.dcm").write_bytes(b"\x00\x05\x16\x07" + bytes(80))
    (tmp_path / "scan" / ".#notes.txt").symlink_to("someone@host.4711")
    assert len(DicomFolder(tmp_path / "scan").headers()) == 6


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write_ct_series(tmp_path / "scan")
    (tmp_path / "link").symlink_to(tmp_path / "scan", target_is_directory=True)
    assert len(DicomFolder(tmp_path / "link").headers()) == 6


def refuse(name: str, code: int) -> Callable[..., Any]:
    """Open as before, but not the file of that name: the tests may run as root, who may read everything."""
    opened = Path.open

    def open_others(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == name:
            raise OSError(code, os.strerror(code))
        return opened(self, *arguments, **options)

    return open_others


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_slice_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    top = write_ct_series(tmp_path / "scan")[-1]
    monkeypatch.setattr(Path, "open", refuse(top.name, code))
    with pytest.raises(ImageReadError, match=rf"file \d of 6 \(by name\) cannot be read \({os.strerror(code)}\)"):
        DicomFolder(tmp_path / "scan").headers()


def test_a_subfolder_that_may_not_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ct_series(tmp_path / "scan" / "below")
    listed = os.scandir

    def refuse_below(path: Any = ".") -> Any:
        if str(path).endswith("below"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse_below)
    with pytest.raises(ImageReadError, match=r"scan: a folder in it cannot be read \(Permission denied\)"):
        DicomFolder(tmp_path / "scan").headers()


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    """``zip -y`` stores the link, not the file."""
    write_ct_series(tmp_path / "scan")
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "scan"))
    link = zipfile.ZipInfo("zz_top")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(link, ".git/annex/objects/aa/bb/SHA256E-s600--c0ffee")
    with pytest.raises(ImageReadError, match=r"file 7 of 7 \(by name\) is a link, and leads nowhere from within a zip"):
        DicomFolder(packed).headers()


def test_a_file_that_goes_while_the_folder_is_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is being received: it had another name when the folder was listed."""
    write_ct_series(tmp_path / "ct")
    listed = [["gone.dcm"], ["there.dcm"]]
    monkeypatch.setattr(DicomFolder, "_members", lambda *_: listed.pop(0))
    with pytest.raises(ImageReadError, match="a file that is gone meanwhile does not exist"):
        DicomFolder(tmp_path / "ct").headers()


def test_a_zip_of_an_unknown_method_is_not_called_damaged(tmp_path: Path) -> None:
    """Windows packs large folders by Deflate64, which Python does not know: method 9 in place of 8."""
    write_ct_series(tmp_path / "scan")
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "scan"))
    content = bytearray(packed.read_bytes())
    with zipfile.ZipFile(packed) as archive:
        starts = [info.header_offset for info in archive.infolist()]
    for start in starts:
        content[start + 8] = 9
    directory = content.index(b"PK\x01\x02")
    while directory >= 0:
        content[directory + 10] = 9
        directory = content.find(b"PK\x01\x02", directory + 4)
    packed.write_bytes(content)
    with pytest.raises(ImageReadError, match=r"the zip is packed in a way that is not read; unpack it into a folder"):
        DicomFolder(packed).headers()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("IM7", b"", "is damaged (it is empty)"),
        ("IM7", bytes(100), "is damaged (it holds nothing but zeros)"),  # cut off within the preamble
        ("1.2.840.7", bytes(4000), "is damaged (it holds nothing but zeros)"),
        ("IM7.dcm.gz", b"\x1f\x8b\x08", "is packed or half copied by its name"),
        ("IM7.dcm.part", b"half", "is packed or half copied by its name"),
        ("README", b"How to look at these images", None),
        ("notes.txt", b"", None),
        (".lock", b"", None),
    ],
)
def test_a_file_that_may_be_a_lost_slice_is_not_passed_over(
    tmp_path: Path, name: str, content: bytes, said: str | None
) -> None:
    """Without a slice at its end a stack is as regular as before."""
    for number, path in enumerate(write_ct_series(tmp_path / "ct")):
        path.rename(path.with_name(f"1.2.840.{number + 10}" if name.startswith("1.2") else f"IM{number}"))
    (tmp_path / "ct" / name).write_bytes(content)
    if said is None:
        assert len(DicomFolder(tmp_path / "ct").headers()) > 1
        return
    with pytest.raises(ImageReadError) as raised:
        DicomFolder(tmp_path / "ct").headers()
    assert said in str(raised.value)
