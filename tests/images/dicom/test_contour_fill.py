"""Even-odd, pixel-centre filling, on shapes whose pixels can be counted on squared paper."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nnunet_amt.images.dicom.contour_fill import fill_contours, without_repeats


def polygon(*points: tuple[float, float]) -> NDArray[np.float64]:
    return np.array(points, dtype=float)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    return polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def filled(*contours: NDArray[np.float64], shape: tuple[int, int] = (6, 8)) -> set[tuple[int, int]]:
    """Give the (row, column) of the pixels inside."""
    return {(int(row), int(column)) for row, column in np.argwhere(fill_contours(contours, shape))}


def block(rows: range, columns: range) -> set[tuple[int, int]]:
    return {(row, column) for row in rows for column in columns}


def test_pixels_are_inside_if_their_centre_is() -> None:
    """From 0.6 to 3.4 there are the centres 1, 2, 3."""
    assert filled(rectangle(0.6, 1.4, 3.4, 4.6)) == block(range(2, 5), range(1, 4))


def test_a_triangle() -> None:
    """Below the line x + y = 4.5: row y holds the columns 0 to 4 - y."""
    expected = {(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2)}
    expected |= {(3, 0), (3, 1), (4, 0)}
    assert filled(polygon((-0.5, -0.5), (5.0, -0.5), (-0.5, 5.0))) == expected


def test_corners_on_centre_lines_are_crossed_once() -> None:
    """A diamond about (3, 2) with corners on centres; the left and upper border belongs to it."""
    diamond = polygon((3, 0), (5, 2), (3, 4), (1, 2))
    expected = block(range(1, 2), range(2, 4)) | block(range(2, 3), range(1, 5)) | block(range(3, 4), range(2, 4))
    assert filled(diamond) == expected


@pytest.mark.parametrize("middle", [2.0, 3.0, 3.5])
def test_neighbours_share_no_pixel_and_leave_none_out(middle: float) -> None:
    left, right = rectangle(0, 0, middle, 4), rectangle(middle, 0, 6, 4)
    assert filled(left).isdisjoint(filled(right))
    assert filled(left) | filled(right) == filled(rectangle(0, 0, 6, 4)) == block(range(4), range(6))


def test_a_contour_inside_another_is_a_hole_and_one_inside_that_an_island() -> None:
    outer, hole, island = rectangle(0.5, 0.5, 6.5, 5.5), rectangle(1.5, 1.5, 5.5, 4.5), rectangle(2.5, 2.5, 3.5, 3.5)
    ring = block(range(1, 6), range(1, 7)) - block(range(2, 5), range(2, 6))
    assert filled(outer, hole) == ring
    assert filled(island, outer, hole) == ring | {(3, 3)}


def test_a_keyhole_contour_is_a_ring() -> None:
    """One line round the outside, in along a cut, round the hole the other way, and out along the same cut."""
    keyhole = polygon(
        (0.5, 0.5), (6.5, 0.5), (6.5, 5.5), (0.5, 5.5), (0.5, 2.5),
        (1.5, 2.5), (1.5, 4.5), (5.5, 4.5), (5.5, 1.5), (1.5, 1.5), (1.5, 2.5), (0.5, 2.5),
    )  # fmt: skip
    assert filled(keyhole) == block(range(1, 6), range(1, 7)) - block(range(2, 5), range(2, 6))


def test_two_contours_apart_are_both_filled() -> None:
    assert filled(rectangle(-0.5, -0.5, 1.5, 1.5), rectangle(4.5, 3.5, 6.5, 5.5)) == (
        block(range(2), range(2)) | block(range(4, 6), range(5, 7))
    )


def test_what_lies_outside_the_slice_is_cut_off() -> None:
    assert filled(rectangle(-9, -9, 1.5, 0.5)) == block(range(1), range(2))
    assert filled(rectangle(6.5, 4.5, 99, 99)) == block(range(5, 6), range(7, 8))
    assert filled(rectangle(20, 20, 30, 30)) == set()
    assert filled(rectangle(-9, -9, 99, 99)) == block(range(6), range(8))


def test_sense_of_rotation_and_a_repeated_last_point_do_not_matter() -> None:
    shape = polygon((0.2, 0.3), (5.7, 1.1), (3.3, 4.9))
    assert filled(shape) == filled(shape[::-1]) == filled(np.vstack([shape, shape[:1]]))


def test_repeats_are_found_whatever_their_start_and_sense() -> None:
    shape = rectangle(0.5, 0.5, 3.5, 3.5)
    again = np.roll(shape, 2, axis=0)[::-1] + 1e-5
    assert len(without_repeats([shape, again, shape])) == 1
    assert len(without_repeats([shape, shape + 0.1])) == 2
