"""Grids are the same within a thousandth, and differences are named with both values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.images.geometry import Geometry, geometry_difference

GRID = Geometry((4, 5, 6), (0.7, 0.7, 5.0), (-10.0, -20.0, 30.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def test_geometry_of_an_image_is_in_xyz_order() -> None:
    image = sitk.GetImageFromArray(np.zeros((6, 5, 4), np.uint8))  # (z, y, x)
    image.SetSpacing((0.7, 0.7, 5.0))
    geometry = Geometry.of(image)
    assert geometry.size == (4, 5, 6)
    assert geometry.voxel_volume_mm3 == pytest.approx(2.45)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("size", (4, 5, 7), "size (4, 5, 6) against (4, 5, 7)"),
        ("spacing", (0.7, 0.7, 3.0), "spacing (0.7, 0.7, 5) against (0.7, 0.7, 3)"),
        ("origin", (-10.0, -20.0, 30.002), "origin (-10, -20, 30) against (-10, -20, 30.002)"),
        ("direction", (-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0), "direction (1, 0"),
    ],
)
def test_difference_is_named_with_both_values(name: str, value: tuple, shown: str) -> None:
    difference = geometry_difference(GRID, replace(GRID, **{name: value}))
    assert difference is not None
    assert difference.startswith(shown)


def test_differences_below_a_thousandth_do_not_count() -> None:
    assert geometry_difference(GRID, replace(GRID, origin=(-10.0, -20.0, 30.0009))) is None
