"""What headers of NIfTI, NRRD and MHA state of the grid, and what they contradict or leave open."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.geometry import Geometry, geometry_difference
from nnunet_amt.images.image_file import open_image_file, read_image
from nnunet_amt.images.mask_file import open_label_file, read_foreground, read_geometry
from tests.conftest import write_image

VOXELS = np.zeros((3, 4, 5), np.int16)  # (z, y, x)
VOXELS[1, 1:3, 2:4] = 1
SPACING, ORIGIN = (0.7, 0.8, 5.0), (-12.5, 3.25, 40.0)
GRID = Geometry((5, 4, 3), SPACING, ORIGIN, (1, 0, 0, 0, 1, 0, 0, 0, 1))
AFFINE = np.array([[-0.7, 0, 0, 12.5], [0, -0.8, 0, -3.25], [0, 0, 5, 40], [0, 0, 0, 1]])  # RAS
MIRRORED = np.array([[0.7, 0, 0, 9.7], [0, -0.8, 0, -3.25], [0, 0, 5, 40], [0, 0, 0, 1]])  # x counted from its end
UP = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]])
ROUNDED = AFFINE + np.where(AFFINE, 0.0004, 0) * [[1], [1], [1], [0]]
NRRD = """NRRD0004
type: short
dimension: 3
space: left-posterior-superior
sizes: 5 4 3
space directions: (0.7,0,0) (0,0.8,0) (0,0,5)
kinds: domain domain domain
endian: little
encoding: raw
space origin: (-12.5,3.25,40)
"""
MHA = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = -12.5 3.25 40
CenterOfRotation = 0 0 0
ElementSpacing = 0.7 0.8 5
DimSize = 5 4 3
ElementType = MET_SHORT
ElementDataFile = LOCAL
"""


def nifti(
    path: Path,
    *,
    qform: np.ndarray | None = AFFINE,
    sform: np.ndarray | None = AFFINE,
    units: str = "mm",
    voxels: np.ndarray = VOXELS,
    version: type = nibabel.Nifti1Image,
) -> Path:
    image = version(voxels.T, AFFINE)
    image.header.set_xyzt_units(units)
    image.set_qform(qform, code=0 if qform is None else 1)
    image.set_sform(sform, code=0 if sform is None else 2)
    nibabel.save(image, path)
    return path


def with_fields(path: Path, *fields: tuple[int, str, tuple]) -> Path:
    """Change fields of an unpacked NIfTI-1 file by their place and form."""
    content = bytearray(path.read_bytes())
    for place, form, values in fields:
        struct.pack_into("<" + form, content, place, *values)
    path.write_bytes(content)
    return path


def text_header(path: Path, header: str, *, without: str = "", changed: tuple[str, str] = ("", "")) -> Path:
    """Write a header of lines before the voxels, one line left out or changed."""
    lines = [line for line in header.splitlines() if not (without and line.startswith(without))]
    text = "\n".join(lines).replace(*changed) + ("\n\n" if path.suffix == ".nrrd" else "\n")
    path.write_bytes(text.encode() + VOXELS.astype("<i2").tobytes())
    return path


def sheared(cosine: float) -> np.ndarray:
    """Lean the second axis towards the first by so much."""
    affine = AFFINE.copy()
    affine[:3, 1] = 0.8 * np.array([-cosine, -np.sqrt(1 - cosine**2), 0])
    return affine


GOOD: dict[str, Callable[[Path], Path]] = {
    "both": lambda folder: nifti(folder / "a.nii.gz"),
    "qform": lambda folder: nifti(folder / "a.nii", sform=None),
    "sform": lambda folder: nifti(folder / "a.nii", qform=None),
    "NIfTI-2": lambda folder: nifti(folder / "a.nii.gz", version=nibabel.Nifti2Image),
    "no unit": lambda folder: nifti(folder / "a.nii", units="unknown"),
    "an sform rounded to 4 digits": lambda folder: nifti(folder / "a.nii", sform=ROUNDED),
    "a hair of shear": lambda folder: nifti(folder / "a.nii", qform=None, sform=sheared(0.0009)),
    "a plain file that is called packed": lambda folder: nifti(folder / "a.nii").rename(folder / "a.nii.gz"),
    "slope NaN and intercept NaN": lambda folder: with_fields(nifti(folder / "a.nii"), (112, "2f", (np.nan, np.nan))),
    "slope NaN and intercept 0": lambda folder: with_fields(nifti(folder / "a.nii"), (112, "2f", (np.nan, 0))),
    "slope 0 and intercept 0": lambda folder: with_fields(nifti(folder / "a.nii"), (112, "2f", (0, 0))),
    "one volume of four dimensions": lambda folder: nifti(folder / "a.nii.gz", voxels=VOXELS[None]),
    "NRRD": lambda folder: text_header(folder / "a.nrrd", NRRD),
    "NRRD in short": lambda folder: text_header(
        folder / "a.nrrd", NRRD, changed=("left-posterior-superior", "LPS")
    ),
    "NRRD in RAS": lambda folder: text_header(
        folder / "a.nrrd",
        NRRD.replace("(0.7,0,0) (0,0.8,0)", "(-0.7,0,0) (0,-0.8,0)").replace("(-12.5,3.25,40)", "(12.5,-3.25,40)"),
        changed=("left-posterior", "right-anterior"),
    ),
    "NRRD in LAS": lambda folder: text_header(
        folder / "a.nrrd",
        NRRD.replace("(0,0.8,0)", "(0,-0.8,0)").replace("(-12.5,3.25,40)", "(-12.5,-3.25,40)"),
        changed=("left-posterior", "left-anterior"),
    ),
    "NRRD with units": lambda folder: text_header(
        folder / "a.nrrd", NRRD, changed=("endian", 'space units: "mm" "mm" "mm"\nendian')
    ),
    "NRRD with keys": lambda folder: text_header(folder / "a.nrrd", NRRD, changed=("endian", "space:=RAS\nendian")),
    "MHA": lambda folder: text_header(folder / "a.mha", MHA),
    "MHA by other names": lambda folder: text_header(
        folder / "a.mha", MHA.replace("Offset", "Position"), changed=("TransformMatrix", "Orientation")
    ),
    "MHA with a name of its axes": lambda folder: text_header(
        folder / "a.mha", MHA, changed=("DimSize", "AnatomicalOrientation = RAI\nDimSize")
    ),
    "MHA named by where axes lead to": lambda folder: text_header(
        folder / "a.mha", MHA, changed=("DimSize", "AnatomicalOrientation = LPS\nDimSize")
    ),
    "MHA whose axes have no name": lambda folder: text_header(
        folder / "a.mha", MHA, changed=("DimSize", "AnatomicalOrientation = ???\nDimSize")
    ),
    "MHA in mm": lambda folder: text_header(folder / "a.mha", MHA, changed=("DimSize", "DistanceUnits = mm\nDimSize")),
}  # fmt: skip


@pytest.mark.parametrize("write", GOOD.values(), ids=GOOD.keys())
def test_every_reader_gives_the_grid_that_is_stated(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    for grid in (open_image_file(path).stored, read_geometry(path), Geometry.of(read_image(path))):
        assert geometry_difference(grid, GRID, tolerance=1.1e-3) is None
        assert grid.size == (5, 4, 3)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(path)), VOXELS)
    np.testing.assert_array_equal(open_label_file(path, grid=GRID).read(GRID).labels, VOXELS)
    (box,) = read_foreground(path, case_id="a").boxes
    assert box.lower == (1, 1, 2)
    assert box.mask.shape == (1, 2, 2)


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "qform against sform": (
        lambda folder: nifti(folder / "a.nii.gz", sform=MIRRORED),
        "its qform and sform disagree, origin (-12.5, 3.25, 40) against (-9.7, 3.25, 40) (qform against "
        "sform, LPS): which one holds nobody can tell; export it again, or keep the right one alone",
    ),
    "only turned": (
        lambda folder: nifti(folder / "a.nii", sform=AFFINE @ np.diag([-1, -1, 1, 1])),
        "disagree, direction (1, 0, 0, 0, 1, 0, 0, 0, 1) against (-1, 0, 0, 0, -1, 0, 0, 0, 1)",
    ),
    "only moved": (
        lambda folder: nifti(folder / "a.nii", sform=UP @ AFFINE),
        "disagree, origin (-12.5, 3.25, 40) against (-12.5, 3.25, 42)",
    ),
    "pixdim against sform": (
        lambda folder: with_fields(nifti(folder / "a.nii", qform=None), (80, "f", (1.0,))),
        "states two spacings, 1 x 0.8 x 5 (pixdim) and 0.7 x 0.8 x 5 mm (sform)",
    ),
    "an sform of zeros": (
        lambda folder: with_fields(nifti(folder / "a.nii", qform=None), (280, "12f", (0.0,) * 12)),
        "states two spacings, 0.7 x 0.8 x 5 (pixdim) and 0 x 0 x 0 mm (sform)",
    ),
    "no orientation": (
        lambda folder: nifti(folder / "a.nii", qform=None, sform=None),
        "does not say which way its axes run (qform_code and sform_code are 0): left and right may be swapped; export "
        "it again with its orientation",
    ),
    "negative pixdim": (
        lambda folder: with_fields(nifti(folder / "a.nii", sform=None), (80, "f", (-0.7,))),
        "has the spacing -0.7 x 0.8 x 5 mm, all must be above 0",
    ),
    "pixdim 0": (
        lambda folder: with_fields(nifti(folder / "a.nii", sform=None), (88, "f", (0.0,))),
        "has the spacing 0.7 x 0.8 x 0 mm, all must be above 0",
    ),
    "micrometres": (
        lambda folder: nifti(folder / "a.nii", units="micron"),
        "states its lengths in micrometres (xyzt_units 3) and the spacing 0.7 x 0.8 x 5; export it again in mm",
    ),
    "metres": (
        lambda folder: nifti(folder / "a.nii.gz", units="meter"),
        "states its lengths in metres (xyzt_units 1) and the spacing 0.7 x 0.8 x 5; export it again in mm",
    ),
    "an intercept without slope": (
        lambda folder: with_fields(nifti(folder / "a.nii"), (112, "2f", (0.0, -1024.0))),
        "states scl_slope 0 (not scaled) and scl_inter -1024: some programs add that to every value, others do not",
    ),
    "an intercept with slope NaN": (
        lambda folder: with_fields(nifti(folder / "a.nii"), (112, "2f", (np.nan, -1024.0))),
        "states scl_slope nan (not scaled) and scl_inter -1024",
    ),
    "a slope without intercept": (
        lambda folder: with_fields(nifti(folder / "a.nii"), (112, "2f", (2.0, np.nan))),
        "states scl_slope 2 and scl_inter nan",
    ),
    "shear": (
        lambda folder: nifti(folder / "a.nii.gz", qform=None, sform=sheared(0.003)),
        "is sheared: its axes x and y meet at 89.83 degrees, must be at right angles (90.00, within 0.06)",
    ),
    "shear beside a qform": (
        lambda folder: nifti(folder / "a.nii.gz", sform=sheared(0.1)),
        "is sheared: its axes x and y meet at 84.26 degrees, must be at right angles",
    ),
    "packed under the name of a plain file": (
        lambda folder: nifti(folder / "a.nii.gz").rename(folder / "a.nii"),
        "is compressed with gzip, but its name ends with .nii; name it .nii.gz, or unpack it",
    ),
    "two volumes": (
        lambda folder: nifti(folder / "a.nii", voxels=np.stack([VOXELS, VOXELS])),
        "has size (5, 4, 3, 2), must be one three-dimensional volume",
    ),
    "NRRD without directions": (
        lambda folder: text_header(folder / "a.nrrd", NRRD, changed=("space directions: (0.7,0,0) (0,0.8,0) (0,0,5)",
                                                                     "spacings: 0.7 0.8 5")),
        "has spacings (0.7 x 0.8 x 5) but no 'space directions': left and right may be swapped",
    ),
    "NRRD without anything": (
        lambda folder: text_header(
            folder / "a.nrrd", NRRD.replace("space: left-posterior-superior\n", "").replace("space origin", "#"),
            without="space directions",
        ),
        "has neither spacings nor 'space directions'",
    ),
    "NRRD without space": (
        lambda folder: text_header(folder / "a.nrrd", NRRD, changed=("space: left-posterior-superior",
                                                                     "space dimension: 3")),
        "its 'space' is not stated, must be left-posterior-superior,",
    ),
    "NRRD in a room without names": (
        lambda folder: text_header(folder / "a.nrrd", NRRD, changed=("left-posterior-superior", "3D-right-handed")),
        "its 'space' is '3D-right-handed', must be left-posterior-superior,",
    ),
    "NRRD of a scanner": (
        lambda folder: text_header(folder / "a.nrrd", NRRD, changed=("left-posterior-superior", "scanner-xyz")),
        "its 'space' is 'scanner-xyz', must be",
    ),
    "NRRD in a room of another name": (
        lambda folder: text_header(folder / "a.nrrd", NRRD, changed=("left-posterior-superior", "Doe^Jane")),
        "its 'space' is a text that is not shown, must be",
    ),
    "NRRD without origin": (
        lambda folder: text_header(folder / "a.nrrd", NRRD, without="space origin"),
        "has no 'space origin': it may lie anywhere",
    ),
    "NRRD in micrometres": (
        lambda folder: text_header(
            folder / "a.nrrd", NRRD, changed=("endian", 'space units: "um" "um" "um"\nendian')
        ),
        "states its lengths in 'um' (space units), must be in mm",
    ),
    "NRRD with shear": (
        lambda folder: text_header(folder / "a.nrrd", NRRD, changed=("(0,0.8,0)", "(0.1,0.79,0)")),
        "is sheared: its axes x and y meet at 82.79 degrees",
    ),
    "MHA without spacing": (
        lambda folder: text_header(folder / "a.mha", MHA, without="ElementSpacing"),
        "has no ElementSpacing: the size of its voxels is unknown",
    ),
    "MHA without orientation": (
        lambda folder: text_header(folder / "a.mha", MHA, without="TransformMatrix"),
        "has no TransformMatrix: left and right may be swapped",
    ),
    "MHA without origin": (
        lambda folder: text_header(folder / "a.mha", MHA, without="Offset"),
        "has no Offset: it may lie anywhere",
    ),
    "MHA whose name of the axes is another": (
        lambda folder: text_header(folder / "a.mha", MHA, changed=("DimSize", "AnatomicalOrientation = LPI\nDimSize")),
        "states the AnatomicalOrientation LPI, and by its TransformMatrix axes that come from RAI",
    ),
    "MHA of two origins": (
        lambda folder: text_header(folder / "a.mha", MHA, changed=("DimSize", "Position = 0 0 0\nDimSize")),
        "states Offset -12.5, 3.25, 40 and Position 0, 0, 0; export it again with one",
    ),
    "MHA in micrometres": (
        lambda folder: text_header(folder / "a.mha", MHA, changed=("DimSize", "DistanceUnits = um\nDimSize")),
        "states its lengths in 'um' (DistanceUnits), must be in mm",
    ),
    "MHA whose values are to be scaled": (
        lambda folder: text_header(
            folder / "a.mha", MHA, changed=("DimSize", "ElementToIntensityFunctionOffset = -1024\nDimSize")
        ),
        "has ElementToIntensityFunctionOffset -1024, which some programs apply; export it again",
    ),
    "MHA with spacing in its matrix": (
        lambda folder: text_header(folder / "a.mha", MHA, changed=("= 1 0 0 0 1 0", "= 0.7 0 0 0 0.8 0")),
        "has axes of lengths 0.7 x 0.8 x 1 (TransformMatrix), must be 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("write", "message"), BAD.values(), ids=BAD.keys())
def test_every_reader_refuses_what_is_contradicted_or_left_open(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], write: Callable[[Path], Path], message: str
) -> None:
    path = write(tmp_path)
    for read in (
        lambda: open_image_file(path),
        lambda: read_image(path),
        lambda: read_geometry(path),
        lambda: open_label_file(path, grid=GRID),
        lambda: read_foreground(path, case_id="a"),
    ):
        with pytest.raises(ImageReadError, match=re.escape(message)) as error:
            read()
        assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_oblique_grids_of_itk_are_read_in_every_format(tmp_path: Path) -> None:
    """Turned by 0.6 and 0.8 in y and z, and stored from right to left."""
    direction = (-1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8)
    for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.nhdr", "a.mha", "a.mhd"):
        path = write_image(tmp_path / name, VOXELS, SPACING, origin=ORIGIN, direction=direction)
        expected = Geometry((5, 4, 3), SPACING, ORIGIN, direction)
        assert geometry_difference(open_image_file(path).stored, expected, tolerance=1e-5) is None


@pytest.mark.parametrize("axes", [np.diag(signs)[:, list(order)] for signs in ((1, 1, 1), (-1, 1, 1), (1, -1, -1))
                                  for order in ((0, 1, 2), (1, 2, 0), (2, 1, 0))])  # fmt: skip
def test_what_itk_writes_is_never_contradictory(tmp_path: Path, axes: np.ndarray) -> None:
    """Nor where the axes' name is RAI for all."""
    direction = tuple(axes.ravel().tolist())
    for name in ("a.nii", "a.nrrd", "a.mha"):
        path = write_image(tmp_path / name, VOXELS, SPACING, origin=ORIGIN, direction=direction)
        assert open_image_file(path).stored.direction == pytest.approx(direction)
    path.write_bytes(re.sub(rb"AnatomicalOrientation = ...", b"AnatomicalOrientation = RAI", path.read_bytes()))
    assert open_image_file(path).stored.direction == pytest.approx(direction)


def test_axes_off_by_rounding_are_put_at_right_angles(tmp_path: Path) -> None:
    grid = open_image_file(nifti(tmp_path / "a.nii", qform=None, sform=sheared(0.0009))).stored
    np.testing.assert_allclose(grid.axes.T @ grid.axes, np.eye(3), atol=1e-12)


def test_a_header_in_several_gzip_streams_is_read(tmp_path: Path) -> None:
    content = nifti(tmp_path / "a.nii", voxels=VOXELS.astype(np.float32)).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content[:100]) + gzip.compress(content[100:]))
    assert geometry_difference(read_geometry(tmp_path / "b.nii.gz"), GRID) is None


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (0.5, 0.25), (1 / 3, -1000.7), (-2.0, 100.0)])
def test_scaled_values_are_those_of_itk(tmp_path: Path, kind: str, slope: float, intercept: float) -> None:
    voxels = np.random.default_rng(0).integers(0, 200, (3, 4, 5)).astype(kind)
    path = with_fields(nifti(tmp_path / "a.nii", voxels=voxels), (112, "2f", (slope, intercept)))
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(path)), theirs)
