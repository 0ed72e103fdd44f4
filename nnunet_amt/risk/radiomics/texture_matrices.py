"""The five texture matrices of a tumour's grey levels, as pyradiomics counts them, from one walk over the neighbours.

Grey levels lie in a flat array with a rim of 0, so that a step to a neighbour is a shift of the whole array, and what
steps off the tumour meets a 0. Only levels that occur have a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cc3d
import numpy as np
from numpy.typing import NDArray

_NEIGHBOURS = tuple(step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0))  # 13, (z, y, x)


@dataclass(frozen=True, eq=False)
class TextureMatrices:
    """Counts by grey level (rows, those that occur, ascending); directions come last.

    Attributes
    ----------
    glcm
        (levels, levels, directions): pairs of neighbours, each in one direction only.
    glrlm
        (levels, lengths from 1 to the longest edge of the box, directions): runs.
    glszm, zone_sizes
        (levels, sizes) and (sizes,): zones of one level, joined at faces, edges and corners, by those sizes that occur.
    gldm
        (levels, 1 to one more than neighbours): voxels by how many neighbours, and itself, have their level.
    ngtdm
        (levels, 2): voxels, and the sum of how far their level lies from the mean of their neighbours.
    """

    glcm: NDArray[np.float64]
    glrlm: NDArray[np.float64]
    glszm: NDArray[np.float64]
    zone_sizes: NDArray[np.float64]
    gldm: NDArray[np.float64]
    ngtdm: NDArray[np.float64]


def texture_matrices(grey: NDArray[np.int_], levels: NDArray[np.int_]) -> TextureMatrices:
    """Count the matrices of grey levels, (z, y, x), 0 outside the tumour; `levels` are those that occur, ascending."""
    rank_of = np.zeros(int(levels[-1]) + 1, np.intp)
    rank_of[levels] = np.arange(1, len(levels) + 1)
    ranks = rank_of[grey]
    padded = np.pad(ranks, 1)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    steps = [
        int(strides @ step)
        for step in _NEIGHBOURS
        if all(length > 1 or move == 0 for move, length in zip(step, grey.shape, strict=True))
    ]
    flat = padded.ravel()
    glcm, gldm, ngtdm = _neighbour_matrices(flat, levels, steps)
    lengths = max(grey.shape)
    glrlm = np.stack([_run_lengths(flat, step, len(levels), lengths) for step in steps], axis=-1)
    glszm, sizes = _zone_sizes(ranks, len(levels))
    return TextureMatrices(glcm, glrlm, glszm, sizes, gldm, ngtdm)


def _neighbour_matrices(
    flat: NDArray[np.intp], levels: NDArray[np.int_], steps: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Count the GLCM, GLDM and NGTDM of ranks, 0 outside, each step in both directions."""
    rows = len(levels) + 1
    first_of_row = flat * rows
    inside = (flat > 0).view(np.uint8)
    small = flat.astype(np.uint8 if rows < 256 else np.uint16)
    grey = np.append(0, levels).astype(np.int32)[flat]
    equal, number = np.zeros((2, len(flat)), np.uint8)
    total = np.zeros(len(flat), np.int32)
    glcm = np.empty((rows - 1, rows - 1, len(steps)))
    for direction, step in enumerate(steps):
        here, there = slice(None, -step), slice(step, None)
        pairs = np.bincount(first_of_row[here] + flat[there], minlength=rows * rows)
        glcm[..., direction] = pairs.reshape(rows, rows)[1:, 1:]
        same = (small[here] == small[there]).view(np.uint8)
        equal[here] += same
        equal[there] += same
        for at, other in ((here, there), (there, here)):
            number[at] += inside[other]
            total[at] += grey[other]
    voxels = np.flatnonzero(flat)
    row, size = flat[voxels] - 1, 2 * len(steps) + 1
    gldm = np.bincount(row * size + equal[voxels], minlength=(rows - 1) * size).reshape(rows - 1, size)
    alone = number[voxels] == 0
    apart = np.abs(grey[voxels] - total[voxels] / np.maximum(number[voxels], 1))
    apart[alone] = 0
    counts = np.bincount(row, minlength=rows - 1).astype(np.float64)
    ngtdm = np.stack([counts, np.bincount(row, apart, minlength=rows - 1)], axis=1)
    return glcm, gldm.astype(np.float64), ngtdm


def _run_lengths(flat: NDArray[np.intp], step: int, rows: int, lengths: int) -> NDArray[np.float64]:
    """Count the runs of each rank by length, (rows, lengths), along the lines of voxels that lie `step` apart."""
    small = np.append(flat, np.zeros(-len(flat) % step, flat.dtype)).astype(np.uint16)
    lines = small.reshape(-1, step).T.ravel()  # each begins and ends in the rim
    begins = np.flatnonzero(lines[1:] != lines[:-1]) + 1
    rank = lines[begins[:-1]].astype(np.intp)
    length = np.diff(begins)
    is_run = rank > 0
    where = (rank[is_run] - 1) * lengths + length[is_run] - 1
    return np.bincount(where, minlength=rows * lengths).reshape(rows, lengths).astype(np.float64)


def _zone_sizes(ranks: NDArray[np.intp], rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Count the zones of each rank by size, (rows, sizes that occur), and give these sizes."""
    zones = cc3d.connected_components(ranks.astype(np.uint16), connectivity=26).ravel()
    voxels = np.bincount(zones)
    rank = np.zeros(len(voxels), np.intp)
    rank[zones] = ranks.ravel()
    sizes, column = np.unique(voxels[1:], return_inverse=True)
    where = (rank[1:] - 1) * len(sizes) + column
    matrix = np.bincount(where, minlength=rows * len(sizes)).reshape(rows, len(sizes))
    return matrix.astype(np.float64), sizes.astype(np.float64)
