"""Damaged files, NaN and header nonsense are found by reading the bytes, which SimpleITK mends in silence."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.integrity import file_damage, nifti_voxels, require_whole_file

SHAPE = (5, 4, 3)
ENDINGS = (".nii", ".nii.gz")
# Place and form of fields of the NIfTI-1 header, little-endian.
DIMENSIONS, VOXEL_TYPE, BITS, SPACINGS, OFFSET, SLOPE, CODES, SFORM, MAGIC = 40, 70, 72, 76, 108, 112, 252, 280, 344


def write_nifti(path: Path, voxels: np.ndarray, version: int = 1, order: str = "<") -> Path:
    """Write as other programs do, in either version and byte order."""
    image_class = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}[version]
    header = image_class.header_class(endianness=order)
    header.set_data_dtype(voxels.dtype)
    nibabel.save(image_class(voxels, np.eye(4), header), path)
    return path


def with_field(path: Path, place: int, form: str, *values: float | bytes) -> Path:
    """Write an 8-bit file with one field of its header replaced."""
    content = bytearray(write_nifti(path.with_name("good.nii"), np.ones(SHAPE, np.uint8)).read_bytes())
    struct.pack_into("<" + form, content, place, *values)
    path.write_bytes(gzip.compress(bytes(content)) if path.name.endswith(".gz") else bytes(content))
    return path


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinite_voxels_are_counted(
    tmp_path: Path, ending: str, version: int, order: str, dtype: type[np.floating]
) -> None:
    voxels = np.zeros(SHAPE, dtype)
    path = write_nifti(tmp_path / f"x{ending}", voxels, version, order)
    assert file_damage(path) is None
    voxels[0, 0, 0], voxels[1, 2, 0], voxels[-1, -1, -1] = np.nan, np.inf, -np.inf  # the first and the last byte too
    write_nifti(path, voxels, version, order)
    with pytest.raises(ImageReadError) as raised:
        require_whole_file(path)
    assert str(raised.value) == (
        f"x{ending}: holds NaN or infinite values (3 of 60 voxels); "
        "give them numbers: 0 in a mask, -1024 HU outside of a scan"
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_nan_is_found_where_chunks_meet(tmp_path: Path, ending: str) -> None:
    # A chunk is 2**20 bytes and the header 352, so no 8-byte voxel that starts at byte 2**20 - 4 is in one chunk.
    voxels = np.zeros((128, 96, 32), np.float64)
    content = bytearray(write_nifti(tmp_path / "x.nii", voxels).read_bytes())
    content[352:352] = bytes(4)
    struct.pack_into("<f", content, OFFSET, 356)
    struct.pack_into("<d", content, 2**20 - 4, np.nan)
    path = tmp_path / f"x{ending}"
    path.write_bytes(gzip.compress(bytes(content), 1) if ending == ".nii.gz" else bytes(content))
    assert "(1 of 393216 voxels)" in str(file_damage(path))


def test_what_follows_the_voxels_is_no_voxel(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "x.nii", np.zeros(SHAPE, np.float32))
    path.write_bytes(path.read_bytes() + np.array([np.nan], "<f4").tobytes())
    assert file_damage(path) is None


def test_bits_of_integers_are_not_taken_for_nan(tmp_path: Path) -> None:
    # 0x7fc00000 is NaN as a float and a number as an integer.
    assert file_damage(write_nifti(tmp_path / "x.nii", np.full(SHAPE, 0x7FC00000, np.int32))) is None


@pytest.mark.parametrize(
    ("place", "form", "values"),
    [
        (BITS, "h", [0]),  # the type alone tells the bits
        (DIMENSIONS, "5h", [4, 5, 4, 3, 0]),  # an empty fourth dimension is none
        (SLOPE, "2f", [np.nan, np.nan]),  # nibabel's word for "not scaled"
    ],
)
def test_harmless_oddities_are_let_through(tmp_path: Path, place: int, form: str, values: list) -> None:
    path = with_field(tmp_path / "x.nii", place, form, *values)
    assert file_damage(path) is None
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(path))).sum() == 60


@pytest.mark.parametrize("ending", ENDINGS)
def test_more_voxels_than_any_file_holds(tmp_path: Path, ending: str) -> None:
    path = with_field(tmp_path / f"x{ending}", DIMENSIONS, "8h", 7, *[32767] * 7)
    assert "is damaged (it ends after 412 of " in str(file_damage(path))


def test_bits_0_do_not_hide_that_voxels_are_missing(tmp_path: Path) -> None:
    path = with_field(tmp_path / "x.nii", BITS, "h", 0)
    path.write_bytes(path.read_bytes()[:-10])
    assert file_damage(path) == "is damaged (it ends after 402 of 412 bytes); copy or export it again"


def test_every_damaged_header_byte_gives_an_answer(tmp_path: Path) -> None:
    good = write_nifti(tmp_path / "good.nii", np.ones(SHAPE, np.float32)).read_bytes()
    path = tmp_path / "x.nii"
    for place in range(352):
        for value in (0x00, 0x7F, 0x80, 0xFF):
            path.write_bytes(good[:place] + bytes([value]) + good[place + 1 :])
            damage = file_damage(path)
            assert damage is None or ("\n" not in damage and len(damage) < 200)


def test_memory_does_not_grow_with_what_is_packed(tmp_path: Path) -> None:
    # 64 MB of zeros pack to 64 kB, which one read would unpack at once.
    path = write_nifti(tmp_path / "x.nii.gz", np.zeros((2**8, 2**8, 2**8), np.float32))
    tracemalloc.start()
    assert file_damage(path) is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16e6


def test_a_truncated_mha_is_found_before_itk_complains(tmp_path: Path) -> None:
    path = tmp_path / "x.mha"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros(SHAPE, np.int16)), str(path))
    assert file_damage(path) is None
    path.write_bytes(path.read_bytes()[:-20])
    assert file_damage(path) == "is damaged (it holds 100 of 120 bytes of voxels); copy or export it again"


def write_metaimage(path: Path, packed: bytes, *, size: int | None, truth: str = "True") -> Path:
    """Write 60 bytes of voxels, `packed`, as .mha, or as .mhd with a file beside it."""
    detached = path.suffix == ".mhd"
    header = [
        "ObjectType = Image", "NDims = 3", "DimSize = 3 4 5", "ElementType = MET_UCHAR", "BinaryData = True",
        f"CompressedData = {truth}", *([] if size is None else [f"CompressedDataSize = {size}"]),
        f"ElementDataFile = {'x.zraw' if detached else 'LOCAL'}\n",
    ]  # fmt: skip
    path.write_bytes("\n".join(header).encode() + (b"" if detached else packed))
    if detached:
        (path.parent / "x.zraw").write_bytes(packed)
    return path


@pytest.mark.parametrize("ending", [".mha", ".mhd"])
def test_packed_metaimages_are_unpacked_to_their_length(tmp_path: Path, ending: str) -> None:
    """ITK takes what is missing, or damaged, for whatever lies in its memory."""
    voxels = bytes(range(60))
    whole, short, stored = zlib.compress(voxels), zlib.compress(voxels[:40]), zlib.compress(voxels, 0)
    flipped = stored.replace(bytes([7, 8]), bytes([7, 9]))
    path = tmp_path / f"x{ending}"
    for truth in ("True", "T", "1"):
        assert file_damage(write_metaimage(path, whole, size=len(whole), truth=truth)) is None
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).ravel(), list(voxels))
    assert file_damage(write_metaimage(path, voxels, size=None, truth="False")) is None
    for packed, size, why in (
        (short, len(short), "its compressed voxels are 40 of 60 bytes"),
        (whole[:-10], len(whole) - 10, "its compressed data end too early"),
        (whole, len(whole) - 10, "its compressed data end too early"),
        (whole, 10**18, f"it holds {len(whole)} of {10**18} bytes of compressed voxels"),
        (whole, None, "it does not say how long its compressed voxels are, CompressedDataSize"),
        (flipped, len(flipped), "Error -3 while decompressing data: incorrect data check"),
    ):
        damage = file_damage(write_metaimage(path, packed, size=size))
        assert damage == f"is damaged ({why}); copy or export it again"
    damage = file_damage(write_metaimage(path, voxels[:50], size=None, truth="False"))
    assert damage == "is damaged (it holds 50 of 60 bytes of voxels); copy or export it again"
    if ending == ".mhd":
        (tmp_path / "x.zraw").unlink()
        assert file_damage(path) == "is damaged (its voxels, x.zraw, are not beside it); copy or export it again"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_voxels_are_read_while_the_file_is_checked(tmp_path: Path, ending: str, order: str, version: int) -> None:
    voxels = np.arange(60, dtype=np.int16).reshape(SHAPE)
    path = write_nifti(tmp_path / f"x{ending}", voxels, version, order)
    read = nifti_voxels(path, name="x")
    np.testing.assert_array_equal(read, voxels.T)  # (z, y, x): x runs fastest in the file
    assert read.dtype.isnative
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:-9])
    with pytest.raises(ImageReadError, match=r"^case 7: is damaged \("):
        nifti_voxels(path, name="case 7")


def test_a_file_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageReadError, match=r"x\.nii: cannot be read \(No such file or directory\)"):
        file_damage(tmp_path / "x.nii")
    path = write_nifti(tmp_path / "y.nii", np.zeros(SHAPE, np.uint8))

    def refuse(self: Path, *_: object) -> None:  # the administrator may open any file, so chmod is no test
        raise PermissionError(13, os.strerror(13), str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageReadError, match=r"y\.nii: cannot be read \(Permission denied\)"):
        require_whole_file(path)
