"""The box of a case that pictures show: where it lies, how its axes run, what is refused, and its three planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import GeometryMismatchError, ImageReadError
from nnunet_amt.pictures import EDGES, PLANES, CaseCrop, Plane, focused, plane_view, read_case_crop, shown_voxel
from tests.evaluation.builders import write_label_map

SHAPE = (6, 8, 10)  # z, y, x
SPACING = (1.0, 2.0, 5.0)  # x, y, z in mm
LPS = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def written_case(folder: Path, image: np.ndarray | None = None) -> tuple[Path, Path, Path]:
    """A case whose reference is one voxel at (3, 4, 5) and whose prediction is one at (3, 4, 6)."""
    reference, prediction = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    reference[3, 4, 5] = prediction[3, 4, 6] = 1
    image = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.int16) if image is None else image
    return (
        write_label_map(folder / "ct.nii.gz", image, SPACING),
        write_label_map(folder / "reference.nii.gz", reference, SPACING),
        write_label_map(folder / "prediction.nii.gz", prediction, SPACING),
    )


def read(files: tuple[Path, Path, Path], **options: float) -> CaseCrop:
    image, reference, prediction = files
    return read_case_crop(image, reference, prediction, case_id="a", **options)  # type: ignore[arg-type]


def test_the_box_is_the_union_and_a_margin_in_mm(tmp_path: Path) -> None:
    """2 mm are one voxel of 5 mm or of 2 mm, and two of 1 mm: z 2 to 5, y 3 to 6, x 3 to 9."""
    crop = read(written_case(tmp_path), margin_mm=2.0)
    assert crop.lower == (2, 3, 3)
    assert crop.whole == SHAPE
    assert crop.spacing == (5.0, 2.0, 1.0)
    assert crop.extent_mm == (15.0, 6.0, 6.0)
    assert np.argwhere(crop.reference).tolist() == [[1, 1, 2]]
    assert np.argwhere(crop.prediction).tolist() == [[1, 1, 3]]
    whole = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    assert crop.image is not None
    assert np.array_equal(crop.image, whole[2:5, 3:6, 3:9])
    assert crop.image.dtype == np.int16


def test_the_margin_ends_at_the_edge_of_the_image(tmp_path: Path) -> None:
    crop = read(written_case(tmp_path), margin_mm=500.0)
    assert crop.lower == (0, 0, 0)
    assert crop.reference.shape == SHAPE


def test_a_small_box_grows_to_the_least_length(tmp_path: Path) -> None:
    """8 mm: z from 1 voxel of 5 mm to 2, y from 1 of 2 mm to 4, x from 2 of 1 mm to 8, each about its middle."""
    crop = read(written_case(tmp_path), margin_mm=0.0, minimum_mm=8.0)
    assert crop.reference.shape == (2, 4, 8)
    assert crop.lower == (3, 3, 2)


def test_a_case_without_tumour_gives_its_middle(tmp_path: Path) -> None:
    """120 mm are 24 of 40 slices of 5 mm, from the 8th; the plane is smaller and whole."""
    empty = write_label_map(tmp_path / "empty.nii.gz", np.zeros((40, 8, 10), np.uint8), SPACING)
    crop = read_case_crop(None, empty, None, case_id="a")
    assert crop.image is None
    assert crop.lower == (8, 0, 0)
    assert crop.reference.shape == (24, 8, 10)
    assert not crop.reference.any()
    assert not crop.prediction.any()


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "PIR", "ASL"])
def test_other_orientations_become_lps(tmp_path: Path, orientation: str) -> None:
    """SimpleITK turns the case another way round in the file; the crop is that of the LPS file."""
    files = written_case(tmp_path / "lps")
    expected = read(files, margin_mm=2.0)
    turned = []
    for file in files:
        turned.append(tmp_path / file.name)
        sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(str(file)), orientation), str(turned[-1]))
    crop = read((turned[0], turned[1], turned[2]), margin_mm=2.0)
    assert crop.lower == expected.lower
    assert crop.whole == expected.whole
    assert crop.spacing == pytest.approx(expected.spacing)
    for name in ("image", "reference", "prediction"):
        assert np.array_equal(getattr(crop, name), getattr(expected, name)), name


def test_a_ct_of_real_numbers_is_rounded(tmp_path: Path) -> None:
    """Such a file goes another way, by SimpleITK; 40.6 HU are 41, and what int16 cannot hold is its largest."""
    image = np.full(SHAPE, 40.6, np.float32)
    image[0] = 1e6
    crop = read(written_case(tmp_path, image), margin_mm=100.0)
    assert crop.image is not None
    assert crop.image[1:].min() == crop.image[1:].max() == 41
    assert crop.image[0].min() == 32767


def test_another_grid_is_refused(tmp_path: Path) -> None:
    image, reference, _ = written_case(tmp_path)
    moved = write_label_map(tmp_path / "moved.nii.gz", np.zeros(SHAPE, np.uint8), SPACING, (0.0, 0.0, 1.0))
    with pytest.raises(GeometryMismatchError, match=r"case a: .*moved.*origin"):
        read_case_crop(image, reference, moved, case_id="a")


def test_a_ct_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    files = written_case(tmp_path, np.random.default_rng(1).integers(-999, 999, SHAPE).astype(np.int16))
    files[0].write_bytes(files[0].read_bytes()[:500])
    with pytest.raises(ImageReadError, match="case a: cannot be read"):
        read(files)


def test_only_the_slices_up_to_the_box_are_read(tmp_path: Path) -> None:
    """The second half of a CT's large slices is missing, and the tumour lies in the first."""
    shape = (12, 512, 512)
    reference = np.zeros(shape, np.uint8)
    reference[1, 200, 200] = 1
    image = write_label_map(tmp_path / "ct.nii", np.full(shape, 7, np.int16), SPACING)
    with image.open("r+b") as file:
        file.truncate(352 + 6 * 512 * 512 * 2)
    mask = write_label_map(tmp_path / "reference.nii.gz", reference, SPACING)
    crop = read_case_crop(image, mask, None, case_id="a", margin_mm=4.0)
    assert crop.image is not None
    assert crop.image.shape == (3, 5, 9)
    assert (crop.image == 7).all()


CROP_SPACING = (5.0, 2.0, 1.0)  # z, y, x in mm


def crop_of(reference: np.ndarray, prediction: np.ndarray | None = None, image: np.ndarray | None = None) -> CaseCrop:
    prediction = np.zeros_like(reference) if prediction is None else prediction
    return CaseCrop("a", image, reference, prediction, CROP_SPACING, (10, 20, 30), (100, 100, 100))


def box(shape: tuple[int, int, int], *places: tuple[slice | int, slice | int, slice | int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for place in places:
        mask[place] = True
    return mask


# Eight corners of a cube, each a value of its own: 100 for the head, 10 for the back, 1 for the left of the patient.
CORNERS = np.array([[[z + y + x for x in (0, 1)] for y in (0, 10)] for z in (0, 100)], dtype=np.int16)


@pytest.mark.parametrize(
    ("plane", "at", "shown"),
    [
        # front row above the back; the patient's right (0) left of the left (1)
        ("axial", (0, 0, 0), [[0, 1], [10, 11]]),
        ("axial", (1, 0, 0), [[100, 101], [110, 111]]),
        # head above feet; right at the left
        ("coronal", (0, 0, 0), [[100, 101], [0, 1]]),
        ("coronal", (0, 1, 0), [[110, 111], [10, 11]]),
        # head above feet; front at the left
        ("sagittal", (0, 0, 0), [[100, 110], [0, 10]]),
        ("sagittal", (0, 0, 1), [[101, 111], [1, 11]]),
    ],
)
def test_corners_stand_where_a_radiologist_expects_them(
    plane: Plane, at: tuple[int, int, int], shown: list[list[int]]
) -> None:
    view = plane_view(crop_of(CORNERS == 110, CORNERS == 1, CORNERS), plane, at=at)
    assert view.image is not None
    assert view.image.tolist() == shown
    assert np.array_equal(view.reference, np.array(shown) == 110), "masks are turned as the CT is"
    assert np.array_equal(view.prediction, np.array(shown) == 1)


def test_letters_name_the_edges() -> None:
    """Left, right, upper, lower edge: the marks of the corners above in words."""
    assert EDGES == {"axial": tuple("RLAP"), "coronal": tuple("RLHF"), "sagittal": tuple("APHF")}


@pytest.mark.parametrize(
    ("plane", "pixel", "extent"),
    [("axial", (2.0, 1.0), (6.0, 4.0)), ("coronal", (5.0, 1.0), (10.0, 4.0)), ("sagittal", (5.0, 2.0), (10.0, 6.0))],
)
def test_a_pixel_has_the_size_of_its_voxel(
    plane: Plane, pixel: tuple[float, float], extent: tuple[float, float]
) -> None:
    view = plane_view(crop_of(np.zeros((2, 3, 4), bool)), plane)
    assert view.pixel == pixel
    assert view.extent_mm == extent
    assert view.image is None


def test_the_slice_of_most_reference_is_shown_through_its_middle() -> None:
    """Slice 1 has 2 voxels and slice 3 has 3, of which the second is the middle."""
    reference = box((5, 5, 5), (1, 0, slice(0, 2)), (3, 2, slice(1, 4)))
    assert shown_voxel(crop_of(reference, box((5, 5, 5), (0, slice(None), slice(None))))) == (3, 2, 2)


def test_a_shown_voxel_is_one_of_the_mask() -> None:
    """The middle of a ring is empty: its nearest voxel is taken, which is 1 mm away, the others are 2."""
    ring = box((1, 3, 3), (0, slice(None), slice(None)))
    ring[0, 1, 1] = False
    assert shown_voxel(crop_of(ring)) == (0, 1, 0)


def test_without_reference_the_prediction_is_shown_and_else_the_middle() -> None:
    nothing, prediction = np.zeros((5, 5, 5), bool), box((5, 5, 5), (4, 1, 1))
    assert shown_voxel(crop_of(nothing, prediction)) == (4, 1, 1)
    assert shown_voxel(crop_of(nothing)) == (2, 2, 2)


def test_another_mask_may_be_looked_for() -> None:
    reference, wrong = box((5, 5, 5), (1, 1, slice(0, 3))), box((5, 5, 5), (4, 4, 4))
    crop = crop_of(reference, reference | wrong)
    assert shown_voxel(crop, of=crop.prediction & ~crop.reference) == (4, 4, 4)
    assert shown_voxel(crop, of=crop.reference & ~crop.prediction) == (1, 1, 1), "nothing is missing: as by default"


def test_focused_leaves_out_what_the_planes_do_not_show() -> None:
    """A false positive 40 slices away, in none of the three planes: 15 mm around the tumour are left.

    z: 3 slices of 5 mm on either side of slice 50; y: 8 of 2 mm; x: 15 of 1 mm.
    """
    shape = (100, 60, 60)
    reference, far = box(shape, (50, 30, 30)), box(shape, (90, 50, 50))
    smaller, at = focused(crop_of(reference, reference | far), at=(50, 30, 30), minimum_mm=0.0)
    assert smaller.reference.shape == (7, 17, 31)
    assert at == (3, 8, 15)
    assert smaller.reference[at]
    assert smaller.lower == (10 + 47, 20 + 22, 30 + 15)
    assert smaller.prediction.sum() == 1


def test_focused_keeps_what_one_of_the_planes_shows() -> None:
    """A false positive in the axial slice of the tumour, 20 voxels to the left: x runs from 15 to 66."""
    shape = (100, 60, 80)
    reference, beside = box(shape, (50, 30, 30)), box(shape, (50, 30, 50))
    smaller, at = focused(crop_of(reference, reference | beside), at=(50, 30, 30), minimum_mm=0.0)
    assert smaller.reference.shape == (7, 17, 51)
    assert smaller.prediction[3, 8, 35]
    assert at == (3, 8, 15)


def test_focused_is_as_long_as_asked_for_or_the_crop() -> None:
    """80 mm are 16 slices of 5 mm and 40 rows of 2 mm; the crop has but 60 columns of 1 mm."""
    smaller, at = focused(crop_of(box((100, 60, 60), (0, 59, 30))), at=(0, 59, 30), margin_mm=0.0)
    assert smaller.reference.shape == (16, 40, 60)
    assert at == (0, 39, 30)


@pytest.mark.parametrize("plane", PLANES)
def test_planes_go_through_the_shown_voxel_by_default(plane: Plane) -> None:
    crop = crop_of(box((5, 6, 7), (1, 2, 3)))
    assert plane_view(crop, plane).reference.sum() == 1
