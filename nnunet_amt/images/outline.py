"""The outline of a mask as points: where it ends, half a voxel beyond the voxel centres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_amt.images.foreground import Piece, Spacing


def joined(pieces: Sequence[Piece]) -> Piece:
    """Put pieces of a mask, at least one, into the smallest box that holds them all."""
    lower = np.min([piece.lower for piece in pieces], axis=0)
    upper = np.max([piece.upper for piece in pieces], axis=0)
    mask = np.zeros(upper - lower, dtype=bool)  # (z, y, x)
    for piece in pieces:
        start = np.subtract(piece.lower, lower)
        z, y, x = (slice(first, first + size) for first, size in zip(start, piece.mask.shape, strict=True))
        mask[z, y, x] |= piece.mask
    z0, y0, x0 = (int(low) for low in lower)
    return Piece((z0, y0, x0), mask)


def outline_points(piece: Piece, spacing: Spacing) -> np.ndarray:
    """Give the midpoint of every face between a voxel of the mask and one outside.

    A marching-cubes mesh at the level of one half has the same points as its vertices.

    Parameters
    ----------
    piece
        The mask.
    spacing
        Voxel edge lengths (x, y, z) in mm.

    Returns
    -------
    numpy.ndarray of float, (points, 3)
        (z, y, x) in mm from the centre of the label map's first voxel, along its axes.
    """
    padded = np.pad(piece.mask, 1).astype(np.int8)
    faces = []
    for axis in range(3):
        points = np.argwhere(np.diff(padded, axis=axis)).astype(float)
        points[:, axis] += 0.5
        faces.append(points)
    indices = np.concatenate(faces) - 1 + np.asarray(piece.lower)
    return indices * np.asarray(spacing[::-1])
