"""Whether the values of a chest CT can be Hounsfield units, by how many voxels are as dense as what a chest is made of.

In HU air is -1000, lung -900 to -500, fat about -100, soft tissue 0 to 100, and hardly any bone is denser than 800. An
offset, a factor, a lost intercept or a window moves or cuts these. Single voxels decide nothing: metal reaches 30,000
HU, and scanners fill the outside with anything from -1000 to -3024. Nor does the lowest value: a crop of the
mediastinum has no air, but then it has fat, and its soft tissue lies where it must.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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

# Of an image with fewer voxels above its lowest value, which may be padding, nobody can tell where its tissues are.
_FEWEST_FOR_TISSUES = 10_000
# Scanners of 12 bits end here; others go on for metal.
_TWELVE_BITS_HU, _MOST_ABOVE_TWELVE_BITS = 3071, 0.01
# Air is -1000, with its noise. Real CTs have a thousandth of their voxels below this, but for padding.
_BELOW_AIR_HU, _MOST_BELOW_AIR = -1200, 0.02
# Where there is air or lung (of all voxels, a share), some of it is as light as this: in real CTs and crops of them at
# least 4% is below the one and, unless there is neither air nor normal lung, a fiftieth below the other.
_LIGHT_HU, _LEAST_LIGHT = -200, 0.03
_LUNG_AT_MOST_HU, _LEAST_LUNG = -650, 0.02
_AIR_AT_MOST_HU, _LEAST_AIR = -880, 0.0005
# Most of what is no air or lung lies about -120 to 70 HU; about 500 in crops of a heart full of contrast medium, but
# then an eighth of it at least is fat and soft tissue.
_PEAK_WIDTH_HU, _PEAK_FROM_HU = 50, -300
_PEAK_AT_MOST_HU, _CONTRAST_HU = 75, 150
_SOFT_HU, _LEAST_SOFT = (-150, 110), 0.08

# Of what is further out, only the number is kept.
_FURTHEST = (-32_768, 65_536)
_COUNTED_AT_MOST = 2_000_000  # voxels, evenly taken of all: enough for a share of a thousandth, at a tenth of the time


def hounsfield_doubt(values: NDArray) -> str | None:
    """Say why values, whole numbers in any axis order, cannot be the HU of a chest; None if they can.

    For example ``"99.95% of the voxels are -30 or above, the lowest is 0: a chest holds air, or at least fat, below
    that"``.
    """
    counted = _Counted.of(values)
    return next((doubt for doubt in (*_offset(counted), *_factor(counted), *_window(counted)) if doubt), None)


@dataclass(frozen=True, eq=False)
class _Counted:
    """How many of the voxels, evenly taken, are below each value from `_FURTHEST` on; lowest and highest are of all."""

    below: NDArray[np.int64]
    lowest: int
    highest: int

    @classmethod
    def of(cls, values: NDArray) -> _Counted:
        """Count the voxels of an array."""
        least, beyond = _FURTHEST
        taken = values.reshape(-1)[:: -(-values.size // _COUNTED_AT_MOST) | 1]  # odd, to meet every column of 512
        counts = np.bincount(taken.clip(least, beyond - 1).astype(np.int64) - least, minlength=beyond - least)
        return cls(np.concatenate([[0], np.cumsum(counts)]), int(values.min()), int(values.max()))

    @property
    def size(self) -> int:
        """Count all that were taken."""
        return int(self.below[-1])

    def number(self, low: int, high: int) -> int:
        """Count the voxels from `low` to `high`, both included."""
        least, beyond = _FURTHEST
        first, last = min(max(low, least), beyond - 1) - least, min(max(high + 1, least), beyond) - least
        return int(self.below[last] - self.below[first])

    def share(self, low: int = _FURTHEST[0], high: int = _FURTHEST[1]) -> float:
        """Give the share of the voxels from `low` to `high`, both included."""
        return self.number(low, high) / self.size

    def peak(self) -> int:
        """Find about which value most voxels that are no air and no lung lie."""
        least, beyond = _FURTHEST
        cumulated = self.below[_PEAK_FROM_HU - least : min(max(self.highest, 0) + 1, beyond) - least + 1]
        within = cumulated[_PEAK_WIDTH_HU:] - cumulated[:-_PEAK_WIDTH_HU]
        return int(np.argmax(within)) + _PEAK_FROM_HU + _PEAK_WIDTH_HU // 2


def _offset(counted: _Counted) -> Iterator[str]:
    """Say whether all is denser or less dense than it can be."""
    dense, lung = counted.share(low=_DENSE_HU + 1), counted.share(_LUNG_HU[0] + 1, _LUNG_HU[1] - 1)
    if dense > _MOST_DENSE and lung < _LUNG_TO_DENSE * dense:
        yield (
            f"{dense:.0%} of the voxels are above {_DENSE_HU}, in a chest at most {_MOST_DENSE:.0%} (bone, metal), and "
            f"{lung:.1%} lie between {_LUNG_HU[0]} and {_LUNG_HU[1]} (lung): as if 1000 or 1024 had been added to the "
            "HU, such as where RescaleIntercept was lost"
        )
    if (soft := counted.share(high=_FAT_HU - 1)) < _LEAST_FAT_OR_AIR:
        yield (
            f"{1 - soft:.2%} of the voxels are {_FAT_HU} or above, the lowest is {counted.lowest}: a chest holds air, "
            "or at least fat, below that"
        )
    if (tissue := counted.share(low=_TISSUE_HU + 1)) < _LEAST_TISSUE:
        yield (
            f"{1 - tissue:.2%} of the voxels are {_TISSUE_HU} or below, the highest is {counted.highest}: a chest "
            "holds fat and soft tissue above that"
        )


def _factor(counted: _Counted) -> Iterator[str]:
    """Say whether tissues lie where they cannot: all was multiplied or divided, or something smaller was added."""
    from_here = counted.lowest + 1
    measured = counted.number(from_here, counted.highest)
    if measured < _FEWEST_FOR_TISSUES:
        return
    above = counted.number(_TWELVE_BITS_HU + 1, counted.highest - 1) / measured  # for the highest see `_window`
    if above > _MOST_ABOVE_TWELVE_BITS:
        yield (
            f"{above:.1%} of the voxels are above {_TWELVE_BITS_HU}, in a CT at most {_MOST_ABOVE_TWELVE_BITS:.0%} "
            "(metal): as if the HU had been multiplied"
        )
    below = counted.number(from_here, _BELOW_AIR_HU - 1) / measured
    if below > _MOST_BELOW_AIR:
        yield (
            f"{below:.1%} of the voxels lie between the lowest value, {counted.lowest}, and {_BELOW_AIR_HU}, in a CT "
            f"at most {_MOST_BELOW_AIR:.0%} (air is -1000): as if the HU had been multiplied, or too much taken off"
        )
    light, peak = counted.number(from_here, _LIGHT_HU - 1), counted.peak()
    if light >= _LEAST_LIGHT * measured:
        lung, air = (counted.number(from_here, most - 1) / light for most in (_LUNG_AT_MOST_HU, _AIR_AT_MOST_HU))
        if lung < _LEAST_LUNG:
            yield (
                f"of the voxels below {_LIGHT_HU} (air and lung) {lung:.1%} are below {_LUNG_AT_MOST_HU}, in a chest "
                f"at least {_LEAST_LUNG:.0%}: as if the HU had been divided, or something added to them"
            )
        if air < _LEAST_AIR and peak > _PEAK_AT_MOST_HU:
            yield (
                f"of the voxels below {_LIGHT_HU} (air and lung) {air:.1%} are below {_AIR_AT_MOST_HU}, and of the "
                f"others most are about {peak}, where fat is -100 and soft tissue 0 to {_PEAK_AT_MOST_HU}: as if "
                "something had been added to the HU"
            )
    soft = counted.number(*_SOFT_HU) / max(counted.number(_LIGHT_HU, counted.highest), 1)
    if peak > _CONTRAST_HU and soft < _LEAST_SOFT:
        yield (
            f"most voxels that are no air or lung are about {peak}, and {soft:.1%} of them lie between {_SOFT_HU[0]} "
            f"and {_SOFT_HU[1]} (fat and soft tissue), in a chest at least {_LEAST_SOFT:.0%}: as if the HU had been "
            "multiplied, or something added to them"
        )


def _window(counted: _Counted) -> Iterator[str]:
    """Say at which end, if any, values were cut off or filled in."""
    lowest, highest = counted.lowest, counted.highest
    at_lowest, at_highest = counted.share(high=lowest), counted.share(low=highest)
    least = max(_AT_A_CUT, _FEW_VOXELS / counted.size)
    if highest >= _METAL_HU and at_highest > _AT_THE_TOP_OF_METAL:
        yield (
            f"{at_highest:.1%} of the voxels have the highest value, {highest}, in a CT at most "
            f"{_AT_THE_TOP_OF_METAL:.0%} (metal): as if the outside of the field of view had been filled with it"
        )
    near_highest = counted.share(low=highest - _NEXT_TO_A_CUT_HU)
    if highest < _METAL_HU and at_highest > least and near_highest > at_highest:
        yield _cut_off(at_highest, "highest", highest)
    if lowest > _AIR_HU and at_lowest > least:
        continues = counted.share(high=lowest + _NEXT_TO_A_CUT_HU) > at_lowest
        if continues or at_lowest > _AT_A_CUT_ALONE:
            yield _cut_off(at_lowest, "lowest", lowest)


def _cut_off(share: float, which: str, value: int) -> str:
    return (
        f"{share:.1%} of the voxels have the {which} value, {value}, in a CT at most {_AT_A_CUT:.1%}: the image is "
        "windowed, its values are cut off there"
    )
