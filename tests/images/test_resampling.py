"""What is resampled where it is asked for, worked out by hand: tilted series straightened, masks on another grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.errors import GeometryMismatchError, ImageReadError, LabelValueError
from nnunet_amt.images.dicom.files import DicomFolder
from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
from nnunet_amt.images.geometry import Geometry, described
from nnunet_amt.images.image_file import FLOOR_HU
from nnunet_amt.images.mask_file import IGNORE_KEY, IGNORE_LABEL, open_label_file
from nnunet_amt.images.resampling import ReadingOptions
from tests.dataset_conversion.cohort_fixtures import ORIGIN as CORNER
from tests.dataset_conversion.cohort_fixtures import SPACING, make_mask, write_image
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


UPRIGHT = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_voxels_of_a_third_of_the_thickness_take_the_label_of_the_slice_they_lie_in(tmp_path: Path) -> None:
    """Slices of 5 mm become three each; the first centre lies 5/3 mm below that of its slice."""
    path = write_image(tmp_path / "m.nii.gz", make_mask())
    thin = Geometry((11, 9, 12), (*SPACING[:2], 5 / 3), (*CORNER[:2], CORNER[2] - 5 / 3), UPRIGHT)
    mask = open_label_file(path, grid=thin, resample=True).read(thin)
    np.testing.assert_array_equal(mask, make_mask().repeat(3, axis=0))


def test_a_mask_of_a_part_of_the_ct_is_background_elsewhere(tmp_path: Path) -> None:
    """The mask covers slices 1 and 2 of the CT only, and columns 3 to 6: the tumour and nothing else."""
    origin = (CORNER[0] + 3 * SPACING[0], CORNER[1] + 2 * SPACING[1], CORNER[2] + SPACING[2])
    path = write_image(tmp_path / "m.nii.gz", make_mask()[1:3, 2:5, 3:7], origin=origin)
    grid = Geometry((11, 9, 4), SPACING, CORNER, UPRIGHT)
    np.testing.assert_array_equal(open_label_file(path, grid=grid, resample=True).read(grid), make_mask())


def test_what_a_partial_mask_does_not_cover_is_ignored(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(make_mask()[1:3])
    image.SetSpacing(SPACING)
    image.SetOrigin((CORNER[0], CORNER[1], CORNER[2] + SPACING[2]))
    image.SetMetaData(IGNORE_KEY, str(IGNORE_LABEL))
    sitk.WriteImage(image, str(tmp_path / "m.nrrd"))
    grid = Geometry((11, 9, 4), SPACING, CORNER, UPRIGHT)
    mask = open_label_file(tmp_path / "m.nrrd", grid=grid, resample=True).read(grid)
    expected = make_mask()
    expected[[0, 3]] = IGNORE_LABEL
    np.testing.assert_array_equal(mask, expected)


def test_tumour_outside_the_ct_is_refused_with_both_grids(tmp_path: Path) -> None:
    """The CT has slice 0 and 1 of four; the tumour is on 1 and 2, so half of its 24 voxels are lost."""
    path = write_image(tmp_path / "m.nii.gz", make_mask())
    grid = Geometry((11, 9, 2), SPACING, CORNER, UPRIGHT)
    with pytest.raises(GeometryMismatchError) as error:
        open_label_file(path, grid=grid, resample=True).read(grid)
    assert "m.nii.gz: 12 of 24 tumour voxels lie outside the CT, which has 11 x 9 x 2 voxels of" in str(error.value)
    assert "the mask 11 x 9 x 4 voxels of 0.8 x 0.7 x 5 mm from (-12.5, 3.25, 40)" in str(error.value)


def test_a_lesion_between_the_centres_of_a_coarse_ct_is_no_mask(tmp_path: Path) -> None:
    mask = np.zeros((4, 9, 11), np.uint8)
    mask[1, 4, 5] = 1
    coarse = Geometry((4, 3, 4), (SPACING[0] * 3, SPACING[1] * 3, SPACING[2]), CORNER, UPRIGHT)
    path = write_image(tmp_path / "m.nii.gz", mask)
    with pytest.raises(LabelValueError, match=r"m\.nii\.gz, resampled to the CT's grid: is empty"):
        open_label_file(path, grid=coarse, resample=True).read(coarse)


def test_a_mask_on_the_grid_is_not_resampled(tmp_path: Path) -> None:
    grid = Geometry((11, 9, 4), SPACING, CORNER, UPRIGHT)
    assert not open_label_file(write_image(tmp_path / "m.nii.gz", make_mask()), grid=grid, resample=True).resample


def test_a_grid_in_words() -> None:
    grid = Geometry((512, 512, 60), (0.7, 0.7, 5.0), (-179.2, -0.0, 40.0), UPRIGHT)
    assert described(grid) == "512 x 512 x 60 voxels of 0.7 x 0.7 x 5 mm from (-179.2, 0, 40)"
