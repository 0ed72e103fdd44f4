"""Which way round a picture is, and where a case is cut."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.pictures import EDGES, PLANES, CaseCrop, Plane, focused, plane_view, shown_voxel

SPACING = (5.0, 2.0, 1.0)  # z, y, x in mm


def crop_of(reference: np.ndarray, prediction: np.ndarray | None = None, image: np.ndarray | None = None) -> CaseCrop:
    prediction = np.zeros_like(reference) if prediction is None else prediction
    return CaseCrop("a", image, reference, prediction, SPACING, (10, 20, 30), (100, 100, 100))


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
