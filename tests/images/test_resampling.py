"""A tilted gantry shifts each slice in its plane against the last; straightening moves it back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import FLOOR_HU
from nnunet_amt.images.resampling import ReadingOptions
from tests.images.dicom.dicom_fixtures import ORIGIN, make_volume, write_ct_series

ROW = 0.7  # mm between rows, SPACING[1]


def tilted(step: float) -> list[tuple[float, float, float]]:
    """Positions of slices that move by `step` mm towards the back from one to the next, 2.5 mm apart."""
    return [(ORIGIN[0], ORIGIN[1] + step * z, ORIGIN[2] + 2.5 * z) for z in range(6)]


def open_series(path: Path) -> DicomSeries:
    folder = DicomFolder(path)
    return ct_series_among(folder, folder.headers(), options=ReadingOptions(resample_tilt=True))


def voxels(series: DicomSeries, scratch: Path) -> NDArray:
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
    np.testing.assert_allclose(voxels(series, tmp_path), expected, atol=1e-3)


def test_half_pixels_are_the_mean_of_their_neighbours(tmp_path: Path) -> None:
    """2.5 rows a slice: a voxel of an odd slice lies between two rows, whose values differ by 12 HU."""
    write_ct_series(tmp_path, positions=tilted(2.5 * ROW))
    values = voxels(open_series(tmp_path), tmp_path)
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
