"""The largest in-plane diameter of a lesion."""

from __future__ import annotations

import numpy as np

__all__ = ["largest_in_plane_diameter"]


def largest_in_plane_diameter(mask: np.ndarray, spacing_yx: tuple[float, float]) -> float:
    """Measure the longest straight line across a lesion within one axial slice.

    The line runs between the outlines of the lesion, and the outline passes through the midpoints of the
    in-plane faces of its voxels, half a voxel beyond the voxel centres. A row of n voxels of width s
    is n s long, a single voxel s. This is the "Maximum 2D diameter (slice)" that IBSI-style radiomics
    measures on the surface mesh, and the paper's "maximum diameter measured in the axial plane".

    Parameters
    ----------
    mask : numpy.ndarray of bool, (z, y, x)
        One lesion. Axial slices are those along z, the image's own slice axis.
    spacing_yx
        Voxel edge lengths along y and x, in mm.

    Returns
    -------
    float
        Diameter in mm; 0 for an empty mask.
    """
    largest = 0.0
    for bound, z in _slices_by_bound(mask, spacing_yx):
        if bound <= largest:
            break
        largest = max(largest, _diameter_of_slice(mask[z], spacing_yx))
    return largest


def _slices_by_bound(mask: np.ndarray, spacing_yx: tuple[float, float]) -> list[tuple[float, int]]:
    """Slices with the diagonals of their bounding boxes, which no diameter exceeds, longest first."""
    in_rows, in_columns = np.any(mask, axis=2), np.any(mask, axis=1)  # (z, y), (z, x)
    heights = _extents(in_rows) * spacing_yx[0]
    widths = _extents(in_columns) * spacing_yx[1]
    bounds = np.hypot(heights, widths)
    return [(float(bounds[z]), int(z)) for z in np.argsort(-bounds, kind="stable") if bounds[z] > 0]


def _extents(profiles: np.ndarray) -> np.ndarray:
    """Distance from the first to one past the last True along axis 1; 0 where there is none."""
    length = profiles.shape[1]
    first = profiles.argmax(axis=1)
    last = length - profiles[:, ::-1].argmax(axis=1)
    return np.where(profiles.any(axis=1), last - first, 0)


def _diameter_of_slice(plane: np.ndarray, spacing_yx: tuple[float, float]) -> float:
    from scipy.spatial import ConvexHull  # slow to import

    rows, columns = _row_ends(plane), _row_ends(plane.T)[:, ::-1]
    points = np.concatenate([rows, columns]) * spacing_yx  # (points, 2) as (y, x) in mm
    corners = points[ConvexHull(points).vertices]
    differences = corners[:, None, :] - corners[None, :, :]
    return float(np.sqrt((differences**2).sum(axis=-1).max()))


def _row_ends(plane: np.ndarray) -> np.ndarray:
    """Left and right end of every row that holds voxels, as (row, column), half a voxel beyond the centres."""
    rows = np.flatnonzero(plane.any(axis=1))
    filled = plane[rows]
    left = filled.argmax(axis=1) - 0.5
    right = plane.shape[1] - filled[:, ::-1].argmax(axis=1) - 0.5
    return np.concatenate([np.column_stack([rows, left]), np.column_stack([rows, right])])
