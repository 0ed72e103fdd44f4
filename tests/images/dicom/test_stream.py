"""How a DICOM file begins, with and without preamble, and what is done with a deflated one."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from nnunet_amt.images.dicom.stream import DicomFileError, is_dicom, unpacked
from tests.images.dicom.dicom_fixtures import save_encoded, write_ct_series

ENCODINGS = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def written(folder: Path, syntax: str, change: Callable[[Dataset], None] = lambda dataset: None) -> bytes:
    """One CT slice in a transfer syntax."""
    dataset = dcmread(write_ct_series(folder)[0])
    change(dataset)
    save_encoded(dataset, folder / "again", syntax)
    return (folder / "again").read_bytes()


def without_meta(content: bytes) -> bytes:
    """What follows group 0002, whose length its first element states."""
    return content[144 + int.from_bytes(content[140:144], "little") :]


def starts_with_creation_date(dataset: Dataset) -> None:
    """Then (0008,0012) is the first element: no character set, no image type."""
    del dataset.ImageType
    dataset.InstanceCreationDate = "20200101"


def starts_with_the_class(dataset: Dataset) -> None:
    del dataset.ImageType


def starts_with_a_long_value(dataset: Dataset) -> None:
    """The second element stands beyond the bytes that are looked at."""
    dataset.ImageType = ["X" * 16] * 400


@pytest.mark.parametrize("syntax", ENCODINGS)
@pytest.mark.parametrize(
    "change", [lambda dataset: None, starts_with_creation_date, starts_with_the_class, starts_with_a_long_value]
)
def test_files_are_known_with_and_without_preamble_and_meta(
    tmp_path: Path, syntax: str, change: Callable[[Dataset], None]
) -> None:
    content = written(tmp_path, syntax, change)
    assert is_dicom(io.BytesIO(content))
    assert is_dicom(io.BytesIO(content[128:]))
    assert is_dicom(io.BytesIO(content[132:]))
    bare = without_meta(content)
    long_and_untyped = change is starts_with_a_long_value and syntax == ImplicitVRLittleEndian
    assert is_dicom(io.BytesIO(bare)) is not long_and_untyped


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no DICOM",
        b"\x08\x00",
        b"\x08\x00\x05\x00 a text that begins with two such bytes by chance, and goes on for a while",
        b"\x02\x00" + bytes(200),
        bytes(500),
        b"PK\x03\x04" + bytes(100),
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'}",
        b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ",
    ],
)
def test_other_files_are_not_taken_for_dicom(content: bytes) -> None:
    assert not is_dicom(io.BytesIO(content))


@pytest.mark.parametrize("preamble", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_deflated_file_is_what_it_was(tmp_path: Path, wrapped: bool, preamble: bool) -> None:
    """Some writers put a zlib header before the raw stream that the standard asks for."""
    plain, content = written(tmp_path, ExplicitVRLittleEndian), written(tmp_path, DeflatedExplicitVRLittleEndian)
    meta = content[: len(content) - len(without_meta(content))]
    if wrapped:
        content = meta + zlib.compress(zlib.decompress(without_meta(content), -15))
    if not preamble:
        content = content[132:]
    dataset = dcmread(unpacked(io.BytesIO(content)), force=True)
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert dataset.PixelData == dcmread(io.BytesIO(plain)).PixelData


def test_other_files_stay_as_they_are(tmp_path: Path) -> None:
    """Also one that names the deflated syntax elsewhere, as an archive does among those that it offers."""

    def offers(dataset: Dataset) -> None:
        dataset.ImageComments = DeflatedExplicitVRLittleEndian

    content = written(tmp_path, ExplicitVRLittleEndian, offers)
    assert unpacked(io.BytesIO(content)).read() == content


def test_a_damaged_deflated_part_is_told(tmp_path: Path) -> None:
    content = written(tmp_path, DeflatedExplicitVRLittleEndian)
    meta = content[: len(content) - len(without_meta(content))]
    for bad, fact in ((content[:-40], "ends too early"), (meta + b"\xff" * 80, "cannot be unpacked")):
        with pytest.raises(DicomFileError, match=rf"is damaged \(its deflated part {fact}\); copy or export it again"):
            unpacked(io.BytesIO(bad))


def test_a_few_bytes_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnunet_amt.images.dicom.stream._MOST_UNPACKED", 1 << 20)
    content = written(tmp_path, DeflatedExplicitVRLittleEndian)
    meta = content[: len(content) - len(without_meta(content))]
    packer = zlib.compressobj(wbits=-15)
    bomb = meta + packer.compress(bytes(1 << 21)) + packer.flush()
    with pytest.raises(DicomFileError, match="unpacks to more than"):
        unpacked(io.BytesIO(bomb))
