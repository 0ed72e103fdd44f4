"""Lesions of a mask that has no reference, by numbers one can do on paper."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.clinic.lesions import find_lesions, lesion_row
from nnunet_amt.images.geometry import Geometry

GRID = Geometry((8, 8, 8), (1.0, 2.0, 5.0), (100.0, 200.0, -50.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def two_boxes() -> np.ndarray:
    """24 voxels at z 1..2, y 1..3, x 1..4, and 12 at z 5, y 4..6, x 4..7; 10 mm3 each."""
    mask = np.zeros((8, 8, 8), dtype=bool)
    mask[1:3, 1:4, 1:5] = True
    mask[5, 4:7, 4:8] = True
    return mask


def test_largest_first_with_volume_diameters_density_and_place() -> None:
    """4 mm by 6 mm in plane, outlines through the middles of faces: the longest line joins two long sides."""
    image = np.full((8, 8, 8), -100)
    image[two_boxes()] = 40
    first, second = find_lesions(two_boxes(), GRID, image=image)
    assert (first.number, first.voxels, second.number, second.voxels) == (1, 24, 2, 12)
    assert first.volume_cm3 == pytest.approx(0.24)
    assert second.axial_diameter_mm == pytest.approx(np.hypot(6.0, 3.0))  # from (0.5, 0) to (3.5, 6), middles of faces
    assert first.mean_hu == 40
    # the mean index (x, y, z) is (2.5, 2, 1.5)
    assert first.centre == pytest.approx((102.5, 204.0, -42.5))
    assert second.axial_slice == 5


def test_specks_are_left_out() -> None:
    assert [lesion.voxels for lesion in find_lesions(two_boxes(), GRID, minimum_voxels=13)] == [24]


def test_voxels_that_touch_at_a_corner_are_one_lesion_unless_asked() -> None:
    mask = np.zeros((8, 8, 8), dtype=bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True
    assert len(find_lesions(mask, GRID, minimum_voxels=1)) == 1
    assert len(find_lesions(mask, GRID, minimum_voxels=1, connectivity=6)) == 2


def test_without_a_ct_no_density_is_told() -> None:
    (lesion, _) = find_lesions(two_boxes(), GRID)
    row = lesion_row("a", lesion, slice_name=3)
    assert row[:4] == ["a", 1, 24, "0.240"]
    assert row[6] == ""


def test_nothing_is_no_lesion() -> None:
    assert find_lesions(np.zeros((8, 8, 8), dtype=bool), GRID) == []
