"""Where the anterior mediastinum is: chests of boxes, whose lungs and tumours lie where one can count them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nnunet_amt.images.mediastinum import MARGIN_MM, MediastinalRegion, find_lungs

SPACING = (5.0, 4.0, 4.0)  # z, y, x in mm
SHAPE = (40, 80, 90)  # 200 x 320 x 360 mm
RIGHT, LEFT = slice(15, 40), slice(50, 75)  # 100 mm wide each, 40 mm apart
Y, Z = slice(25, 60), slice(4, 36)  # 140 mm deep, 160 mm tall


def chest(*lungs: slice) -> NDArray[np.bool_]:
    """Air round a body of 240 x 280 mm that holds lungs at these places along x; True is dark."""
    dark = np.ones(SHAPE, bool)
    dark[:, 10:70, 10:80] = False
    for lung in lungs:
        dark[Z, Y, lung] = True
    return dark


def test_the_lungs_are_the_air_inside_of_the_body() -> None:
    """Cubes of 5 mm are single voxels here, so the box is exact; the air round the body is no lung."""
    assert find_lungs(chest(RIGHT, LEFT), SPACING) == (Z, Y, slice(15, 75))


def test_finer_voxels_give_the_same_place_to_within_a_cube() -> None:
    fine = np.repeat(np.repeat(chest(RIGHT, LEFT), 5, axis=1), 5, axis=2)  # 0.8 mm
    box = find_lungs(fine, (5.0, 0.8, 0.8))
    assert box is not None
    for part, expected in zip(box, (Z, slice(125, 300), slice(75, 375)), strict=True):
        assert abs(part.start - expected.start) <= 6 and abs(part.stop - expected.stop) <= 6


@pytest.mark.parametrize(
    ("what", "dark"),
    [
        ("one lung alone", chest(RIGHT)),
        ("no lung", chest()),
        ("nothing but air", np.ones(SHAPE, bool)),
        ("nothing but tissue", np.zeros(SHAPE, bool)),
        ("bowel: 16 cm3 a loop", chest(slice(30, 31), slice(60, 61))),
        ("lungs that reach the end of the image, as in a crop", np.pad(np.ones((32, 40, 40), bool), 0)),
    ],
)
def test_where_two_lungs_are_not_seen_nothing_is_said(what: str, dark: NDArray[np.bool_]) -> None:
    assert find_lungs(dark, SPACING) is None, what
    assert MediastinalRegion((0.0, 1.0), (0.0, 1.0)).box(dark, SPACING) is None, what


def test_vessels_and_noise_do_not_move_the_box() -> None:
    """A voxel in seven of the other kind, everywhere: most of a cube of two voxels a side is as it was."""
    dark = np.repeat(np.repeat(np.repeat(chest(RIGHT, LEFT), 2, axis=0), 2, axis=1), 2, axis=2)
    dark ^= np.random.default_rng(1).random(dark.shape) < 1 / 7
    box = find_lungs(dark, (2.5, 2.0, 2.0))
    assert box is not None
    expected = (slice(8, 72), slice(50, 120), slice(30, 150))
    assert all(abs(p.start - e.start) <= 4 and abs(p.stop - e.stop) <= 4 for p, e in zip(box, expected, strict=True))


def test_the_region_holds_all_tumours_and_the_margin() -> None:
    """Lungs of 35 x 60 voxels of 4 mm, the margin of 20 mm is 5: y from (10 - 5) / 35 to (24 + 5) / 35, and so on."""
    lungs = (slice(0, 10), slice(100, 135), slice(200, 260))
    one = (slice(2, 4), slice(110, 120), slice(230, 240))
    other = (slice(2, 4), slice(112, 124), slice(220, 236))
    assert MARGIN_MM == 20.0
    region = MediastinalRegion.round_all([(lungs, one, SPACING), (lungs, other, SPACING)])
    assert region is not None
    assert region.y == pytest.approx((5 / 35, 29 / 35))
    assert region.x == pytest.approx((15 / 60, 45 / 60))


def test_without_a_case_there_is_no_region() -> None:
    assert MediastinalRegion.round_all([]) is None


def test_the_box_is_that_share_of_the_lungs_and_their_height() -> None:
    """y 25 + 0.2 x 35 = 32 to 25 + 0.8 x 35 = 53, x 15 + 0.25 x 60 = 30 to 60; z 30 mm beyond, cut at the ends."""
    region = MediastinalRegion((0.2, 0.8), (0.25, 0.75))
    assert region.box(chest(RIGHT, LEFT), SPACING) == (slice(0, 40), slice(32, 53), slice(30, 60))


def test_a_region_of_everything_limits_nothing() -> None:
    assert MediastinalRegion((-9.0, 9.0), (-9.0, 9.0)).box(chest(RIGHT, LEFT), SPACING) is None


def test_plans_say_it_or_do_not() -> None:
    assert MediastinalRegion.of_plans({"mediastinal_region": {"y": [0, 1], "x": [0.5, 2]}}) == MediastinalRegion(
        (0, 1), (0.5, 2)
    )
    assert MediastinalRegion.of_plans({"mediastinal_region": None}) is None
    assert MediastinalRegion.of_plans({}) is None
