"""Slices read directly give what SimpleITK gives, compressed ones the voxels that were compressed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom import series as reader
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
from nnunet_amt.images.dicom.slices import plain_series
from tests.images.dicom.dicom_fixtures import INTERCEPT, make_volume, write_ct_series


def twelve_bits(z: int, dataset: Dataset) -> None:
    """Most scanners: unsigned, 12 of 16 bits; the fixtures' stored values are 24 and more."""
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0


def without_syntax_of_its_own(z: int, dataset: Dataset) -> None:
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


def signed_hu(z: int, dataset: Dataset) -> None:
    """Negative numbers are stored, nothing is added."""
    stored = np.frombuffer(dataset.PixelData, "<i2") + INTERCEPT
    dataset.PixelData, dataset.RescaleIntercept = stored.astype("<i2").tobytes(), 0


def an_intercept_a_slice(z: int, dataset: Dataset) -> None:
    stored = np.frombuffer(dataset.PixelData, "<i2") + z
    dataset.PixelData, dataset.RescaleIntercept = stored.astype("<i2").tobytes(), INTERCEPT - z


def read(folder: Path) -> tuple[NDArray[np.int16] | None, NDArray]:
    """Give what we read, and what SimpleITK reads."""
    dicom = DicomFolder(folder)
    series = ct_series_among(dicom, dicom.headers())
    files = [folder / header.member for header in series.slices]
    return plain_series(files, series.slices), sitk.GetArrayFromImage(sitk.ReadImage([str(file) for file in files]))


@pytest.mark.parametrize("change", [None, twelve_bits, without_syntax_of_its_own, signed_hu, an_intercept_a_slice])
def test_the_voxels_are_those_that_were_stored(tmp_path: Path, change: object) -> None:
    write_ct_series(tmp_path, change=change)  # type: ignore[arg-type]
    ours, _ = read(tmp_path)
    assert ours is not None
    np.testing.assert_array_equal(ours, make_volume())


@pytest.mark.parametrize("change", [None, twelve_bits, without_syntax_of_its_own, signed_hu])
def test_simpleitk_reads_the_same(tmp_path: Path, change: object) -> None:
    write_ct_series(tmp_path, change=change)  # type: ignore[arg-type]
    ours, theirs = read(tmp_path)
    np.testing.assert_array_equal(ours, theirs)


def overlay_in_the_high_bits(z: int, dataset: Dataset) -> None:
    """Old scanners drew into bits 12 to 15; they are no part of the value."""
    twelve_bits(z, dataset)
    stored = np.frombuffer(dataset.PixelData, "<u2") | 0x4000
    dataset.PixelData = stored.astype("<u2").tobytes()


def half_a_slope(z: int, dataset: Dataset) -> None:
    dataset.RescaleSlope = "0.5"


def half_an_intercept(z: int, dataset: Dataset) -> None:
    dataset.RescaleIntercept = "-1024.5"


def beyond_int16(z: int, dataset: Dataset) -> None:
    dataset.PixelRepresentation = 0
    dataset.PixelData = np.full(120, 65000, "<u2").tobytes()


@pytest.mark.parametrize("change", [overlay_in_the_high_bits, half_a_slope, half_an_intercept, beyond_int16])
def test_what_is_not_plain_is_left_to_simpleitk(tmp_path: Path, change: object) -> None:
    write_ct_series(tmp_path, change=change)  # type: ignore[arg-type]
    assert read(tmp_path)[0] is None


def test_compressed_slices_are_left_to_simpleitk(tmp_path: Path) -> None:
    write_ct_series(tmp_path, syntax=RLELossless)
    ours, theirs = read(tmp_path)
    assert ours is None
    np.testing.assert_array_equal(theirs, make_volume())


VOLUME = make_volume(4, 64, 48)


def write_series(folder: Path, syntax: str) -> list[Path]:
    """Write `VOLUME`; lossless JPEG has no encoder in pydicom, so that SimpleITK compresses the pixels."""
    if syntax != JPEGLosslessSV1:
        return write_ct_series(folder, VOLUME, syntax=syntax)
    paths = write_ct_series(folder, VOLUME)
    for path, pixels in zip(paths, VOLUME, strict=True):
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(folder.parent / "one.dcm"))
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.Execute(sitk.GetImageFromArray(pixels - INTERCEPT))
        compressed, dataset = pydicom.dcmread(folder.parent / "one.dcm"), pydicom.dcmread(path)
        dataset.PixelData = compressed.PixelData
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = compressed.file_meta.TransferSyntaxUID
        dataset.save_as(path, enforce_file_format=True)
    return paths


def opened(folder: Path) -> DicomSeries:
    source = DicomFolder(folder)
    return ct_series_among(source, source.headers())


def voxels(series: DicomSeries, scratch: Path) -> NDArray:
    return sitk.GetArrayFromImage(series.read(scratch))


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless])
def test_each_syntax_gives_the_same_voxels(tmp_path: Path, syntax: str) -> None:
    write_series(tmp_path / "ct", syntax)
    series = opened(tmp_path / "ct")
    assert {header.syntax for header in series.slices} == {syntax}
    np.testing.assert_array_equal(voxels(series, tmp_path), VOLUME)


def test_what_simpleitk_does_not_know_is_decoded_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no encoder for high-throughput JPEG 2000 here: JPEG 2000 goes the same way instead."""
    monkeypatch.setattr(reader, "NOT_IN_SIMPLEITK", {JPEG2000Lossless})
    write_series(tmp_path / "ct", JPEG2000Lossless)
    series = opened(tmp_path / "ct")
    image = series.read(tmp_path)
    assert image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), VOLUME)
    np.testing.assert_allclose(image.GetSpacing(), series.geometry.spacing)


@pytest.mark.parametrize("otherwise", [False, True])
@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_a_truncated_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str, otherwise: bool
) -> None:
    if otherwise:
        monkeypatch.setattr(reader, "NOT_IN_SIMPLEITK", {syntax})
    path = write_series(tmp_path / "ct", syntax)[2]
    content = path.read_bytes()
    path.write_bytes(content[: int(0.8 * len(content))])
    with pytest.raises(ImageReadError):
        voxels(opened(tmp_path / "ct"), tmp_path)
