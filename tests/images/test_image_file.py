"""NIfTI, NRRD and MHA files: what is read, and what SimpleITK alone would take for good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.image_file import open_image_file
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
    sitk.WriteImage(sitk.JoinSeries([volume]), str(tmp_path / "one.nrrd"))
    sitk.WriteImage(sitk.JoinSeries([volume, volume]), str(tmp_path / "two.nii.gz"))
    file = open_image_file(tmp_path / "one.nrrd")
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


@pytest.mark.parametrize("content", [b"", b"no image at all", bytes(2000)])
@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha"])
def test_what_is_no_image_is_refused_in_one_line(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_bytes(content)
    with pytest.raises(ImageReadError) as error:
        open_image_file(path).read(tmp_path)
    assert str(error.value).startswith(f"x.{ending}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha", "packed.nrrd", "packed.mha"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, share: float) -> None:
    """SimpleITK reads the NIfTI ones without an exception, with zeros in place of the rest."""
    whole = write_whole(tmp_path / name)
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ImageReadError, match=name):
        open_image_file(tmp_path / name).read(tmp_path)


@pytest.mark.parametrize("name", ["ct.nii.gz", "packed.nrrd", "packed.mha"])
def test_damage_within_compressed_data_is_found(tmp_path: Path, name: str) -> None:
    content = bytearray(write_whole(tmp_path / name))
    content[-100:-90] = bytes(10)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageReadError, match=name):
        open_image_file(tmp_path / name).read(tmp_path)


def test_a_gzip_file_of_several_members_is_whole(tmp_path: Path) -> None:
    """Parallel compressors write one member after the other."""
    import gzip

    write_image(tmp_path / "ct.nii", make_ct(0))
    content = (tmp_path / "ct.nii").read_bytes()
    (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    image = open_image_file(tmp_path / "ct.nii.gz").read(tmp_path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), make_ct(0))


def write_whole(path: Path) -> bytes:
    image = sitk.GetImageFromArray(make_ct(0))
    sitk.WriteImage(image, str(path), useCompression=path.name.startswith("packed"))
    return path.read_bytes()
