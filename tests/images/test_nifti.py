"""What other readers make of the NIfTI files that we write."""

from __future__ import annotations

import errno
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import DiskFullError
from nnunet_amt.images import nifti
from nnunet_amt.images.geometry import Geometry, geometry_difference
from nnunet_amt.images.nifti import nifti_gz, write_nifti

GRIDS = {
    "axial": Geometry((4, 3, 2), (0.7, 0.8, 5.0), (-100.5, 20.25, -999.125), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
    "oblique": Geometry((4, 3, 2), (0.7, 0.8, 5.0), (1, 2, 3), (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8)),
}


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32])
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_simpleitk_reads_back_what_was_written(tmp_path: Path, grid: Geometry, kind: type) -> None:
    array: np.ndarray = np.arange(24).reshape(2, 3, 4).astype(kind)
    write_nifti(tmp_path / "x.nii.gz", array, geometry=grid)
    image = sitk.ReadImage(str(tmp_path / "x.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), array)
    assert sitk.GetArrayViewFromImage(image).dtype == kind
    assert geometry_difference(Geometry.of(image), grid, tolerance=1e-4) is None


def test_arrays_in_any_memory_order_are_written(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(4, 3, 2).T
    write_nifti(tmp_path / "x.nii.gz", array, geometry=GRIDS["axial"])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "x.nii.gz"))), array)


def test_the_same_voxels_give_the_same_bytes(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, array, geometry=GRIDS["axial"])
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(io.BytesIO):
        def write(self, *_: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nifti, "_compressed", lambda *_: FullDisk())
    with pytest.raises(DiskFullError, match=r"x\.nii\.gz: the disk is full"):
        write_nifti(tmp_path / "x.nii.gz", np.zeros((2, 3, 4), np.int16), geometry=GRIDS["axial"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_without_isal_the_voxels_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[np.integer]
) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    write_nifti(tmp_path / "isal.nii.gz", array, geometry=GRIDS["axial"])
    monkeypatch.setattr(nifti, "_HAS_ISAL", False)
    write_nifti(tmp_path / "zlib.nii.gz", array, geometry=GRIDS["axial"])
    one, other = ((tmp_path / name).read_bytes() for name in ("isal.nii.gz", "zlib.nii.gz"))
    assert gzip.decompress(one) == gzip.decompress(other)


@pytest.mark.parametrize("has_isal", [True, False])
def test_the_gzip_header_holds_neither_time_nor_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_isal: bool
) -> None:
    """RFC 1952: byte 3 has the flags (8: a name follows), bytes 4 to 7 the time."""
    monkeypatch.setattr(nifti, "_HAS_ISAL", has_isal)
    write_nifti(tmp_path / "x.nii.gz", np.zeros((2, 3, 4), np.int16), geometry=GRIDS["axial"])
    assert (tmp_path / "x.nii.gz").read_bytes()[3:8] == bytes(5)


# the middle of the array is the origin of the room
CENTRED = Geometry((4, 3, 2), (0.8, 0.7, 5.0), (-1.2, -0.7, -2.5), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_simpleitk_reads_voxels_spacing_axes_and_scale(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = tmp_path / "crop.nii.gz"
    path.write_bytes(nifti_gz(voxels, geometry=CENTRED, slope=2.0, intercept=-10.0))
    image = sitk.ReadImage(str(path))
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), voxels * 2.0 - 10.0)
    np.testing.assert_allclose(image.GetSpacing(), (0.8, 0.7, 5.0), rtol=1e-6)
    # SimpleITK's own axes are LPS, as ours: x to the left, y to posterior, z to the head
    np.testing.assert_allclose(image.GetDirection(), (1, 0, 0, 0, 1, 0, 0, 0, 1), atol=1e-6)
    # the middle of the array is the origin of the room
    middle = image.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in image.GetSize()])
    np.testing.assert_allclose(middle, (0, 0, 0), atol=1e-5)


def test_the_same_voxels_give_the_same_bytes_in_memory() -> None:
    voxels = np.zeros((2, 2, 2), np.uint8)
    assert nifti_gz(voxels, geometry=CENTRED) == nifti_gz(voxels, geometry=CENTRED)
