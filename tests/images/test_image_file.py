"""NIfTI, NRRD and MHA files: what is read, what SimpleITK alone would take for good, and what can be no HU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.image_file import open_image_file, read_ct_file, to_hounsfield
from tests.dataset_conversion.cohort_fixtures import ORIGIN, SPACING, make_ct, write_image

ENDINGS = ("nii", "nii.gz", "nrrd", "nhdr", "mha", "mhd")


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_gives_the_same_volume(tmp_path: Path, ending: str) -> None:
    file = open_image_file(write_image(tmp_path / f"ct.{ending}", make_ct(0)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(file.read(tmp_path)), make_ct(0))
    assert file.geometry.size == (11, 9, 4)
    np.testing.assert_allclose(file.geometry.spacing, SPACING, rtol=1e-6)
    np.testing.assert_allclose(file.geometry.origin, ORIGIN)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_compressed_files_are_read(tmp_path: Path, ending: str) -> None:
    image = sitk.GetImageFromArray(make_ct(0))
    sitk.WriteImage(image, str(tmp_path / f"ct.{ending}"), useCompression=True)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(open_image_file(tmp_path / f"ct.{ending}").read(tmp_path)), make_ct(0)
    )


def test_a_file_of_four_dimensions_with_one_volume_is_taken(tmp_path: Path) -> None:
    volume = sitk.GetImageFromArray(make_ct(0))
    sitk.WriteImage(sitk.JoinSeries([volume]), str(tmp_path / "one.mha"))
    sitk.WriteImage(sitk.JoinSeries([volume, volume]), str(tmp_path / "two.nii.gz"))
    file = open_image_file(tmp_path / "one.mha")
    assert file.geometry.size == (11, 9, 4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(file.read(tmp_path)), make_ct(0))
    with pytest.raises(ImageReadError, match=r"two\.nii\.gz: has size \(11, 9, 4, 2\)"):
        open_image_file(tmp_path / "two.nii.gz")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((9, 11), np.int16), r"has size \(11, 9\), must be one three-dimensional volume"),
        (np.zeros((1, 9, 11), np.int16), r"has size \(11, 9, 1\)"),
    ],
)
def test_flat_images_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "flat.nrrd"))
    with pytest.raises(ImageReadError, match=message):
        open_image_file(tmp_path / "flat.nrrd")


def test_colour_images_are_refused(tmp_path: Path) -> None:
    colours = sitk.GetImageFromArray(np.zeros((4, 9, 11, 3), np.uint8), isVector=True)
    sitk.WriteImage(colours, str(tmp_path / "colour.nrrd"))
    with pytest.raises(ImageReadError, match="has 3 values a voxel, must have one"):
        open_image_file(tmp_path / "colour.nrrd")


def test_a_gzip_file_of_several_members_is_whole(tmp_path: Path) -> None:
    """Parallel compressors write one member after the other."""
    import gzip

    write_image(tmp_path / "ct.nii", make_ct(0))
    content = (tmp_path / "ct.nii").read_bytes()
    (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    image = open_image_file(tmp_path / "ct.nii.gz").read(tmp_path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), make_ct(0))


def test_floors_of_all_scanners_become_one() -> None:
    values = np.array([-3024, -2000, -1025, -1024, -1000, 0, 3071], np.int16)
    result = to_hounsfield(values, keep_intensities=True)  # seven voxels are no chest
    assert result.tolist() == [-1024, -1024, -1024, -1024, -1000, 0, 3071]
    assert result.dtype == np.int16


def test_fractions_are_rounded() -> None:
    result = to_hounsfield(np.array([-999.6, -0.4, 40.5, 41.5, 1200.4]), keep_intensities=True)
    assert result.tolist() == [-1000, 0, 40, 42, 1200]  # halves to even
    assert result.dtype == np.int16


def test_values_beyond_int16_are_kept() -> None:
    result = to_hounsfield(np.array([-2000, 40000], np.int32), keep_intensities=True)
    assert (result.tolist(), result.dtype) == ([-1024, 40000], np.int32)
    assert to_hounsfield(np.array([0, 60000], np.uint16), keep_intensities=True).tolist() == [0, 60000]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0.0, np.nan, np.inf]), "2 voxels are NaN or infinite"),
        (np.array([0.0, 0.25, 1.0]), "values run from 0 to 1: the image is rescaled"),
        (np.array([-1.8, 3.2]), "values run from -1.8 to 3.2: the image is rescaled"),
        (np.array([0, 2**40]), "the highest value is 1099511627776"),
    ],
)
def test_what_cannot_be_hu_is_refused(values: np.ndarray, message: str) -> None:
    for keep_intensities in (False, True):  # no insisting makes numbers of them
        with pytest.raises(ImageReadError, match=message):
            to_hounsfield(values, keep_intensities=keep_intensities)


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_a_ct_is_read_in_hu_on_lps_axes(tmp_path: Path, ending: str) -> None:
    """Stored from left to right: the columns come in the other order."""
    path = write_image(tmp_path / f"ct.{ending}", make_ct(0), direction=(-1, 0, 0, 0, 1, 0, 0, 0, 1))
    values, file = read_ct_file(path)
    np.testing.assert_array_equal(values, make_ct(0)[:, :, ::-1])
    assert values.dtype.name == "int16"
    assert file.geometry.direction == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert file.stored.direction == pytest.approx((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert file.geometry.origin[0] == pytest.approx(ORIGIN[0] - 10 * SPACING[0])


def test_a_ct_that_is_not_in_hu_is_named(tmp_path: Path) -> None:
    path = write_image(tmp_path / "ct.nii.gz", make_ct(0).clip(-200) + np.int16(1024))
    with pytest.raises(ImageReadError, match=r"^ct\.nii\.gz: \d+% of the voxels are above 800, in a chest at most 10%"):
        read_ct_file(path)
    assert read_ct_file(path, keep_intensities=True)[0].min() == 824
    with pytest.raises(ImageReadError, match=r"^ct\.nii\.gz: holds NaN or infinite values \(1 of 396 voxels\)"):
        read_ct_file(write_image(path, np.where(np.arange(396).reshape(4, 9, 11) == 7, np.nan, make_ct(0))))
