"""A mask as another reader might have drawn it, where no other reader has drawn one."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray


def perturbed_mask(mask: NDArray[np.bool_], *, case_id: str, seed: int) -> NDArray[np.bool_]:
    """Shift a mask by one voxel in its slices, then dilate or erode it there by one voxel.

    Where it goes and which of the two is drawn of `seed` and the case, so that it is the same whichever cases there
    are. A mask that an erosion would leave less than half of is dilated.

    Parameters
    ----------
    mask
        (z, y, x).
    """
    from scipy import ndimage

    random = np.random.default_rng([seed, zlib.crc32(case_id.encode())])
    step = ((0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))[random.integers(4)]
    padded = np.pad(mask, ((0, 0), (2, 2), (2, 2)))
    shifted = np.roll(padded, step, axis=(0, 1, 2))
    cross = ndimage.generate_binary_structure(3, 1) & (np.arange(3) == 1)[:, None, None]
    changed = ndimage.binary_dilation(shifted, cross)
    if random.integers(2):
        eroded = ndimage.binary_erosion(shifted, cross)
        if 2 * np.count_nonzero(eroded) >= np.count_nonzero(mask):
            changed = eroded
    inside: NDArray[np.bool_] = changed[:, 2:-2, 2:-2]
    return inside
