"""Masks in files: a label map's tumour slab by slab or by SimpleITK, and what people drew on the grid of its CT."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_amt.errors import GeometryMismatchError, ImageReadError, LabelValueError
from nnunet_amt.images import nifti_slabs
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.image_file import open_image_file
from nnunet_amt.images.mask_file import IGNORE_KEY, IGNORE_LABEL, open_label_file, read_foreground, tumour_mask
from tests.dataset_conversion.cohort_fixtures import ORIGIN, SPACING, make_ct, make_mask, write_image
from tests.evaluation.builders import write_label_map

RANDOM = np.random.default_rng(711)
SPARSE = (RANDOM.random((9, 20, 17)) < 0.01).astype(np.uint8)
SPARSE[3] = 0  # an empty slice between others
BLOCK = np.pad(np.ones((2, 3, 4), dtype=np.uint8), 2)


def whole(foreground: Foreground, shape: tuple[int, ...]) -> np.ndarray:
    """Put the pieces back into a volume."""
    mask = np.zeros(shape, bool)
    for piece in foreground.boxes:
        box = tuple(slice(low, high) for low, high in zip(piece.lower, piece.upper, strict=True))
        mask[box] |= piece.mask
    return mask


@pytest.fixture
def grid(tmp_path: Path) -> Geometry:
    return open_image_file(write_image(tmp_path / "ct.nii.gz", make_ct(0))).geometry


@pytest.mark.parametrize("slab_bytes", [1, 700, 1 << 20])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_every_integer_of_either_byte_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, order: str, slab_bytes: int
) -> None:
    monkeypatch.setattr(nifti_slabs, "_SLAB_BYTES", slab_bytes)
    image = nibabel.Nifti1Image(SPARSE.T.astype(code), np.eye(4), nibabel.Nifti1Header(endianness=order), dtype=code)
    for name in ("a.nii", "a.nii.gz"):
        nibabel.save(image, tmp_path / name)
        assert np.array_equal(whole(read_foreground(tmp_path / name, case_id="a"), SPARSE.shape), SPARSE == 1)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.002, 0.1, 1.0]), st.integers(1, 4000))
@settings(max_examples=40, deadline=None)
def test_any_mask_is_that_of_simpleitk(
    tmp_path_factory: pytest.TempPathFactory, seed: int, filled: float, slab_bytes: int
) -> None:
    generator = np.random.default_rng(seed)
    mask = (generator.random(generator.integers(1, 24, size=3)) < filled).astype(np.uint8)
    path = write_label_map(tmp_path_factory.mktemp("random") / "a.nii.gz", mask)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(nifti_slabs, "_SLAB_BYTES", slab_bytes)
        ours = whole(read_foreground(path, case_id="a"), mask.shape)
    assert np.array_equal(ours, sitk.GetArrayFromImage(sitk.ReadImage(str(path))) == 1)


@pytest.mark.parametrize("cut", [1, 352, 1000, 2000])
def test_several_gzip_streams_in_one_file(tmp_path: Path, cut: int) -> None:
    content = write_label_map(tmp_path / "a.nii", SPARSE).read_bytes()
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(content[:cut]) + gzip.compress(content[cut:]) + b"\0" * 7)  # and padding
    assert np.array_equal(whole(read_foreground(path, case_id="a"), SPARSE.shape), SPARSE == 1)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_another_value_may_stand_for_tumour(tmp_path: Path, ending: str) -> None:
    path = write_label_map(tmp_path / f"a{ending}", SPARSE * np.uint8(255))
    with pytest.raises(LabelValueError, match=r"values 0, 255; a mask holds 0 and 1 only; if 255 is tumour: --fore"):
        read_foreground(path, case_id="a")
    assert np.array_equal(whole(read_foreground(path, case_id="a", foreground=255), SPARSE.shape), SPARSE == 1)
    # A prediction of 0 and 1 beside a reference of 0 and 255 needs no rewriting.
    plain = write_label_map(tmp_path / f"b{ending}", SPARSE)
    assert np.array_equal(whole(read_foreground(plain, case_id="b", foreground=255), SPARSE.shape), SPARSE == 1)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd"])
@pytest.mark.parametrize("places", [((2, 1, 1), (2, 5, 5)), ((1, 1, 1), (7, 5, 5)), ((7, 1, 1), (1, 5, 5))])
def test_two_values_are_never_both_tumour(
    tmp_path: Path, ending: str, places: tuple[tuple[int, int, int], ...]
) -> None:
    # In one slice, and in two of them: a file of 0, 1 and 2 has a 1 that may be anything.
    voxels = np.zeros((9, 8, 8), np.int16)
    voxels[places[0]], voxels[places[1]] = 1, 2
    path = write_label_map(tmp_path / f"a{ending}", voxels)
    message = "values 0, 1, 2; with --foreground 2 a mask holds 0 and 2, or 0 and 1; write the tumour as 1"
    with pytest.raises(LabelValueError, match=re.escape(message)):
        read_foreground(path, case_id="a", foreground=2)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("one", [1.0, 0.9999999, 1.0000001, 0.9991, 1.0009])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_masks_are_taken_within_a_thousandth(
    tmp_path: Path, grid: Geometry, dtype: type, one: float, ending: str
) -> None:
    """Both readers; the background may be off too."""
    path = write_label_map(tmp_path / f"a{ending}", np.where(SPARSE, one, one - 1).astype(dtype))
    assert np.array_equal(whole(read_foreground(path, case_id="a"), SPARSE.shape), SPARSE == 1)
    path = write_image(tmp_path / f"m{ending}", np.where(make_mask(), one, one - 1).astype(dtype))
    np.testing.assert_array_equal(open_label_file(path, grid=grid).read(grid).labels, make_mask())


@pytest.mark.parametrize(("one", "shown"), [(0.9989, "0.9989"), (1.0011, "1.0011"), (1.9985, "1.9985"), (0.5, "0.5")])
def test_numbers_that_are_not_nearly_whole_are_shown_as_they_are(
    tmp_path: Path, grid: Geometry, one: float, shown: str
) -> None:
    path = write_label_map(tmp_path / "a.nii.gz", SPARSE * one)
    message = f"a: holds floating point numbers (0, {shown}); a mask holds 0 and 1 only, as integers; these are no"
    with pytest.raises(LabelValueError, match=re.escape(message)):
        read_foreground(path, case_id="a")
    path = write_image(tmp_path / "m.nii.gz", make_mask() * one)
    with pytest.raises(LabelValueError, match=re.escape(f"and 1 (tumour): {shown}")):
        open_label_file(path, grid=grid).read(grid)


def test_values_of_seven_digits_are_not_rounded_in_messages() -> None:
    with pytest.raises(LabelValueError, match=re.escape("and 1 (tumour): 1000001, 1234567.125")):
        tumour_mask(np.array([0, 1, 1000001, 1234567.125]), name="m.nii.gz")


def test_a_mask_of_scaled_integers_is_read(tmp_path: Path) -> None:
    """255 times a slope of 1/255 is 0.99999998 in single precision."""
    image = nibabel.Nifti1Image(SPARSE.T * np.uint8(255), np.diag([-1.0, -2.0, 5.0, 1.0]))
    image.header.set_slope_inter(1 / 255, 0)
    image = nibabel.Nifti1Image(SPARSE.T * np.uint8(255), image.affine, image.header)
    content = bytearray(image.to_bytes())
    content[112:120] = np.array([1 / 255, 0.0], "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    assert np.array_equal(whole(read_foreground(tmp_path / "a.nii", case_id="a"), SPARSE.shape), SPARSE == 1)


AXIAL_FIRST = ((1, 0, 0, 0, 1, 0, 0, 0, 1), (0, 1, 2))
SAGITTAL_FIRST = ((0, 0, 1, 1, 0, 0, 0, 1, 0), (1, 2, 0))  # x runs to the back, y to the head, z to the left
CORONAL_FIRST = ((1, 0, 0, 0, 0, 1, 0, -1, 0), (1, 0, 2))  # x to the left, y to the feet, z to the back


@pytest.mark.parametrize(("direction", "axes"), [AXIAL_FIRST, SAGITTAL_FIRST, CORONAL_FIRST])
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_a_mask_knows_which_of_its_axes_are_the_patients(
    tmp_path: Path, ending: str, direction: tuple[int, ...], axes: tuple[int, int, int]
) -> None:
    path = write_label_map(tmp_path / f"a{ending}", BLOCK, direction=direction)  # 2 x 3 x 4 voxels of 5, 2 and 1 mm
    foreground = read_foreground(path, case_id="a")
    assert foreground.axes == axes
    turned, spacing = foreground.axial(foreground.boxes[0].mask)
    assert turned.shape == tuple((2, 3, 4)[axis] for axis in axes)
    assert spacing == tuple((5.0, 2.0, 1.0)[axis] for axis in axes)[::-1]


@pytest.mark.parametrize("follows", [b"\1", b"\x1f", b"no gzip stream" * 9, b"\0" * 9 + b"text"])
def test_what_follows_the_gzip_streams_is_passed_over(tmp_path: Path, follows: bytes) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(write_label_map(tmp_path / "a.nii", SPARSE).read_bytes()) + follows)
    assert np.array_equal(whole(read_foreground(path, case_id="a"), SPARSE.shape), SPARSE == 1)


def test_a_checksum_that_does_not_fit_is_noticed_before_what_follows_it(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(write_label_map(tmp_path / "a.nii", SPARSE).read_bytes()))
    packed[-8] ^= 1
    (tmp_path / "a.nii.gz").write_bytes(packed + b"no gzip stream")
    with pytest.raises(ImageReadError, match=r"a\.nii\.gz"):
        read_foreground(tmp_path / "a.nii.gz", case_id="a")


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_masks_of_any_type_and_format_become_zero_and_one(
    tmp_path: Path, grid: Geometry, ending: str, kind: type
) -> None:
    mask = open_label_file(write_image(tmp_path / f"m.{ending}", make_mask().astype(kind)), grid=grid).read(grid).labels
    np.testing.assert_array_equal(mask, make_mask())
    assert mask.dtype == np.uint8


def test_rounding_of_the_header_is_no_other_grid(tmp_path: Path, grid: Geometry) -> None:
    origin = (ORIGIN[0] + 0.0004, ORIGIN[1], ORIGIN[2])
    spacing = (SPACING[0], SPACING[1] - 0.0004, SPACING[2])
    open_label_file(write_image(tmp_path / "m.nii.gz", make_mask(), origin=origin, spacing=spacing), grid=grid)


def test_a_mask_stored_the_other_way_round_is_turned(tmp_path: Path, grid: Geometry) -> None:
    """Some tools flip rows and columns in the file and say so in its header: the same grid, voxel by voxel."""
    origin = (ORIGIN[0] + 10 * SPACING[0], ORIGIN[1] + 8 * SPACING[1], ORIGIN[2])
    path = write_image(
        tmp_path / "m.nii.gz", make_mask()[:, ::-1, ::-1], origin=origin, direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    )
    np.testing.assert_array_equal(open_label_file(path, grid=grid).read(grid).labels, make_mask())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1, 255], "holds 1 voxels .*: 255$"),
        ([0.0, 0.5, 1.0], r": 0\.5$"),
        ([0.0, float("nan"), 1.0], ": nan$"),
        ([0, 2, 3, 4, 5, 6, 7], r": 2, 3, 4, 5, 6, \.\.\.$"),
        ([0, 0, 0], "is empty, no voxel is tumour"),
    ],
)
def test_other_labels_and_empty_masks_are_refused(values: list[float], message: str) -> None:
    with pytest.raises(LabelValueError, match=r"^m\.nii\.gz: .*" + message):
        tumour_mask(np.array(values), name="m.nii.gz")


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_any_type_of_integer_will_do(tmp_path: Path, dtype: type[np.generic]) -> None:
    foreground = read_foreground(write_label_map(tmp_path / "a.nii.gz", BLOCK.astype(dtype)), case_id="a")
    assert [(piece.lower, piece.mask.shape) for piece in foreground.boxes] == [((2, 2, 2), (2, 3, 4))]
    assert foreground.spacing == (1.0, 2.0, 5.0)


def test_whole_files_written_in_other_ways_are_read(tmp_path: Path) -> None:
    plain = write_label_map(tmp_path / "a.nii", BLOCK)
    content = plain.read_bytes()
    several = tmp_path / "several.nii.gz"  # gzip allows several streams one after the other
    several.write_bytes(gzip.compress(content[:400]) + gzip.compress(content[400:]))
    longer = tmp_path / "longer.nii.gz"
    longer.write_bytes(gzip.compress(content + b"tail"))
    scaled = tmp_path / "scaled.nii.gz"  # scl_slope 1 and scl_inter 0 written out: ITK may read other types then
    with_slope = bytearray(content)
    with_slope[112:120] = np.array([1.0, 0.0], "<f4").tobytes()
    scaled.write_bytes(gzip.compress(bytes(with_slope)))
    for path in (plain, several, longer, scaled):
        assert sum(piece.mask.sum() for piece in read_foreground(path, case_id="a").boxes) == BLOCK.sum()


def test_an_empty_mask_has_no_boxes(tmp_path: Path) -> None:
    assert (
        read_foreground(write_label_map(tmp_path / "a.nii.gz", np.zeros((1, 1, 9), np.uint8)), case_id="a").boxes == ()
    )


UPRIGHT = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_voxels_of_a_third_of_the_thickness_take_the_label_of_the_slice_they_lie_in(tmp_path: Path) -> None:
    """Slices of 5 mm become three each; the first centre lies 5/3 mm below that of its slice."""
    path = write_image(tmp_path / "m.nii.gz", make_mask())
    thin = Geometry((11, 9, 12), (*SPACING[:2], 5 / 3), (*ORIGIN[:2], ORIGIN[2] - 5 / 3), UPRIGHT)
    mask = open_label_file(path, grid=thin, resample=True).read(thin).labels
    np.testing.assert_array_equal(mask, make_mask().repeat(3, axis=0))


def test_a_mask_of_a_part_of_the_ct_is_background_elsewhere(tmp_path: Path) -> None:
    """The mask covers slices 1 and 2 of the CT only, and columns 3 to 6: the tumour and nothing else."""
    origin = (ORIGIN[0] + 3 * SPACING[0], ORIGIN[1] + 2 * SPACING[1], ORIGIN[2] + SPACING[2])
    path = write_image(tmp_path / "m.nii.gz", make_mask()[1:3, 2:5, 3:7], origin=origin)
    grid = Geometry((11, 9, 4), SPACING, ORIGIN, UPRIGHT)
    np.testing.assert_array_equal(open_label_file(path, grid=grid, resample=True).read(grid).labels, make_mask())


def test_what_a_partial_mask_does_not_cover_is_ignored(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(make_mask()[1:3])
    image.SetSpacing(SPACING)
    image.SetOrigin((ORIGIN[0], ORIGIN[1], ORIGIN[2] + SPACING[2]))
    image.SetMetaData(IGNORE_KEY, str(IGNORE_LABEL))
    sitk.WriteImage(image, str(tmp_path / "m.nrrd"))
    grid = Geometry((11, 9, 4), SPACING, ORIGIN, UPRIGHT)
    mask = open_label_file(tmp_path / "m.nrrd", grid=grid, resample=True).read(grid).labels
    expected = make_mask()
    expected[[0, 3]] = IGNORE_LABEL
    np.testing.assert_array_equal(mask, expected)


def test_tumour_outside_the_ct_is_refused_with_both_grids(tmp_path: Path) -> None:
    """The CT has slice 0 and 1 of four; the tumour is on 1 and 2, so half of its 24 voxels are lost."""
    path = write_image(tmp_path / "m.nii.gz", make_mask())
    grid = Geometry((11, 9, 2), SPACING, ORIGIN, UPRIGHT)
    with pytest.raises(GeometryMismatchError) as error:
        open_label_file(path, grid=grid, resample=True).read(grid)
    assert "m.nii.gz: 12 of 24 tumour voxels lie outside the CT, which has 11 x 9 x 2 voxels of" in str(error.value)
    assert "the mask 11 x 9 x 4 voxels of 0.8 x 0.7 x 5 mm from (-12.5, 3.25, 40)" in str(error.value)


def test_a_lesion_between_the_centres_of_a_coarse_ct_is_no_mask(tmp_path: Path) -> None:
    mask = np.zeros((4, 9, 11), np.uint8)
    mask[1, 4, 5] = 1
    coarse = Geometry((4, 3, 4), (SPACING[0] * 3, SPACING[1] * 3, SPACING[2]), ORIGIN, UPRIGHT)
    path = write_image(tmp_path / "m.nii.gz", mask)
    with pytest.raises(LabelValueError, match=r"m\.nii\.gz, resampled to the CT's grid: is empty"):
        open_label_file(path, grid=coarse, resample=True).read(coarse)


def test_a_mask_on_the_grid_is_not_resampled(tmp_path: Path) -> None:
    grid = Geometry((11, 9, 4), SPACING, ORIGIN, UPRIGHT)
    assert not open_label_file(write_image(tmp_path / "m.nii.gz", make_mask()), grid=grid, resample=True).resample


def test_a_lesion_between_the_slices_of_the_ct_is_not_lost_in_silence(tmp_path: Path) -> None:
    """The CT has slices at 0, 5 and 10 mm: the one at 5 mm meets the larger lesion, none the one at 8 mm, 6 mm3."""
    mask = np.zeros((12, 9, 11), np.uint8)
    mask[3:7, 2:6, 3:7] = mask[8, 2:4, 8:11] = 1
    path = write_image(tmp_path / "m.nii.gz", mask, spacing=(1, 1, 1), origin=(0, 0, 0))
    grid = Geometry((11, 9, 3), (1, 1, 5), (0, 0, 0), UPRIGHT)
    with pytest.raises(GeometryMismatchError) as error:
        open_label_file(path, grid=grid, resample=True).read(grid)
    assert str(error.value) == (
        "m.nii.gz: of 2 lesions 1 would be lost (6 mm3), as no voxel of the CT has its centre in them; export the mask "
        "on the CT's grid, or take out of it what is no tumour"
    )


def test_how_many_lesions_resampling_leaves_is_known(tmp_path: Path) -> None:
    """Of two lesions at 0 to 5 and 7 to 10 mm the CT's slices at 0, 5 and 10 mm see one that goes through."""
    mask = np.zeros((12, 9, 11), np.uint8)
    mask[[*range(6), *range(7, 11)], 2:6, 3:7] = 1
    path = write_image(tmp_path / "m.nii.gz", mask, spacing=(1, 1, 1), origin=(0, 0, 0))
    grid = Geometry((11, 9, 3), (1, 1, 5), (0, 0, 0), UPRIGHT)
    assert open_label_file(path, grid=grid, resample=True).read(grid).lesions == (2, 1)
    own = Geometry((11, 9, 12), (1, 1, 1), (0, 0, 0), UPRIGHT)
    assert open_label_file(path, grid=own, resample=True).read(own).lesions is None
