"""Masks that somebody sends: what fits the CT is taken in every format, and nothing hostile is unpacked or followed."""

from __future__ import annotations

import gzip
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import BadInputError, GeometryMismatchError, ImageReadError, LabelValueError
from nnunet_amt.images.geometry import Geometry, lps_geometry
from nnunet_amt.images.sent_mask import SENT_MASK_ENDINGS, read_sent_mask, sent_mask_ending
from tests.dataset_conversion.cohort_fixtures import ORIGIN, SPACING, make_mask, write_image

GRID = Geometry((11, 9, 4), SPACING, ORIGIN, (1, 0, 0, 0, 1, 0, 0, 0, 1))
MIB = 1024**2


@pytest.mark.parametrize("ending", SENT_MASK_ENDINGS)
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_every_format_is_read_to_the_voxel(tmp_path: Path, ending: str, kind: type) -> None:
    path = write_image(tmp_path / f"sent{ending}", (make_mask() * 3).astype(kind))
    assert np.array_equal(read_sent_mask(path, grid=GRID), make_mask())


def test_other_axes_are_turned_to_those_of_the_ct(tmp_path: Path) -> None:
    """ITK-SNAP and Slicer save on the axes that they like; here x and y run the other way."""
    origin = (ORIGIN[0] + 10 * SPACING[0], ORIGIN[1] + 8 * SPACING[1], ORIGIN[2])
    turned = make_mask()[:, ::-1, ::-1].copy()
    path = write_image(tmp_path / "sent.nrrd", turned, origin=origin, direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1))
    assert lps_geometry(Geometry.of(sitk.ReadImage(str(path)))) == GRID
    assert np.array_equal(read_sent_mask(path, grid=GRID), make_mask())


def test_an_empty_mask_is_read_as_it_is(tmp_path: Path) -> None:
    path = write_image(tmp_path / "sent.nii.gz", np.zeros((4, 9, 11), np.uint8))
    assert not read_sent_mask(path, grid=GRID).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spacing": (0.8, 0.7, 3.0)}, r"spacing \(0.8, 0.7, 3\) against \(0.8, 0.7, 5\)"),
        ({"origin": (-12.5, 3.25, 45.0)}, r"origin \(-12.5, 3.25, 45\) against \(-12.5, 3.25, 40\)"),
    ],
)
def test_another_grid_is_refused_with_both_values(tmp_path: Path, change: dict, words: str) -> None:
    path = write_image(tmp_path / "sent.nii.gz", make_mask(), **change)
    with pytest.raises(GeometryMismatchError, match=words):
        read_sent_mask(path, grid=GRID)


def test_a_cropped_mask_is_refused(tmp_path: Path) -> None:
    """As 3D Slicer saves a segmentation without a reference volume."""
    path = write_image(tmp_path / "sent.nrrd", make_mask()[1:3])
    with pytest.raises(GeometryMismatchError, match=r"size \(11, 9, 2\) against \(11, 9, 4\)"):
        read_sent_mask(path, grid=GRID)


def mha(*, size: str = "11 9 4", data: str = "LOCAL", extra: str = "", voxels: bytes = bytes(396)) -> bytes:
    head = (
        f"ObjectType = Image\nNDims = {len(size.split())}\nBinaryData = True\nBinaryDataByteOrderMSB = False\n{extra}"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = -12.5 3.25 40\nElementSpacing = 0.8 0.7 5\n"
        f"DimSize = {size}\nElementType = MET_UCHAR\nElementDataFile = {data}\n"
    )
    return head.encode() + voxels


def nrrd(*, sizes: str = "11 9 4", encoding: str = "raw", extra: str = "", voxels: bytes = bytes(396)) -> bytes:
    head = (
        f"NRRD0004\ntype: uchar\ndimension: {len(sizes.split())}\nspace: left-posterior-superior\nsizes: {sizes}\n"
        f"space directions: (0.8,0,0) (0,0.7,0) (0,0,5)\nkinds: domain domain domain\nencoding: {encoding}\n"
        f"space origin: (-12.5,3.25,40)\n{extra}\n"
    )
    return head.encode() + voxels


def nifti(array: np.ndarray, tmp_path: Path) -> bytes:
    return write_image(tmp_path / "made.nii", array).read_bytes()


def with_sizes(head: bytes, *sizes: int) -> bytes:
    """Let a NIfTI header state other sizes."""
    return head[:40] + struct.pack("<8h", len(sizes), *sizes, *[1] * (7 - len(sizes))) + head[56:]


def packed_zeros(mebibytes: int, head: bytes = b"") -> bytes:
    """Pack zeros a thousand times smaller."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(head), *(packer.compress(bytes(MIB)) for _ in range(mebibytes)), packer.flush()]
    return b"".join(parts)


HOSTILE: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "nothing": (".nii.gz", lambda _: b""),
    "a text": (".nii", lambda _: b"Dear radiologist, " * 100),
    "a page": (".nrrd", lambda _: b"<html><script>alert(1)</script></html>"),
    "a zip": (".nii.gz", lambda _: b"PK\x03\x04" + bytes(500)),
    "a program": (".mha", lambda _: b"\x7fELF" + bytes(500)),
    "cut": (".nii", lambda at: nifti(make_mask(), at)[:400]),
    "cut and packed": (".nii.gz", lambda at: gzip.compress(nifti(make_mask(), at))[:-20]),
    "a bomb behind the voxels": (".nii.gz", lambda at: packed_zeros(300, nifti(make_mask(), at))),
    "a bomb that says so": (".nii.gz", lambda at: packed_zeros(300, with_sizes(nifti(make_mask(), at), 999, 999, 300))),
    "a bomb in an NRRD": (".nrrd", lambda _: nrrd(encoding="gzip", voxels=packed_zeros(300))),
    "a bomb in an MHA": (".mha", lambda _: mha(extra="CompressedData = True\n", voxels=packed_zeros(300))),
    "sizes beyond all memory": (".nii", lambda at: with_sizes(nifti(make_mask(), at), 32767, 32767, 32767)),
    "sizes beyond all memory, NRRD": (".nrrd", lambda _: nrrd(sizes="2000000 2000000 2000000")),
    "sizes below nothing": (".nii", lambda at: with_sizes(nifti(make_mask(), at), -11, 9, 4)),
    "four dimensions": (".nii", lambda at: with_sizes(nifti(make_mask(), at), 11, 9, 2, 2)),
    "four dimensions, MHA": (".mha", lambda _: mha(size="11 9 2 2")),
    "two dimensions": (".nii", lambda at: with_sizes(nifti(make_mask(), at), 11, 36)),
    "colours": (".nrrd", lambda _: nrrd(sizes="3 11 9 4", voxels=bytes(1188))),
    "an endless header": (".nrrd", lambda _: b"NRRD0004\n" + b"# nothing\n" * 200_000),
    "an endless line": (".mha", lambda _: b"ObjectType = Image" + b" " * 3 * MIB),
    "voxels in another file, NRRD": (".nrrd", lambda _: nrrd(extra="data file: /etc/hostname\n", voxels=b"")),
    "voxels in another file, spelt otherwise": (".nrrd", lambda _: nrrd(extra="Datafile:  ../x\n", voxels=b"")),
    "voxels in another file, MHA": (".mha", lambda _: mha(data="/etc/hostname", voxels=b"")),
    "voxels in many files": (".mha", lambda _: mha(data="LIST", voxels=b"/etc/hostname\n")),
    "not numbers": (".nii", lambda at: nifti(np.full((4, 9, 11), np.nan, np.float32), at)),
    "probabilities": (".nii", lambda at: nifti(np.full((4, 9, 11), 0.3, np.float32), at)),
    "below nothing": (".nii", lambda at: nifti(np.full((4, 9, 11), -1, np.int16), at)),
    "three labels": (".nii", lambda at: nifti(make_mask() + 2 * np.eye(9, 11, dtype=np.uint8), at)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_masks_are_refused_in_a_line_and_soon(tmp_path: Path, name: str) -> None:
    """Of 300 MiB that a bomb unpacks to no more than some are ever held, and its name is not told."""
    ending, content = HOSTILE[name]
    path = tmp_path / f"sent{ending}"
    path.write_bytes(content(tmp_path))
    started = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(BadInputError) as refused:
            read_sent_mask(path, grid=GRID)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    message = str(refused.value)
    assert isinstance(refused.value, (ImageReadError, GeometryMismatchError, LabelValueError))
    assert message.startswith("the mask that was sent: ")
    assert "\n" not in message
    assert str(tmp_path) not in message
    assert peak < 20 * MIB
    assert time.process_time() - started < 10


def test_several_labels_are_named(tmp_path: Path) -> None:
    path = write_image(tmp_path / "sent.nii", make_mask() + 2 * np.eye(9, 11, dtype=np.uint8))
    with pytest.raises(LabelValueError, match=r"holds 3 labels \(1, 2, 3\), must hold one"):
        read_sent_mask(path, grid=GRID)


@pytest.mark.parametrize("name", ["mask.dcm", "mask.nii.gz.exe", "mask", "../../mask.nhdr", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ImageReadError, match=r"is no file of \.nii\.gz"):
        sent_mask_ending(name)
