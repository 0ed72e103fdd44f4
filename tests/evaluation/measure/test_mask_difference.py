"""How two masks differ: figures that one can count on paper."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nnunet_amt.evaluation.measure.mask_difference import mask_difference, mask_size

SPACING = (1.0, 2.0, 5.0)  # x, y, z in mm: a voxel has 10 mm3, 100 of them 1 cm3


def blocks(*places: tuple[slice, slice, slice]) -> NDArray[np.uint8]:
    mask: NDArray[np.uint8] = np.zeros((10, 20, 20), np.uint8)
    for place in places:
        mask[place] = 1
    return mask


BLOCK = (slice(2, 4), slice(5, 10), slice(5, 15))  # 2 x 5 x 10 = 100 voxels
HIGHER = (slice(3, 5), slice(5, 10), slice(5, 15))
APART = (slice(8, 9), slice(0, 2), slice(0, 5))  # 10 voxels


def test_a_block_moved_up_by_a_slice() -> None:
    """Half is shared: Dice 2 * 50 / 200; the surfaces are 5 mm apart."""
    found = mask_difference(blocks(BLOCK), blocks(HIGHER), SPACING)
    assert found.dice == 0.5
    assert found.volumes_cm3 == pytest.approx((1.0, 1.0))
    assert found.volume_difference_cm3 == pytest.approx(0.0)
    assert found.lesions == (1, 1)
    assert found.largest_distance_mm == 5.0


def test_a_second_lesion_however_small_counts() -> None:
    """10 voxels in 1 slice: the evaluation of predictions would leave out 9, a reader's are all there."""
    found = mask_difference(blocks(BLOCK), blocks(BLOCK, (slice(8, 9), slice(0, 1), slice(0, 1))), SPACING)
    assert found.lesions == (1, 2)
    assert found.volume_difference_cm3 == pytest.approx(0.01)


def test_what_is_to_be_ignored_is_no_tumour() -> None:
    mask = blocks(BLOCK)
    mask[APART] = 2
    assert mask_difference(mask, blocks(BLOCK), SPACING).dice == 1.0
    assert mask_size(mask, SPACING) == (pytest.approx(1.0), 1)


def test_empty_masks() -> None:
    """One empty: Dice 0, no distance; both: nothing is defined."""
    found = mask_difference(blocks(), blocks(BLOCK), SPACING)
    assert (found.dice, found.lesions, found.largest_distance_mm) == (0.0, (0, 1), None)
    assert mask_difference(blocks(), blocks(), SPACING).dice is None
    assert mask_size(blocks(), SPACING) == (0.0, 0)
