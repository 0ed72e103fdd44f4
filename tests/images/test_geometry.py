"""Grids are the same within a thousandth, differences are named, and no voxel loses its place by a turn to LPS axes."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.images.geometry import (
    Geometry,
    array_to_lps,
    axis_code,
    described,
    from_lps,
    geometry_difference,
    lps_geometry,
    to_lps,
)

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


TURNS = [np.eye(3)[:, order] * signs for order in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3)]
TILT = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])


def image_with(direction: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    image.SetSpacing((0.5, 1.5, 4.0))
    image.SetOrigin((10.0, 20.0, 30.0))
    image.SetDirection(direction.ravel().tolist())
    return image


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: "".join(f"{value:+.0f}" for value in turn[turn != 0]))
def test_every_voxel_keeps_its_place_in_the_patient(turn: np.ndarray, oblique: bool) -> None:
    image = image_with(TILT @ turn if oblique else turn)
    turned = to_lps(image)
    for index in np.ndindex(image.GetSize()):
        place = image.TransformIndexToPhysicalPoint([int(i) for i in index])
        assert turned[turned.TransformPhysicalPointToIndex(place)] == image[index]
    axes = np.reshape(turned.GetDirection(), (3, 3))
    assert (np.diag(axes) > 0.7).all()
    assert geometry_difference(lps_geometry(Geometry.of(image)), Geometry.of(turned), tolerance=1e-9) is None
    array = sitk.GetArrayFromImage(turned)  # (z, y, x)
    back = from_lps(np.stack([array, array + 1]), Geometry.of(image))
    assert np.array_equal(back[1], sitk.GetArrayFromImage(image) + 1)


@pytest.mark.parametrize("code", ["LPS", "LAS", "RAS", "PSR", "SLA", "IPL"])
def test_axes_are_called_as_nibabel_calls_them(code: str) -> None:
    """By the side that each runs to; oblique ones by the side that they run to most nearly."""
    direction = np.zeros((3, 3))
    for axis, letter in enumerate(code):
        towards = "LPSRAI".index(letter)
        direction[towards % 3, axis] = 1 if towards < 3 else -1
    assert axis_code(Geometry.of(image_with(direction))) == code
    assert axis_code(Geometry.of(image_with(TILT @ direction))) == code


def test_lps_images_are_left_alone() -> None:
    geometry = Geometry.of(image_with(np.eye(3)))
    assert geometry_difference(lps_geometry(geometry), geometry, tolerance=0.0) is None


def test_a_grid_in_words() -> None:
    grid = Geometry((512, 512, 60), (0.7, 0.7, 5.0), (-179.2, -0.0, 40.0), GRID.direction)
    assert described(grid) == "512 x 512 x 60 voxels of 0.7 x 0.7 x 5 mm from (-179.2, 0, 40)"


def test_voxels_are_turned_to_lps_and_back() -> None:
    """Along each of the 48 ways in which axes can run."""
    values = np.arange(24).reshape(2, 3, 4)
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        axes = np.eye(3)[:, order] * signs
        grid = Geometry((1, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(axes.ravel().tolist()))
        assert (array_to_lps(from_lps(values, grid), grid) == values).all()
