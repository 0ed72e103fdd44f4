"""Outline the pixels of a mask along their edges, so that whoever fills the outline finds the same pixels again.

Outlines through pixel centres or half-way between them lose or gain pixels, and each reader others. The centre of a
pixel lies nowhere nearer than half a pixel to an outline along the edges, so every rule of filling agrees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Vertex = tuple[int, int]  # (row, column) of a pixel's upper left corner
Loop = list[Vertex]

_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))  # east, south, west, north: each is a turn to the right of the one before


def outlines_of(pixels: NDArray[np.bool_], *, keyholes: bool = True) -> list[NDArray[np.float64]]:
    """Outline the pixels of one slice.

    Pixels that touch at a corner only are outlined one by one, as even-odd filling needs it.

    Parameters
    ----------
    pixels
        (rows, columns), True inside.
    keyholes
        Join each hole to what surrounds it by a cut there and back, as PS3.3 C.8.8.6.3 asks of CLOSED_PLANAR. Without,
        holes are outlines of their own, which is what CLOSEDPLANAR_XOR means.

    Returns
    -------
    list of NDArray
        Each (points, 2) of (column, row), where the centre of the first pixel is (0, 0); not closed by a last point
        that repeats the first, and without points on a straight line.
    """
    framed = np.pad(pixels.astype(bool), 1)
    loops = list(_loops(framed))
    if keyholes:
        loops = _joined(loops, framed)
    corners = [np.array(_corners(loop), dtype=np.float64) for loop in loops]
    return [points[:, ::-1] - 1.5 for points in corners]  # less the frame, and the half pixel to a centre


def _loops(framed: NDArray[np.bool_]) -> Iterator[Loop]:
    """Follow the edges between inside and outside with the inside at the right hand: islands clockwise, holes not."""
    edges = _edges(framed)
    for start in map(tuple, np.argwhere(edges[0])):  # every loop runs east somewhere
        if not edges[0][start]:
            continue
        loop, vertex, heading = [], start, 0
        while edges[heading][vertex]:
            edges[heading][vertex] = False
            loop.append((int(vertex[0]), int(vertex[1])))
            vertex = (vertex[0] + _STEPS[heading][0], vertex[1] + _STEPS[heading][1])
            # To the right first: where two pixels touch at a corner, stay with the one that was followed.
            turns = (heading + 1) % 4, heading, (heading - 1) % 4
            heading = next((turn for turn in turns if edges[turn][vertex]), heading)
        yield loop


def _edges(framed: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Tell for each vertex whether an edge leaves it to the east, south, west and north, inside at its right hand."""
    north_west, north_east = framed[:-1, :-1], framed[:-1, 1:]
    south_west, south_east = framed[1:, :-1], framed[1:, 1:]
    leaving = [
        south_east & ~north_east,
        south_west & ~south_east,
        north_west & ~south_west,
        north_east & ~north_west,
    ]
    return [np.pad(one, ((1, 0), (1, 0))) for one in leaving]  # vertex (r, c) is the upper left corner of pixel (r, c)


def _joined(loops: Sequence[Loop], framed: NDArray[np.bool_]) -> list[Loop]:
    """Cut from each hole to the west until a border is met, and run along the cut there and back.

    Holes are taken from west to east, so that what is met is an island, or a hole that is joined to one already.
    """
    islands = [loop for loop in loops if _area(loop) > 0]
    holes = sorted((_from_north_west(loop) for loop in loops if _area(loop) < 0), key=lambda hole: hole[0][::-1])
    border = {vertex: island for island in islands for vertex in island}
    for hole in holes:
        row, column = hole[0]
        while framed[row - 1, column - 1] and framed[row, column - 1]:
            column -= 1
        island = border[row, column]
        at = island.index((row, column))
        island[at + 1 : at + 1] = [*hole, hole[0], (row, column)]
        border.update((vertex, island) for vertex in hole)
    return islands


def _from_north_west(hole: Loop) -> Loop:
    """Let a hole begin at the northern end of its most western edge: west of that are pixels above and below."""
    start = min(range(len(hole)), key=lambda index: hole[index][::-1])
    return [*hole[start:], *hole[:start]]


def _area(loop: Loop) -> int:
    """Pixels enclosed, negative for a hole: every edge to the east counts the rows above it, to the west back."""
    following = [*loop[1:], loop[0]]
    return sum((before[1] - after[1]) * before[0] for before, after in zip(loop, following, strict=True))


def _corners(loop: Loop) -> Loop:
    """Leave out vertices at which the loop goes straight on; where it turns back is a corner."""
    headings = [
        (np.sign(after[0] - before[0]), np.sign(after[1] - before[1]))
        for before, after in zip(loop, [*loop[1:], loop[0]], strict=True)
    ]
    arriving = [headings[-1], *headings[:-1]]
    return [vertex for vertex, one, other in zip(loop, arriving, headings, strict=True) if one != other]
