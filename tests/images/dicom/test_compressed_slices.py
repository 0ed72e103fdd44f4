"""Series in compressed transfer syntaxes give the voxels that were compressed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom import series as reader
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
from tests.images.dicom.dicom_fixtures import INTERCEPT, make_volume, write_ct_series

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
