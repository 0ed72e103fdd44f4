"""Plain slices, read without SimpleITK: the same voxels as with it, and nothing that is not plain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.series import ct_series_among
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
