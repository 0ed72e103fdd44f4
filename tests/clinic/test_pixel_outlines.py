"""What the outlines along pixels' edges enclose is the mask that they were made of."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nnunet_amt.clinic.pixel_outlines import outlines_of

RING = """
    .....
    .###.
    .#.#.
    .###.
    ....."""
ISLAND_IN_A_HOLE = """
    #######
    #.....#
    #.###.#
    #.#.#.#
    #.###.#
    #.....#
    #######"""
TWO_HOLES_IN_A_ROW = """
    #######
    #.##..#
    #######"""
HOLES_ONE_BELOW_THE_OTHER = """
    #####
    #.#.#
    #.###
    ###.#
    #.###
    #####"""
CHECKERBOARD = """
    #.#.#
    .#.#.
    #.#.#"""
CORNER_OF_A_HOLE_TOUCHES_OUTSIDE = """
    .####
    #.###
    #####"""


def pixels(drawing: str) -> NDArray[np.bool_]:
    return np.array([[letter == "#" for letter in line.strip()] for line in drawing.split()])


def even_odd(outlines: list[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Count for each pixel the edges to the north or south that lie west of its centre; no outline meets a centre."""
    crossed = np.zeros(shape, dtype=int)
    for outline in outlines:
        for (column, row), (next_column, next_row) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
            assert column == next_column or row == next_row  # along the edges of pixels
            if column == next_column:
                top, bottom = sorted((int(row + 0.5), int(next_row + 0.5)))
                crossed[top:bottom, int(column + 0.5) :] += 1
    return crossed % 2 == 1


def test_one_pixel_is_four_corners_half_a_pixel_from_its_centre() -> None:
    (outline,) = outlines_of(np.ones((1, 1), dtype=bool))
    assert outline.tolist() == [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]


def test_nothing_has_no_outline() -> None:
    assert outlines_of(np.zeros((3, 4), dtype=bool)) == []


def test_straight_lines_have_no_points_in_between() -> None:
    (outline,) = outlines_of(np.ones((20, 30), dtype=bool))
    assert len(outline) == 4


def test_a_hole_is_joined_by_a_cut_there_and_back() -> None:
    """Four corners outside, the cut's beginning and end there, and the hole's four: from its last edge straight out."""
    (outline,) = outlines_of(pixels(RING))
    points = [tuple(point) for point in outline.tolist()]
    assert len(points) == 4 + 2 + 4
    assert points.count((0.5, 1.5)) == 2  # on the western edge of the ring
    assert points.count((1.5, 1.5)) == 1  # the hole's north-western corner


def test_a_hole_is_an_outline_of_its_own_for_exclusive_or() -> None:
    assert sorted(len(outline) for outline in outlines_of(pixels(RING), keyholes=False)) == [4, 4]


@pytest.mark.parametrize(
    ("drawing", "islands"),
    [
        (RING, 1),
        (ISLAND_IN_A_HOLE, 2),
        (TWO_HOLES_IN_A_ROW, 1),
        (HOLES_ONE_BELOW_THE_OTHER, 1),
        (CHECKERBOARD, 8),
        (CORNER_OF_A_HOLE_TOUCHES_OUTSIDE, 1),
    ],
)
def test_islands_are_told_apart_and_enclose_their_pixels(drawing: str, islands: int) -> None:
    """Pixels that share a corner only are islands, and a hole that touches the outside at a corner is a bay."""
    mask = pixels(drawing)
    outlines = outlines_of(mask)
    assert len(outlines) == islands
    assert (even_odd(outlines, mask.shape) == mask).all()
    assert (even_odd(outlines_of(mask, keyholes=False), mask.shape) == mask).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8, 0.95])
def test_random_masks_come_back(share: float) -> None:
    """Noise has every pattern of four pixels round a vertex, and holes of all depths."""
    random = np.random.default_rng(round(100 * share))
    for _ in range(25):
        mask = random.random((17, 23)) < share
        for keyholes in (True, False):
            assert (even_odd(outlines_of(mask, keyholes=keyholes), mask.shape) == mask).all()
