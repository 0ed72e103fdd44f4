"""Our own reading of NIfTI headers gives what SimpleITK gives, or leaves the file to it."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Literal

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.nifti_slabs import LabelHeader, ordinary_header
from tests.evaluation.builders import write_label_map

VOXELS = np.zeros((3, 4, 5), np.uint8)  # (z, y, x)


def by_simpleitk(path: Path) -> Geometry:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return Geometry.of(reader)


def require_same(header: LabelHeader | None, path: Path) -> None:
    assert header is not None
    theirs = by_simpleitk(path)
    for name in ("size", "spacing", "origin", "direction"):
        assert getattr(header.geometry, name) == pytest.approx(getattr(theirs, name), rel=0, abs=1e-6), name


AXES = [np.diag(signs)[:, list(order)] for signs in ((1, 1, 1), (-1, -1, 1), (-1, 1, -1), (1, -1, -1), (-1, -1, -1))
        for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1))]  # fmt: skip


@pytest.mark.parametrize("stated", ["qform", "sform", "both"])
@pytest.mark.parametrize("axes", AXES, ids=lambda axes: "".join(map(str, axes.ravel())))
def test_flipped_and_exchanged_axes_are_those_of_simpleitk(
    tmp_path: Path, axes: np.ndarray, stated: Literal["qform", "sform", "both"]
) -> None:
    path = write_oriented(tmp_path / "a.nii.gz", axes.astype(float), (0.7, 0.8, 5.0), (-120.5, 33.25, 800.0), stated)
    require_same(ordinary_header(path), path)


@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    mirrored=st.booleans(),
    spacing=st.tuples(*[st.floats(0.25, 8.0, width=32)] * 3),
    origin=st.tuples(*[st.floats(-1000, 1000, width=32)] * 3),
    stated=st.sampled_from(["qform", "sform", "both"]),
)
@settings(max_examples=80, deadline=None)
def test_any_orientation_is_that_of_simpleitk_or_left_to_it(
    tmp_path_factory: pytest.TempPathFactory,
    angles: tuple[float, ...],
    mirrored: bool,
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
    stated: Literal["qform", "sform", "both"],
) -> None:
    turned = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * [1, 1, -1 if mirrored else 1]
    path = write_oriented(tmp_path_factory.mktemp("turned") / "a.nii", turned, spacing, origin, stated)
    if (header := ordinary_header(path)) is not None:
        require_same(header, path)


def write_oriented(
    path: Path,
    axes: np.ndarray,
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
    stated: Literal["qform", "sform", "both"],
) -> Path:
    """Write with nibabel, whose axes are RAS."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes * spacing, origin
    image = nibabel.Nifti1Image(VOXELS.T, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(*((affine, 1) if stated != "sform" else (None, 0)))
    image.set_sform(*((affine, 2) if stated != "qform" else (None, 0)))
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_file_of_simpleitk(tmp_path: Path, ending: str) -> None:
    turned = Rotation.from_euler("x", 12, degrees=True).as_matrix().ravel().tolist()
    path = write_label_map(tmp_path / f"a{ending}", VOXELS, (0.7, 0.8, 2.5), (-200.0, 10.0, 55.5), turned)
    header = ordinary_header(path)
    require_same(header, path)
    assert header is not None
    assert (header.shape, header.voxel_type, header.offset) == ((3, 4, 5), np.dtype("u1"), 352)


def test_the_other_byte_order(tmp_path: Path) -> None:
    affine = np.diag([-0.7, -0.8, 5.0, 1.0])
    image = nibabel.Nifti1Image(VOXELS.T.astype(np.int16), affine, nibabel.Nifti1Header(endianness=">"))
    image.set_data_dtype(np.int16)
    path = tmp_path / "a.nii"
    nibabel.save(image, path)
    header = ordinary_header(path)
    require_same(header, path)
    assert header is not None
    assert header.voxel_type == np.dtype(">i2")


@pytest.mark.parametrize(
    ("place", "form", "value"),
    [
        (40, "<h", 4),  # dimensions
        (46, "<h", 0),  # size
        (70, "<h", 16),  # voxels: float
        (84, "<f", 0.0),  # spacing
        (84, "<f", float("nan")),
        (108, "<f", 100.0),  # voxels within the header
        (112, "<f", 0.5),  # slope
        (116, "<f", 1.0),  # intercept with a slope
        (123, "B", 1),  # metres
        (252, "<2h", 0),  # qform and sform
        (280, "<f", 0.5),  # sform: a shear, and not what the qform says
        (292, "<f", 77.0),  # sform: another origin than the qform's
        (344, "4s", b"ni1\0"),  # header and voxels in two files
    ],
)
def test_whatever_is_unusual_is_left_to_simpleitk(tmp_path: Path, place: int, form: str, value: float | bytes) -> None:
    content = bytearray(write_label_map(tmp_path / "a.nii", VOXELS).read_bytes())
    content[112:116] = struct.pack("<f", 1.0)
    (tmp_path / "a.nii").write_bytes(content)
    assert ordinary_header(tmp_path / "a.nii") is not None
    values = (value, value) if form == "<2h" else (value,)
    struct.pack_into(form, content, place, *values)
    (tmp_path / "a.nii").write_bytes(content)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(content)))
    assert ordinary_header(tmp_path / "a.nii") is None
    assert ordinary_header(tmp_path / "a.nii.gz") is None


def test_other_formats_and_broken_files_are_left_to_simpleitk(tmp_path: Path) -> None:
    assert ordinary_header(write_label_map(tmp_path / "a.mha", VOXELS)) is None
    for content in (b"", b"hello", b"\x1f\x8bhello", b"\0" * 400):
        (tmp_path / "a.nii.gz").write_bytes(content)
        assert ordinary_header(tmp_path / "a.nii.gz") is None
