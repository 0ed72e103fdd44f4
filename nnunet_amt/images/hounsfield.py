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
# A window cuts the values off at its ends: many voxels have its lowest or highest value, and others lie next to it.
# Above and below these, scanners have ends of their own: for metal, and for what is outside of their field of view.
_ENDS_OF_SCANNERS_HU = (-900, 1500)
_MOST_AT_AN_END = 0.002
_FEW_VOXELS = 10
_NEXT_TO_AN_END_HU = 10


def hounsfield_doubt(values: NDArray) -> str | None:
    """Say why values, whole numbers in any axis order, cannot be the HU of a chest; None if they can.

    For example ``"37% of the voxels are above 800, in a chest hardly 10%: as if 1024 had been added to the HU"``.
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
    """Say at which end, if any, values were cut off."""
    lowest, highest = int(values.min()), int(values.max())
    ends = {}
    if lowest > _ENDS_OF_SCANNERS_HU[0]:
        ends["lowest", lowest] = values <= lowest + _NEXT_TO_AN_END_HU
    if highest < _ENDS_OF_SCANNERS_HU[1]:
        ends["highest", highest] = values >= highest - _NEXT_TO_AN_END_HU
    for (name, end), near in ends.items():
        at_end = np.count_nonzero(values == end)
        if at_end > max(_FEW_VOXELS, _MOST_AT_AN_END * values.size) and np.count_nonzero(near) > at_end:
            return (
                f"{at_end / values.size:.1%} of the voxels have the {name} value, {end}, in a CT at most "
                f"{_MOST_AT_AN_END:.1%}: the image is windowed, its values are cut off there"
            )
    return None


def _share(chosen: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(chosen)) / chosen.size
