"""Outlines and dashes, in numbers that can be drawn on squared paper."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.pictures import dashes, outlines


def test_an_outline_runs_half_way_between_inside_and_outside() -> None:
    """Two pixels side by side in row 2, columns 3 and 4: their centres are at (3.5, 2.5) and (4.5, 2.5)."""
    mask = np.zeros((6, 8), bool)
    mask[2, 3:5] = True
    (line,) = outlines(mask)
    assert line[0].tolist() == line[-1].tolist(), "it is closed"
    assert {tuple(point) for point in line.tolist()} == {
        *((3.5, 2.0), (4.5, 2.0), (3.5, 3.0), (4.5, 3.0)),
        *((3.0, 2.5), (5.0, 2.5)),
    }


def test_a_mask_at_the_edge_is_closed_too() -> None:
    (line,) = outlines(np.ones((1, 1), bool))
    assert {tuple(point) for point in line.tolist()} == {(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)}


def test_holes_and_second_lesions_have_lines_of_their_own() -> None:
    mask = np.zeros((9, 9), bool)
    mask[1:6, 1:6] = True
    mask[3, 3] = False
    mask[8, 8] = True
    assert len(outlines(mask)) == 3
    assert outlines(np.zeros((3, 3), bool)) == []


def test_dashes_divide_a_line_evenly() -> None:
    """A straight line of 12: three periods of 3 + 1."""
    parts = dashes(np.array([[0.0, 0.0], [12.0, 0.0]]), dash=3.0, gap=1.0)
    assert [part[:, 0].tolist() for part in parts] == [[0.0, 3.0], [4.0, 7.0], [8.0, 11.0]]


def test_dashes_go_round_corners() -> None:
    """Around a square of side 2: length 8, two periods of 4, each 3 long and round one corner."""
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]], dtype=float)
    first, second = dashes(square, dash=3.0, gap=1.0)
    assert first.tolist() == [[0, 0], [2, 0], [2, 1]]
    assert second.tolist() == [[2, 2], [0, 2], [0, 1]]


def test_dashes_are_stretched_to_fit() -> None:
    """11 is nearest to three periods of 4: each is 11/3 long, and 3/4 of it is dash."""
    parts = dashes(np.array([[0.0, 0.0], [11.0, 0.0]]), dash=3.0, gap=1.0)
    assert len(parts) == 3
    assert parts[0][-1, 0] == pytest.approx(11 / 4)


def test_a_point_has_no_dashes() -> None:
    assert dashes(np.array([[1.0, 1.0], [1.0, 1.0]]), dash=3.0, gap=1.0) == []
