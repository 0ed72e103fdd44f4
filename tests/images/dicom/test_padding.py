"""Stored values that the header names as padding get the floor, however they are written; nothing else is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.series import ct_series_among
from nnunet_amt.images.image_file import FLOOR_HU
from tests.images.dicom.dicom_fixtures import make_volume, save_encoded, write_ct_series

CORNERS = np.zeros((40, 36), bool)
CORNERS[:4, :5] = CORNERS[-3:, -6:] = True
VOLUME = make_volume(3, 40, 36) + 600  # -400 to 3919 HU
EXPECTED = np.where(CORNERS, FLOOR_HU, VOLUME)


def padding(
    word: int,
    *,
    value: int | None = None,
    limit: int | None = None,
    vr: str = "US",
    signed: bool = False,
    bits: int = 16,
    where: NDArray[np.bool_] = CORNERS,
    slope: float = 1.0,
    intercept: float = -1024,
) -> Callable[[int, Dataset], None]:
    """Write `word`, 16 bits, into the corners of every slice, and name it (or `value`) as padding."""

    def change(z: int, dataset: Dataset) -> None:
        pixels = np.rint((VOLUME[z] - intercept) / slope).astype("<i4").astype("<u2")
        pixels[where] = word % 65536
        dataset.PixelData = pixels.tobytes()
        dataset.PixelRepresentation = int(signed)
        dataset.BitsStored, dataset.HighBit = bits, bits - 1
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        dataset.add_new(0x00280120, vr, word if value is None else value)
        if limit is not None:
            dataset.add_new(0x00280121, vr, limit)

    return change


def voxels(folder: Path, change: Callable[[int, Dataset], None], syntax: str | None = None) -> NDArray:
    write_ct_series(folder / "ct", VOLUME, change=change, syntax=syntax)
    return read(folder)


def read(folder: Path) -> NDArray:
    dicom = DicomFolder(folder / "ct")
    (folder / "scratch").mkdir()
    image = ct_series_among(dicom, dicom.headers()).read(folder / "scratch")
    return np.maximum(sitk.GetArrayFromImage(image), FLOOR_HU)  # as the conversion raises what is below


WAYS = {
    "signed": padding(-2000, vr="SS", signed=True),
    "the lowest of signed": padding(-32768, vr="SS", signed=True),
    "-2000 in unsigned pixels": padding(63536),
    "-2000 in unsigned pixels, named as signed": padding(63536, value=-2000, vr="SS"),
    "-2000 in signed pixels, named as unsigned": padding(-2000, value=63536, signed=True),
    "the highest of unsigned": padding(65535),
    "above all that is stored in 12 bits": padding(63536, bits=13),
    "high in signed pixels": padding(32767, vr="SS", signed=True),
    "what is water elsewhere": padding(1024),
    "zero in HU": padding(0, vr="SS", signed=True, intercept=0),
    "half a slope": padding(65000, slope=0.5),
    "half an intercept": padding(65000, intercept=-1023.5),
    "range": padding(63600, value=63536, limit=64000),
    "range the other way round": padding(63600, value=64000, limit=63536),
    "range in signed words": padding(63600, value=-2000, limit=-1024, vr="SS"),
    "range across zero": padding(65000, value=-2000, limit=10, vr="SS"),
    "range across zero in unsigned words": padding(65000, value=63536, limit=10),
    "range in signed pixels": padding(-1500, value=-2000, limit=-1024, vr="SS", signed=True),
}


@pytest.mark.parametrize("change", WAYS.values(), ids=WAYS.keys())
def test_padding_becomes_the_floor(tmp_path: Path, change: Callable[[int, Dataset], None]) -> None:
    """Half an intercept moves the others by half a HU, as it is written."""
    np.testing.assert_allclose(voxels(tmp_path, change), EXPECTED, atol=0.51)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("way", ["-2000 in unsigned pixels", "-2000 in signed pixels, named as unsigned", "range"])
def test_compressed_slices_too(tmp_path: Path, syntax: str, way: str) -> None:
    np.testing.assert_array_equal(voxels(tmp_path, WAYS[way], syntax), EXPECTED)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_and_those_of_every_encoding_without_compression(tmp_path: Path, syntax: str) -> None:
    """Without types in the file the padding's is told by that of the pixels."""
    for path in write_ct_series(tmp_path / "ct", VOLUME, change=WAYS["-2000 in unsigned pixels"]):
        dataset = dcmread(path)
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        save_encoded(dataset, path, syntax)
    np.testing.assert_array_equal(read(tmp_path), EXPECTED)


def test_only_the_slices_that_name_it_have_it(tmp_path: Path) -> None:
    """1200 HU in the corner of a slice whose header is silent is bone."""

    def change(z: int, dataset: Dataset) -> None:
        padding(2224)(z, dataset)
        if z == 1:
            del dataset.PixelPaddingValue

    found = voxels(tmp_path, change)
    np.testing.assert_array_equal(found[[0, 2]], EXPECTED[[0, 2]])
    np.testing.assert_array_equal(found[1], np.where(CORNERS, 1200, VOLUME[1]))


def test_a_value_that_may_be_measured_is_padding_at_the_edge_only(tmp_path: Path) -> None:
    """0 HU is named as padding, and water in the middle of the slice has it too."""
    where = CORNERS.copy()
    where[18:22, 18:22] = True
    found = voxels(tmp_path, padding(1024, where=where))
    assert (found[:, CORNERS] == FLOOR_HU).all()
    assert (found[:, 18:22, 18:22] == 0).all()


def test_one_that_cannot_be_measured_is_padding_everywhere(tmp_path: Path) -> None:
    where = CORNERS.copy()
    where[18:22, 18:22] = True
    np.testing.assert_array_equal(voxels(tmp_path, padding(63536, where=where)), np.where(where, FLOOR_HU, VOLUME))


def test_a_limit_alone_names_nothing(tmp_path: Path) -> None:
    def change(z: int, dataset: Dataset) -> None:
        padding(1024, limit=2000)(z, dataset)
        del dataset.PixelPaddingValue

    np.testing.assert_array_equal(voxels(tmp_path, change), np.where(CORNERS, 0, VOLUME))


def test_a_slice_of_nothing_but_padding(tmp_path: Path) -> None:
    def change(z: int, dataset: Dataset) -> None:
        padding(63536, where=np.full_like(CORNERS, z == 2) | CORNERS)(z, dataset)

    found = voxels(tmp_path, change)
    assert (found[2] == FLOOR_HU).all()
    np.testing.assert_array_equal(found[:2], EXPECTED[:2])
