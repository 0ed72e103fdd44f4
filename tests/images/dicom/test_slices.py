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
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import FLOOR_HU, ReadingOptions
from tests.images.dicom.dicom_fixtures import INTERCEPT, ORIGIN, make_volume, write_ct_series


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


ROW = 0.7  # mm between rows, SPACING[1]


def tilted(step: float) -> list[tuple[float, float, float]]:
    """Positions of slices that move by `step` mm towards the back from one to the next, 2.5 mm apart."""
    return [(ORIGIN[0], ORIGIN[1] + step * z, ORIGIN[2] + 2.5 * z) for z in range(6)]


def open_series(path: Path) -> DicomSeries:
    folder = DicomFolder(path)
    return ct_series_among(folder, folder.headers(), options=ReadingOptions(resample_tilt=True))


def straight_voxels(series: DicomSeries, scratch: Path) -> NDArray:
    image = series.read(scratch)
    assert Geometry.of(image) == series.geometry
    return sitk.GetArrayFromImage(image)


@pytest.mark.parametrize("rows", [2, -2])
def test_whole_pixels_are_moved_without_a_change(tmp_path: Path, rows: int) -> None:
    """Two rows a slice, ten in all: slice z lies at rows 2 z to 2 z + 9 of 20, or at 10 - 2 z if tilted forwards."""
    write_ct_series(tmp_path, positions=tilted(rows * ROW))
    series = open_series(tmp_path)
    assert series.geometry.size == (12, 20, 6)
    first = ORIGIN[1] + min(0, 5 * rows * ROW)
    np.testing.assert_allclose(series.geometry.origin, (ORIGIN[0], first, ORIGIN[2]))
    np.testing.assert_allclose(series.geometry.spacing, (0.8, ROW, 2.5))
    expected = np.full((6, 20, 12), FLOOR_HU)
    for z in range(6):
        top = rows * z if rows > 0 else 10 + rows * z
        expected[z, top : top + 10] = make_volume()[z]
    np.testing.assert_allclose(straight_voxels(series, tmp_path), expected, atol=1e-3)


def test_half_pixels_are_the_mean_of_their_neighbours(tmp_path: Path) -> None:
    """2.5 rows a slice: a voxel of an odd slice lies between two rows, whose values differ by 12 HU."""
    write_ct_series(tmp_path, positions=tilted(2.5 * ROW))
    values = straight_voxels(open_series(tmp_path), tmp_path)
    assert values.shape == (6, 23, 12)  # 12.5 rows more: 13
    np.testing.assert_allclose(values[2, 5:15], make_volume()[2], atol=1e-3)
    np.testing.assert_allclose(values[1, 3:12], make_volume()[1, :9] + 6, atol=1e-3)


def test_a_point_stays_where_it_is_in_the_patient(tmp_path: Path) -> None:
    """One bright pixel in the fifth row and column of each slice, oblique slices tilted to both sides."""
    volume = np.full((6, 10, 12), -1000, np.int16)
    volume[:, 4, 4] = 1000
    step = np.array([0.8, 0.7 * 0.8, 0.7 * 0.6]) + 2.5 * np.array([0, -0.6, 0.8])  # a pixel each way, along the normal
    positions = [(step[0] * z, step[1] * z, step[2] * z) for z in range(6)]
    write_ct_series(tmp_path, volume, positions=positions, orientation=(1, 0, 0, 0, 0.8, 0.6))
    image = open_series(tmp_path).read(tmp_path)
    for z, position in enumerate(positions):
        place = np.array(position) + 4 * np.array([0.8, 0, 0]) + 4 * 0.7 * np.array([0, 0.8, 0.6])
        index = image.TransformPhysicalPointToIndex(place.tolist())
        assert index[2] == z
        assert image[index] == pytest.approx(1000, abs=0.1)


def test_an_upright_series_is_left_as_it_is(tmp_path: Path) -> None:
    write_ct_series(tmp_path)
    series = open_series(tmp_path)
    assert series.shifts is None
    assert series.read(tmp_path).GetPixelID() != sitk.sitkFloat32


def test_slices_that_are_shifted_otherwise_are_refused_all_the_same(tmp_path: Path) -> None:
    """A field of view that was moved between slices is no tilt."""
    positions = tilted(2 * ROW)
    positions[3] = (ORIGIN[0] + 4.0, *positions[3][1:])
    write_ct_series(tmp_path, positions=positions)
    with pytest.raises(ImageReadError, match="slices are shifted sideways by up to"):
        open_series(tmp_path)
