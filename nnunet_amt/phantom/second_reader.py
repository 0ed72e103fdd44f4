"""A second reader's outline of a tumour that a first has outlined: a little off everywhere, and smoothly so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Standard deviations in mm: how far the second outline is off along the edge, and as a whole; and over which length
# along the edge it stays off to one side.
_ALONG_MM, _WHOLE_MM, _LENGTH_MM = 1.9, 0.7, 12.0
_MARGIN_MM = 8.0


def second_outline(
    mask: NDArray[np.uint8], spacing: tuple[float, float, float], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Give the mask of a second reader, (z, y, x) uint8, of one that is not empty; `spacing` is (z, y, x) in mm.

    The outline is moved in and out by a smooth random distance. Where nothing would be left the first one is given.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    steps = np.array(spacing)
    margin = np.ceil(_MARGIN_MM / steps).astype(int)
    inside = np.argwhere(mask)
    low = np.maximum(inside.min(axis=0) - margin, 0)
    high = np.minimum(inside.max(axis=0) + 1 + margin, mask.shape)
    z, y, x = (slice(first, last) for first, last in zip(low.tolist(), high.tolist(), strict=True))
    first = mask[z, y, x] > 0
    # Centres of voxels at the edge lie half a pixel from it.
    depth = distance_transform_edt(first, sampling=steps) - distance_transform_edt(~first, sampling=steps)
    depth -= np.sign(depth) * spacing[2] / 2
    field = gaussian_filter(rng.standard_normal(first.shape), _LENGTH_MM / steps, mode="reflect")
    field = (field - field.mean()) / max(float(field.std()), 1e-9) * _ALONG_MM + rng.normal(0.0, _WHOLE_MM)
    second = np.zeros_like(mask)
    second[z, y, x] = depth + field > 0
    return second if second.any() else mask.copy()
