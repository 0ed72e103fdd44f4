"""How far apart the surfaces of two masks lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt.images.foreground import MaskBox, Spacing


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances between two surfaces in mm.

    Attributes
    ----------
    hausdorff
        The longest way from any point of one surface to the other.
    hausdorff95
        The same for the 95th percentile of each surface's points.
    average
        Mean over the points of both surfaces (average symmetric surface distance).
    """

    hausdorff: float
    hausdorff95: float
    average: float


def surface_distances(first: Sequence[MaskBox], second: Sequence[MaskBox], spacing: Spacing) -> SurfaceDistances | None:
    """Measure from the centre of each surface voxel to the nearest surface voxel of the other mask.

    A surface voxel is one with a face that borders on the background, or on the outside of the image.
    Distances are those of scipy's Euclidean distance transform.

    Parameters
    ----------
    first, second
        Boxes of the two masks on one grid.
    spacing
        Voxel edge lengths (x, y, z) in mm.

    Returns
    -------
    SurfaceDistances or None
        None if one of the masks is empty.
    """
    if not first or not second:
        return None
    lower = np.min([piece.lower for piece in (*first, *second)], axis=0)
    upper = np.max([piece.upper for piece in (*first, *second)], axis=0)
    one, other = _surface(first, lower, upper), _surface(second, lower, upper)
    there, back = _distances(one, other, spacing), _distances(other, one, spacing)
    return SurfaceDistances(
        hausdorff=float(max(there.max(), back.max())),
        hausdorff95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        average=float(np.concatenate([there, back]).mean()),
    )


def _surface(pieces: Sequence[MaskBox], lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_erosion  # slow to import

    mask = np.zeros(upper - lower, dtype=bool)
    for piece in pieces:
        z, y, x = (slice(start, stop) for start, stop in zip(piece.lower - lower, piece.upper - lower, strict=True))
        mask[z, y, x] |= piece.mask
    surface: np.ndarray = mask & ~binary_erosion(mask)  # 6 neighbours; outside is background
    return surface


def _distances(points: np.ndarray, surface: np.ndarray, spacing: Spacing) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    distances: np.ndarray = distance_transform_edt(~surface, sampling=spacing[::-1])[points]
    return distances
