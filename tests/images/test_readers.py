"""What every reader of images refuses: one table of damages, one of readers.

A reader that takes one of these files for good trains or measures on a mask with less tumour, without a word: ITK
itself fills truncated NIfTI files with zeros, takes NaN for 0, and writes its complaints past Python.
"""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import GeometryMismatchError, ImageReadError, LabelValueError
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.mask import open_dicom_mask
from nnunet_amt.images.dicom.series import ct_series_among
from nnunet_amt.images.geometry import Geometry, geometry_difference
from nnunet_amt.images.image_file import itk_warnings_off, open_image_file, read_image
from nnunet_amt.images.integrity import file_damage, header_damage, require_whole_file
from nnunet_amt.images.mask_file import open_label_file, read_foreground, read_geometry
from tests.images.dicom.dicom_fixtures import ORIGIN, SPACING, make_volume, square, write_ct_series, write_rtstruct
from tests.images.dicom.seg_fixtures import write_ct_and_seg

UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Geometry((32, 30, 8), (0.7, 0.8, 5.0), (-12.5, 3.25, 40.0), UPRIGHT)
NOISE = (np.random.default_rng(0).random((8, 30, 32)) < 0.5).astype(np.uint8)  # a mask, hardly to be compressed
SMALL = NOISE[:3, :4, :5]
# Place and form of fields of the NIfTI-1 header, little-endian.
DIMENSIONS, VOXEL_TYPE, SPACINGS, OFFSET, SFORM, MAGIC = 40, 70, 76, 108, 280, 344

Variants = Iterator[tuple[str, bytes, str]]  # name of the file, its content, what the message must say


def read_label_map(path: Path) -> None:
    read_geometry(path)
    read_foreground(path, case_id="a")


READERS: dict[str, Callable[[Path], object]] = {
    "integrity": require_whole_file,
    "whole image": read_image,
    "CT": lambda path: open_image_file(path).read(path.parent),
    "label file": lambda path: open_label_file(path, grid=grid_of(path)).read(grid_of(path)),
    "label map": read_label_map,
}
# SimpleITK checks the length of uncompressed NRRD, and whether a text header is one at all.
LEFT_TO_SIMPLEITK = {"integrity"}


def grid_of(path: Path) -> Geometry:
    """The grid that the header states: these files are damaged, not displaced."""
    return open_image_file(path).geometry


def image_of(voxels: np.ndarray, geometry: Geometry = GRID) -> sitk.Image:
    image = sitk.GetImageFromArray(voxels)
    geometry.set_on(image)
    return image


@cache
def good(folder: Path) -> dict[str, bytes]:
    """A whole mask in every format."""
    for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.mha", "packed.nrrd", "packed.mha"):
        sitk.WriteImage(image_of(NOISE), str(folder / name), name.startswith("packed") or name.endswith(".gz"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return good(tmp_path_factory.mktemp("good"))


def no_image(files: dict[str, bytes]) -> Variants:
    for ending in ("nii", "nii.gz", "nrrd", "mha"):
        for content in (b"", b"hello", b"no image at all", bytes(2000)):
            yield f"a.{ending}", content, "is damaged (it" if ending.startswith("nii") else ""


def truncated(files: dict[str, bytes]) -> Variants:
    for name, content in files.items():
        for end in (int(0.3 * len(content)), len(content) // 2, int(0.9 * len(content)), -5, -1):
            yield name, content[:end], "is damaged (it" if "nii" in name or "packed" in name or "mha" in name else ""


def truncated_within_its_header(files: dict[str, bytes]) -> Variants:
    for length in (0, 1, 3, 100, 347):
        message = f"is damaged (it ends after {length} bytes, within its header); copy or export it again"
        content = files["a.nii"][:length]
        yield from (("a.nii", content, message), ("a.nii.gz", gzip.compress(content), message))


def packed_from_too_little(files: dict[str, bytes]) -> Variants:
    whole = files["a.nii"]
    yield "a.nii.gz", gzip.compress(whole[:-100]), f"it ends after {len(whole) - 100} of {len(whole)} bytes"


def damaged_within_compressed_data(files: dict[str, bytes]) -> Variants:
    for name in ("a.nii.gz", "packed.nrrd", "packed.mha"):
        content = files[name]
        yield name, content[:-100] + bytes(10) + content[-90:], "is damaged ("


def a_flipped_bit(files: dict[str, bytes]) -> Variants:
    # ITK finds it in small files only; this one has 160 kB. At 1.0 it is the checksum that is wrong.
    voxels = (np.random.default_rng(0).random((64, 128, 128)) < 0.5).astype(np.uint8)
    packed = gzip.compress(with_fields(files, (DIMENSIONS, "4h", (3, 128, 128, 64)))[:352] + voxels.tobytes(), 1)
    for place in (0.5, 0.9, 1.0):
        content = bytearray(packed)
        content[int(place * (len(content) - 8))] ^= 1
        yield "a.nii.gz", bytes(content), "is damaged (Error -3 while decompressing"


def not_a_number(files: dict[str, bytes]) -> Variants:
    """In either byte order; the first and the last byte too."""
    for kind in (np.float32, np.float64):
        for order in "<>":
            for bad in ((np.nan,), (np.inf,), (-np.inf,), (np.nan, np.inf, -np.inf)):
                voxels: np.ndarray = SMALL.astype(kind)
                voxels[(0, 1, -1)[: len(bad)], (0, 2, -1)[: len(bad)], (0, 0, -1)[: len(bad)]] = bad
                header = nibabel.Nifti1Header(endianness=order)
                header.set_data_dtype(kind)
                content = nibabel.Nifti1Image(voxels.T, np.diag([-0.7, -0.8, 5.0, 1.0]), header).to_bytes()
                message = (
                    f"holds NaN or infinite values ({len(bad)} of 60 voxels); "
                    "give them numbers: 0 in a mask, -1024 HU outside of a scan"
                )
                yield from (("a.nii", content, message), ("a.nii.gz", gzip.compress(content, 1), message))


def with_fields(files: dict[str, bytes], *fields: tuple[int, str, tuple]) -> bytes:
    content = bytearray(files["a.nii"])
    for place, form, values in fields:
        struct.pack_into("<" + form, content, place, *values)
    return bytes(content)


def header_nonsense(files: dict[str, bytes]) -> Variants:
    cases: tuple[tuple[int, str, list, str], ...] = (
        (0, "i", [77], "its header is not NIfTI's"),
        (MAGIC, "4s", [b"abc\0"], "its header is not NIfTI's"),
        (DIMENSIONS, "h", [0], "its header states 0 dimensions"),
        (DIMENSIONS, "h", [9], "its header states 9 dimensions"),
        (DIMENSIONS, "h", [-3], "its header states -3 dimensions"),
        (DIMENSIONS, "4h", [3, -32, 30, 8], "its header states the size -32 x 30 x 8"),
        (DIMENSIONS, "4h", [3, 32, -30, 8], "its header states the size 32 x -30 x 8"),
        (DIMENSIONS, "4h", [3, 32, 30, 0], "its header states the size 32 x 30 x 0"),
        (VOXEL_TYPE, "h", [0], "its header states the voxel type 0"),
        (VOXEL_TYPE, "h", [77], "its header states the voxel type 77"),
        (SPACINGS + 4, "f", [np.nan], "its header holds NaN or infinite spacings"),
        (SPACINGS + 8, "f", [np.inf], "its header holds NaN or infinite spacings"),
        (SFORM, "f", [np.nan], "its header holds a NaN or infinite orientation"),
        # SimpleITK reads these from the end of the header: four bytes too early
        *((OFFSET, "f", [value], "its header states that the voxels") for value in (np.nan, np.inf, -np.inf)),
        *((OFFSET, "f", [value], "its header states that the voxels") for value in (0.0, -352.0)),
    )
    for place, form, values, message in cases:
        content = with_fields(files, (place, form, tuple(values)))
        yield from (("a.nii", content, f"is damaged ({message}"), ("a.nii.gz", gzip.compress(content), message))


def more_stated_than_there_is(files: dict[str, bytes]) -> Variants:
    for fields in ((OFFSET, "f", (1e30,)), (DIMENSIONS, "4h", (3, 32, 30, 9))):
        content = with_fields(files, fields)
        for name, packed in (("a.nii", content), ("a.nii.gz", gzip.compress(content))):
            yield name, packed, f"is damaged (it ends after {len(content)} of "


DAMAGES = (
    no_image,
    truncated,
    truncated_within_its_header,
    packed_from_too_little,
    damaged_within_compressed_data,
    a_flipped_bit,
    not_a_number,
    header_nonsense,
    more_stated_than_there_is,
)


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_takes_the_whole_files(tmp_path: Path, files: dict[str, bytes], reader: str) -> None:
    """Otherwise all below could be refused for another reason."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        READERS[reader](tmp_path / name)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_reader_refuses_every_damage_in_one_line_and_nothing_beside_it(
    tmp_path: Path,
    files: dict[str, bytes],
    damage: Callable[[dict[str, bytes]], Variants],
    reader: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, content, message in damage(files):
        if not message and reader in LEFT_TO_SIMPLEITK:
            continue
        path = tmp_path / name
        path.write_bytes(content)
        with itk_warnings_off(), pytest.raises(ImageReadError) as raised:
            READERS[reader](path)
            pytest.fail(f"{reader} takes {damage.__name__} {name} of {len(content)} bytes for good")
        line = str(raised.value)
        assert name in line
        assert message in line
        assert "\n" not in line
        assert len(line.replace(str(path), "")) < 250
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("damage", [truncated_within_its_header, header_nonsense], ids=lambda damage: damage.__name__)
def test_nonsense_is_found_in_the_header_alone(
    tmp_path: Path, files: dict[str, bytes], damage: Callable[[dict[str, bytes]], Variants]
) -> None:
    for name, content, _ in damage(files):
        (tmp_path / name).write_bytes(content)
        assert header_damage(tmp_path / name) == file_damage(tmp_path / name) is not None


@pytest.mark.parametrize(
    ("voxels", "of_label_map", "of_label_file"),
    [
        (
            NOISE * 255,
            "values 0, 255; a mask holds 0 and 1 only; if 255 is tumour: --foreground 255",
            "divide it by 255",
        ),
        (np.full_like(NOISE, 255), "values 255; a mask holds 0 and 1 only; if 255 is tumour", "255; divide it by 255"),
        (NOISE * 2, "values 0, 2; a mask holds 0 and 1 only; if 2 is tumour: --foreground 2", "and 1 (tumour): 2"),
        (np.where(np.arange(32) < 16, NOISE, NOISE * 2), "values 0, 1, 2", "and 1 (tumour): 2"),
        (-NOISE.astype(np.int16), "values -1, 0; a mask", "and 1 (tumour): -1"),
        (
            NOISE * np.float32(0.37),
            "floating point numbers (0, 0.37); a mask holds 0 and 1 only, as integers; these are no labels",
            "and 1 (tumour): 0.37",
        ),
        (
            np.where(NOISE, np.inf, 0.0),
            "floating point numbers (0, inf); a mask holds 0 and 1 only, as integers; NaN and infinity are no",
            "and 1 (tumour): inf",
        ),
        (
            np.arange(7680, dtype=np.uint16).reshape(8, 30, 32) % 60,
            "values 0, 1, 2 ... 59 (60 of them);",
            "and 1 (tumour): 2, 3, 4, 5, 6, ...",
        ),
    ],
    ids=["255", "only 255", "2", "0, 1, 2", "-1", "0.37", "infinite", "60 labels"],
)
def test_both_readers_of_masks_refuse_what_is_none(
    tmp_path: Path, voxels: np.ndarray, of_label_map: str, of_label_file: str
) -> None:
    path = tmp_path / "m.nrrd"
    sitk.WriteImage(image_of(voxels), str(path))
    with pytest.raises(LabelValueError) as raised:
        read_foreground(path, case_id="a")
    assert str(raised.value).startswith(f"{path}: case a: holds ")
    assert of_label_map in str(raised.value)
    with pytest.raises(LabelValueError) as raised:
        open_label_file(path, grid=GRID).read(GRID)
    assert str(raised.value).startswith("m.nrrd: holds ")
    assert str(raised.value).endswith(of_label_file)


@pytest.mark.parametrize("ending", ["nii.gz", "nii", "nrrd", "mha"])
@pytest.mark.parametrize(
    ("name", "value", "difference"),
    [
        ("size", (32, 30, 7), "size (32, 30, 7) against (32, 30, 8)"),
        ("spacing", (0.7, 0.8, 3.0), "spacing (0.7, 0.8, 3) against (0.7, 0.8, 5)"),
        ("origin", (-12.5, 3.25, 45.0), "origin (-12.5, 3.25, 45) against (-12.5, 3.25, 40)"),
        ("direction", (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8), "direction (1, 0, 0, 0, 0.8, -0.6"),
    ],
)
def test_every_reader_sees_another_grid(
    tmp_path: Path, ending: str, name: str, value: tuple[float, ...], difference: str
) -> None:
    voxels = NOISE[:7] if name == "size" else NOISE
    changed = Geometry(**({field: getattr(GRID, field) for field in GRID.__dataclass_fields__} | {name: value}))
    path = tmp_path / f"m.{ending}"
    sitk.WriteImage(image_of(voxels, changed), str(path))
    for found in (
        read_geometry(path),
        open_image_file(path).geometry,
        open_label_file(path, grid=GRID, resample=True).file.geometry,
        Geometry.of(read_image(path)),
    ):
        assert str(geometry_difference(found, GRID)).startswith(difference)
    with pytest.raises(
        GeometryMismatchError, match=re.escape(f"m.{ending}: does not lie on the grid of the CT: {difference}")
    ):
        open_label_file(path, grid=GRID)


def series_file(folder: Path) -> Path:
    return write_ct_series(folder, make_volume(6, 16, 16))[2]


def structure_file(folder: Path) -> Path:
    write_rtstruct(folder / "rs", {"GTV": [square(z, (0.5, 4.5), (0.5, 3.5)) for z in range(6)]})
    return folder / "rs"


def segmentation_file(folder: Path) -> Path:
    tumour = np.zeros((6, 10, 12), bool)
    tumour[1:3, 2:5, 3:7] = True
    write_ct_and_seg(folder, {"tumour": tumour})
    return folder / "seg.dcm"


def read_series(path: Path) -> None:
    folder = DicomFolder(path.parent)
    ct_series_among(folder, folder.headers()).read(path.parent)


def read_dicom_mask(path: Path) -> None:
    folder = DicomFolder(path)
    mask = open_dicom_mask(folder, folder.headers(), roi=None)
    mask.read(Geometry((12, 10, 6), SPACING, ORIGIN, UPRIGHT))


DICOM_READERS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], None]]] = {
    "series": (series_file, read_series),
    "RTSTRUCT": (structure_file, read_dicom_mask),
    "SEG": (segmentation_file, read_dicom_mask),
}


@pytest.mark.parametrize("kind", DICOM_READERS)
def test_every_reader_of_dicom_refuses_truncated_files(tmp_path: Path, kind: str) -> None:
    write, read = DICOM_READERS[kind]
    path = write(tmp_path)
    read(path)
    whole = path.read_bytes()
    places = [int(share * len(whole)) for share in (0.5, 0.7, 0.8, 0.95)]
    if kind == "series":  # it ends after the file meta, within the header, and within the pixels
        places += [whole.index(b"\x08\x00\x08\x00"), whole.index(b"\x28\x00\x30\x00"), -3]
        places += range(150, 700, 37)  # also within the element that says what it is
    elif kind == "SEG":
        places.append(int(0.3 * len(whole)))
    for place in places:
        path.write_bytes(whole[:place])
        with pytest.raises(ImageReadError) as raised:
            read(path)
        assert "\n" not in str(raised.value)
