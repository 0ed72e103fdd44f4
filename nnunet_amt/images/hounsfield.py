"""Whether the values of a chest CT can be Hounsfield units, by how many voxels are as dense as what a chest is made of.

In HU air is -1000, lung -900 to -500, fat about -100, soft tissue 0 to 100, and hardly any bone is denser than 800. An
offset, a lost intercept or a window moves or cuts these. Single voxels decide nothing: metal reaches 30,000 HU, and
scanners fill the outside with anything from -1000 to -3024. Nor does the lowest value: a crop of the mediastinum has no
air, but then it has fat, and its soft tissue lies where it must.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Below it lie air, lung and fat, all of which soft tissue with its noise hardly reaches.
_FAT_HU = -30
_LEAST_FAT_OR_AIR = 0.001
# Above it lies whatever is no air and no lung.
_TISSUE_HU = -200
_LEAST_TISSUE = 0.01
# Above it lie cortical bone and metal; all of a body where 1000 or 1024 was added to its HU.
_DENSE_HU = 800
_MOST_DENSE = 0.1
# A chest with so much metal still has its lungs, and what was added to their HU leaves nothing here.
_LUNG_HU = (-900, -200)
_LUNG_TO_DENSE = 0.1
# A window cuts the values off at its ends: many voxels have its lowest or highest value, and others lie next to it; at
# its lower end perhaps none, where a chest has no fat.
_AT_A_CUT, _AT_A_CUT_ALONE = 0.002, 0.05
_FEW_VOXELS = 10
_NEXT_TO_A_CUT_HU = 10
# What is below is the floor of a scanner or an export; above it metal is cut off, in few voxels.
_AIR_HU, _METAL_HU = -900, 1500
_AT_THE_TOP_OF_METAL = 0.01


def hounsfield_doubt(values: NDArray) -> str | None:
    """Say why values, whole numbers in any axis order, cannot be the HU of a chest; None if they can.

    For example ``"99.95% of the voxels are -30 or above, the lowest is 0: a chest holds air, or at least fat, below
    that"``.
    """
    dense, lung = _share(values > _DENSE_HU), _share((values > _LUNG_HU[0]) & (values < _LUNG_HU[1]))
    if dense > _MOST_DENSE and lung < _LUNG_TO_DENSE * dense:
        return (
            f"{dense:.0%} of the voxels are above {_DENSE_HU}, in a chest at most {_MOST_DENSE:.0%} (bone, metal), and "
            f"{lung:.1%} lie between {_LUNG_HU[0]} and {_LUNG_HU[1]} (lung): as if 1000 or 1024 had been added to the "
            "HU, such as where RescaleIntercept was lost"
        )
    if (soft := _share(values < _FAT_HU)) < _LEAST_FAT_OR_AIR:
        return (
            f"{1 - soft:.2%} of the voxels are {_FAT_HU} or above, the lowest is {values.min()}: a chest holds air, or "
            "at least fat, below that"
        )
    if (tissue := _share(values > _TISSUE_HU)) < _LEAST_TISSUE:
        return (
            f"{1 - tissue:.2%} of the voxels are {_TISSUE_HU} or below, the highest is {values.max()}: a chest holds "
            "fat and soft tissue above that"
        )
    return _window(values)


def _window(values: NDArray) -> str | None:
    """Say at which end, if any, values were cut off or filled in."""
    lowest, highest = int(values.min()), int(values.max())
    at_lowest, at_highest = _share(values == lowest), _share(values == highest)
    least = max(_AT_A_CUT, _FEW_VOXELS / values.size)
    if highest >= _METAL_HU and at_highest > _AT_THE_TOP_OF_METAL:
        return (
            f"{at_highest:.1%} of the voxels have the highest value, {highest}, in a CT at most "
            f"{_AT_THE_TOP_OF_METAL:.0%} (metal): as if the outside of the field of view had been filled with it"
        )
    if highest < _METAL_HU and at_highest > least and _share(values >= highest - _NEXT_TO_A_CUT_HU) > at_highest:
        return _cut_off(at_highest, "highest", highest)
    if lowest > _AIR_HU and at_lowest > least:
        continues = _share(values <= lowest + _NEXT_TO_A_CUT_HU) > at_lowest
        if continues or at_lowest > _AT_A_CUT_ALONE:
            return _cut_off(at_lowest, "lowest", lowest)
    return None


def _cut_off(share: float, which: str, value: int) -> str:
    return (
        f"{share:.1%} of the voxels have the {which} value, {value}, in a CT at most {_AT_A_CUT:.1%}: the image is "
        "windowed, its values are cut off there"
    )


def _share(chosen: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(chosen)) / chosen.size
