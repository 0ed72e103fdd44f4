"""What contours enclose in one slice of 6 x 8 pixels (rows x columns), counted on paper."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from nnunet_amt.errors import ContourError
from nnunet_amt.images.dicom.contours import at_centres, fill_contours

SHAPE = (6, 8)
ALL = {(row, column) for row in range(6) for column in range(8)}


def polygon(*points: tuple[float, float]) -> NDArray[np.float64]:
    return np.array(points, dtype=float)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    return polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def filled(*contours: NDArray[np.float64], exclusive: bool = False, traced: bool = False) -> set[tuple[int, int]]:
    """Give the (row, column) of the pixels inside."""
    pixels = fill_contours(contours, SHAPE, exclusive=exclusive, traced=traced)
    return {(int(row), int(column)) for row, column in np.argwhere(pixels)}


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


def test_the_path_belongs_to_the_structure_on_every_side() -> None:
    """A rectangle from centre 1 to centre 4 holds 1, 2, 3 and 4; a diamond about (3, 2) all within two steps."""
    assert filled(rectangle(1, 2, 4, 4)) == block(range(2, 5), range(1, 5))
    diamond = polygon((3, 0), (5, 2), (3, 4), (1, 2))
    assert filled(diamond) == {(y, x) for y, x in ALL if abs(x - 3) + abs(y - 2) <= 2}


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("start", range(5))
@pytest.mark.parametrize("sense", [1, -1])
def test_the_rule_has_no_side_start_or_sense(turns: int, start: int, sense: int) -> None:
    """Turned by 90 degrees about the middle of a square slice the mask turns with the outline, whatever its shape."""
    shape = polygon((1, 1), (5, 2), (4, 4.3), (3, 3), (1.2, 5))
    about = np.array((3.0, 3.0))
    turned = shape - about
    for _ in range(turns):
        turned = np.stack([-turned[:, 1], turned[:, 0]], axis=1)  # (x, y) to (-y, x): as np.rot90 by -1
    outline = np.roll(turned + about, start, axis=0)[::sense]
    expected = np.rot90(fill_contours([shape], (7, 7)), -turns)
    np.testing.assert_array_equal(fill_contours([outline], (7, 7)), expected)


@pytest.mark.parametrize("off", [0.0, 1e-9, -1e-9, 5e-6, -5e-6])
def test_rounding_does_not_decide_what_lies_on_the_path(off: float) -> None:
    assert filled(rectangle(1 + off, 1 + off, 4 - off, 4 - off)) == block(range(1, 5), range(1, 5))


def test_rougher_coordinates_may_lie_further_off() -> None:
    """Coordinates of four decimals, for pixels of 0.5 mm, are rounded by 0.0001 pixels; at a corner, both of them."""
    off = rectangle(1.0001, 0.5, 3.5, 3.9999)
    assert not fill_contours([off], SHAPE)[2, 1]
    assert fill_contours([off], SHAPE, on_path=1.5e-4).sum() == 4 * 3


@pytest.mark.parametrize("off", [0.01, 0.05, 0.4])
def test_what_lies_inside_of_the_centres_does_not_hold_them(off: float) -> None:
    assert filled(rectangle(1 + off, 1 + off, 4 - off, 4 - off)) == block(range(2, 4), range(2, 4))


def test_coordinates_of_two_decimals_are_taken_to_the_centres_they_were_meant_for() -> None:
    """0.005 mm of a pixel of 0.5 mm is 0.01 pixels; one point elsewhere tells that none was snapped."""
    snapped = rectangle(1.01, 0.99, 3.01, 4.0)
    moved = at_centres([snapped])
    assert moved is not None
    np.testing.assert_array_equal(moved[0], rectangle(1, 1, 3, 4))
    assert at_centres([snapped, polygon((2, 2), (2, 3), (2.3, 3))]) is None


def test_contours_without_area_hold_the_centres_they_pass() -> None:
    """What programs write for a single pixel, for two, and for a line one pixel wide, straight, slanted or bent."""
    assert filled(polygon((3, 2))) == {(2, 3)}
    assert filled(polygon((3, 2), (4, 2))) == {(2, 3), (2, 4)}
    assert filled(polygon((1, 1), (4, 4))) == {(1, 1), (2, 2), (3, 3), (4, 4)}
    assert filled(polygon((1, 2), (3, 2), (6, 2))) == block(range(2, 3), range(1, 7))
    assert filled(polygon((1, 1), (1, 4), (3, 4), (1, 4))) == block(range(1, 5), range(1, 2)) | {(4, 2), (4, 3)}
    assert filled(polygon((3, 2), (3, 2), (3, 2))) == {(2, 3)}
    assert filled(polygon((3.5, 2))) == filled(polygon((2.5, 2.5), (5.5, 2.5))) == set()


def test_a_line_that_is_gone_there_and_back_is_a_row_of_pixels_only_where_all_was_traced_along_centres() -> None:
    """A box of 3 x 3 pixels with a tail, and two boxes with a line between: as one contour, two lesions stay two."""
    tailed = polygon((1, 1), (3, 1), (3, 2), (6, 2), (3, 2), (3, 3), (1, 3))
    square = block(range(1, 4), range(1, 4))
    assert filled(tailed, traced=True) == square | {(2, 4), (2, 5), (2, 6)}
    assert filled(tailed) == square
    joined = polygon((0.5, 0.5), (1.5, 0.5), (1.5, 2), (5.5, 2), (5.5, 0.5), (6.5, 0.5), (6.5, 3.5), (5.5, 3.5),
                     (5.5, 2), (1.5, 2), (1.5, 3.5), (0.5, 3.5))  # fmt: skip
    assert filled(joined) == block(range(1, 4), range(1, 2)) | block(range(1, 4), range(6, 7))


@pytest.mark.parametrize("middle", [2.0, 3.0, 3.5])
def test_neighbours_leave_no_pixel_out_and_share_those_on_their_border(middle: float) -> None:
    left, right = rectangle(0, 0, middle, 4), rectangle(middle, 0, 6, 4)
    on_border = block(range(5), range(int(middle), int(middle) + 1)) if middle.is_integer() else set()
    assert filled(left) & filled(right) == on_border
    assert filled(left) | filled(right) == filled(rectangle(0, 0, 6, 4)) == block(range(5), range(7))
    assert filled(left, right) == block(range(5), range(7))


def test_neighbours_that_overlap_by_rounding_are_both_filled() -> None:
    """Even-odd would cut the line of centres out that both enclose by 0.02 pixels."""
    assert filled(rectangle(0.5, 0.5, 3.02, 4.5), rectangle(2.98, 0.5, 5.5, 4.5)) == block(range(1, 5), range(1, 6))


def test_a_contour_inside_another_is_a_hole_and_one_inside_that_an_island() -> None:
    outer, hole, island = rectangle(0.5, 0.5, 6.5, 5.5), rectangle(1.5, 1.5, 5.5, 4.5), rectangle(2.5, 2.5, 3.5, 3.5)
    ring = block(range(1, 6), range(1, 7)) - block(range(2, 5), range(2, 6))
    for exclusive in (False, True):
        assert filled(outer, hole, exclusive=exclusive) == ring
        assert filled(island, outer, hole, exclusive=exclusive) == ring | {(3, 3)}


def test_the_path_of_a_hole_belongs_to_the_structure() -> None:
    """The hole from centre 2 to centre 5 leaves out 3 and 4 only."""
    outer, hole = rectangle(0, 0, 7, 5), rectangle(2, 1, 5, 4)
    expected = ALL - block(range(2, 4), range(3, 5))
    assert filled(outer, hole) == filled(outer, hole, exclusive=True) == expected


def test_a_ring_of_one_pixel_outlined_through_its_centres() -> None:
    """As programs write it that trace the inner edge along the ring's own pixels, corners cut."""
    inner = polygon((1, 0), (0, 1), (0, 3), (1, 4), (3, 4), (4, 3), (4, 1), (3, 0))
    ring = block(range(5), range(5)) - block(range(1, 4), range(1, 4))
    assert filled(rectangle(0, 0, 4, 4), inner) == ring


def test_a_hole_may_run_along_the_outline_it_is_in_all_the_way() -> None:
    """A wall of one pixel round a hole, with a tail: traced along centres its outline goes round both sides at once."""
    ring = [(1, 2), (2, 1), (3, 2), (2, 3)]  # x, y of the four pixels round the hole at (2, 2)
    outer = polygon(*ring, (1, 2), (0, 2))
    assert filled(outer, polygon(*ring), traced=True) == {(y, x) for x, y in (*ring, (0, 2))}


def test_a_hole_may_touch_the_outline_it_is_in() -> None:
    """They share half of the left side; its centres lie on both paths."""
    assert filled(rectangle(0.5, 0.5, 6.5, 4.5), rectangle(0.5, 1.5, 3.5, 3.5)) == (
        block(range(1, 5), range(1, 7)) - block(range(2, 4), range(1, 4))
    )


KEYHOLE = polygon(
    (0.5, 0.5), (6.5, 0.5), (6.5, 5.5), (0.5, 5.5), (0.5, 2.5),
    (1.5, 2.5), (1.5, 4.5), (5.5, 4.5), (5.5, 1.5), (1.5, 1.5), (1.5, 2.5), (0.5, 2.5),
)  # fmt: skip


def test_a_keyhole_contour_is_a_ring() -> None:
    """One line round the outside, in along a cut, round the hole the other way, and out along the same cut."""
    assert filled(KEYHOLE) == block(range(1, 6), range(1, 7)) - block(range(2, 5), range(2, 6))


def test_round_the_hole_of_a_keyhole_either_way() -> None:
    same_way = np.vstack([KEYHOLE[:5], KEYHOLE[10:4:-1], KEYHOLE[11:]])
    assert filled(same_way) == filled(KEYHOLE)


def test_a_keyhole_through_centres_is_what_two_loops_would_be() -> None:
    """Outside from 0 to 6, hole from 2 to 4, the cut along row 3, all through centres: nine less one pixel is out."""
    keyhole = polygon(
        (0, 0), (6, 0), (6, 5), (0, 5), (0, 3), (2, 3), (2, 4), (4, 4), (4, 2), (2, 2), (2, 3), (0, 3)
    )  # fmt: skip
    expected = block(range(6), range(7)) - {(3, 3)}
    assert filled(keyhole) == filled(rectangle(0, 0, 6, 5), rectangle(2, 2, 4, 4)) == expected


def test_a_corner_that_comes_within_a_hair_of_a_centre_is_no_cut() -> None:
    """Seen in a real contour: the centre lies outside a corner of 90 degrees, by 0.0005 pixels from both its sides."""
    corner = polygon((0.5, 0.5), (6.5, 0.5), (6.5, 2.9995), (2.9995, 2.9995), (2.9995, 4.5), (0.5, 4.5))
    assert filled(corner) == block(range(1, 3), range(1, 7)) | block(range(3, 5), range(1, 3))


@pytest.mark.parametrize("width", [0.0, 0.001, 0.014])
def test_the_cut_of_a_keyhole_may_be_a_little_wide_and_run_along_centres(width: float) -> None:
    """A ring from 0.5 to 6.5 about a hole from 2.5 to 4.5; without it the cut along row 3 would take two pixels out."""
    above, below = 3 - width / 2, 3 + width / 2
    keyhole = polygon(
        (0.5, 0.5), (6.5, 0.5), (6.5, 5.4), (0.5, 5.4), (0.5, below), (2.5, below), (2.5, 4.5), (4.5, 4.5), (4.5, 2.5),
        (2.5, 2.5), (2.5, above), (0.5, above),
    )  # fmt: skip
    expected = block(range(1, 6), range(1, 7)) - block(range(3, 5), range(3, 5))
    for outline in (keyhole, keyhole[::-1], np.roll(keyhole, 5, axis=0)):
        assert filled(outline) == expected
    turned = keyhole[:, ::-1]
    np.testing.assert_array_equal(fill_contours([turned], SHAPE[::-1]), fill_contours([keyhole], SHAPE).T)


def test_two_contours_apart_are_both_filled() -> None:
    assert filled(rectangle(-0.5, -0.5, 1.5, 1.5), rectangle(4.5, 3.5, 6.5, 5.5)) == (
        block(range(2), range(2)) | block(range(4, 6), range(5, 7))
    )


def test_what_lies_outside_the_slice_is_cut_off() -> None:
    assert filled(rectangle(-9, -9, 1.5, 0.5)) == block(range(1), range(2))
    assert filled(rectangle(6.5, 4.5, 99, 99)) == block(range(5, 6), range(7, 8))
    assert filled(rectangle(20, 20, 30, 30)) == set()
    assert filled(rectangle(-9, -9, 99, 99)) == ALL
    assert filled(rectangle(0, 0, 7, 5)) == filled(rectangle(-0.5, -0.5, 7.5, 5.5)) == ALL


def test_sense_of_rotation_and_a_repeated_last_point_do_not_matter() -> None:
    shape = polygon((0.2, 0.3), (5.7, 1.1), (3.3, 4.9))
    assert filled(shape) == filled(shape[::-1]) == filled(np.vstack([shape, shape[:1]]))


HEART = polygon((0.5, 1.5), (2.5, 0.6), (3.5, 1.5), (4.5, 0.6), (6.5, 1.5), (3.5, 5.4))
AGAIN = {
    "the same": HEART,
    "0.015 pixels off": HEART + 0.015,
    "rounded": np.round((HEART + 0.003) * 0.7, 2) / 0.7,
    "from another point": np.roll(HEART, 2, axis=0),
    "the other way round": HEART[::-1],
    "a point more": np.insert(HEART, 1, (HEART[0] + HEART[1]) / 2, axis=0),
    "the first point again": np.vstack([HEART, HEART[:1]]),
    "many points more": np.vstack([HEART + share * (np.roll(HEART, -1, axis=0) - HEART) for share in (0, 0.3, 0.6)])
    .reshape(3, -1, 2)
    .swapaxes(0, 1)
    .reshape(-1, 2),
    "smaller by 0.05 pixels": HEART + 0.05 * np.sign(HEART.mean(axis=0) - HEART),
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN.keys())
def test_an_outline_that_is_stored_twice_counts_once(again: NDArray[np.float64]) -> None:
    once = filled(HEART)
    assert once == {(1, 2), (1, 5)} | block(range(2, 3), range(1, 7)) | block(range(3, 4), range(2, 6)) | {
        (4, 3),
        (4, 4),
    }
    assert filled(HEART, again) == once
    assert filled(HEART, again, HEART) == once  # even three times, which even-odd would forgive
    hole = rectangle(2.5, 1.6, 4.4, 2.5)
    assert filled(HEART, hole, again) == filled(HEART, hole) == once - {(2, 3), (2, 4)}


def test_an_outline_stored_twice_through_centres_keeps_them() -> None:
    assert filled(rectangle(1, 1, 4, 4), rectangle(1, 1, 4, 4) + 0.015) == block(range(1, 5), range(1, 5))


CROSSING = {
    "overlap in part": (rectangle(0.5, 0.5, 4.5, 3.5), rectangle(2.5, 1.5, 6.5, 4.5)),
    "a cross": (rectangle(0.5, 1.5, 6.5, 3.5), rectangle(2.5, 0.5, 4.5, 4.6)),
    "corner on edge": (rectangle(0.5, 0.5, 4.5, 4.5), polygon((4.5, 0.5), (6.5, 2.5), (4.5, 4.5), (2.5, 2.5))),
    "hole beyond the edge": (rectangle(0.5, 0.5, 5.5, 4.5), rectangle(1.5, 1.5, 6.5, 2.5)),
    "moved by a third of a pixel": (rectangle(0.6, 0.6, 4.6, 4.6), rectangle(0.9, 0.9, 4.9, 4.9)),
    "a fifth of a pixel larger all round": (rectangle(0.9, 0.9, 4.1, 4.1), rectangle(0.7, 0.7, 4.3, 4.3)),
}


@pytest.mark.parametrize("pair", CROSSING.values(), ids=CROSSING.keys())
def test_outlines_that_are_neither_apart_nor_nested_nor_one_are_refused(
    pair: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """What both enclose may be tumour, as one drew on, or a hole."""
    for first, second in (pair, pair[::-1]):
        with pytest.raises(ContourError, match=r"^two contours (cross|run 0\.\d+ pixels apart or less)"):
            filled(first, second)


def test_by_xor_is_combined_whatever_crosses() -> None:
    left, right = rectangle(0.5, 0.5, 4.5, 3.5), rectangle(2.5, 0.5, 6.5, 3.5)
    assert filled(left, right, exclusive=True) == block(range(1, 4), range(1, 3)) | block(range(1, 4), range(5, 7))
    for one, other in combinations((HEART, HEART + 0.01, HEART[::-1]), 2):
        with pytest.raises(ContourError, match="coincide, so that nothing is left"):
            filled(one, other, exclusive=True)


def test_an_outline_that_runs_over_itself_is_refused_where_much_depends_on_it() -> None:
    """A bow tie is filled; a loop within that holds 9 of 30 pixels again, or two laps, may be tumour or a hole."""
    bow = polygon((0.5, 0.5), (6.5, 4.5), (6.5, 0.5), (0.5, 4.5))
    assert filled(bow) >= {(2, 1), (2, 6), (1, 1), (3, 6)}
    looped = polygon((0.5, 0.5), (6.5, 0.5), (6.5, 4.5), (1.5, 4.5), (1.5, 1.5), (4.5, 1.5), (4.5, 5.4), (0.5, 5.4))
    with pytest.raises(ContourError, match="a contour crosses itself and runs twice round 9 pixels"):
        filled(looped)
    with pytest.raises(ContourError, match="a contour crosses itself and runs twice round 14 pixels"):
        filled(np.vstack([HEART, HEART]))


def test_where_a_hand_went_over_its_own_line_pixels_are_left_out() -> None:
    """A tail of 2 x 1 pixels runs back into a box of 21 x 21; official masks of real contours are filled so."""
    looped = polygon(
        (-0.5, -0.5), (20.5, -0.5), (20.5, 20.5), (7.5, 20.5), (7.5, 19.5), (9.5, 19.5), (9.5, 21.4), (-0.5, 21.4)
    )  # fmt: skip
    pixels = fill_contours([looped], (24, 24))
    assert np.argwhere(~pixels[:21, :21]).tolist() == [[20, 8], [20, 9]]
