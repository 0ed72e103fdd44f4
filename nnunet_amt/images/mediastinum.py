"""A first look at a chest, at coarse spacing and without a network: where the anterior mediastinum is.

The lungs are the large dark parts inside the body. In the axial plane, what may hold a tumour is a share of the box
round them, learnt from the tumours of a training set; along the body it is the height of the lungs. Where no lungs are
found, as in a crop or a phantom of a box, nothing is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]  # (z, y, x)

# Fat is above, lungs are far below; also the lower end of the fast recipe's window, where its arrays are 0.
DARKER_THAN_FAT_HU = -160.0
# The look is taken on cubes of about this edge: no vessel is seen in them, and a chest has some 100,000.
_COARSE_MM = 5.0
# Of two lungs: as much air as a child's, and a box as wide as its chest. One lung alone, or bowel, is not taken.
_SMALLEST_LUNG_CM3 = 150.0
_SMALLEST_WIDTH_MM = 120.0
# Shares of the air of both lungs that lie in either half of their box.
_SMALLEST_HALF = 0.2
# A tumour may reach this far above the tips and below the floor of the lungs ...
_ABOVE_AND_BELOW_MM = 30.0
# ... and this far beyond all tumours of the training set.
MARGIN_MM = 20.0


@dataclass(frozen=True)
class MediastinalRegion:
    """Where tumours may lie, in shares of the box round the lungs: 0 its front or right, 1 its back or left.

    Attributes
    ----------
    y, x
        (lowest, highest) share; below 0 or above 1 it is outside of the box.
    """

    y: tuple[float, float]
    x: tuple[float, float]

    @classmethod
    def round_all(cls, lungs_and_tumours: Sequence[tuple[Box, Box, Sequence[float]]]) -> MediastinalRegion | None:
        """Give the smallest that holds all tumours, with `MARGIN_MM` on every side; None of no case.

        Each case is the box round its lungs, the box round its tumours and the spacing (z, y, x) in mm.
        """
        if not lungs_and_tumours:
            return None
        bounds = []
        for axis in (1, 2):
            low, high = [], []
            for lungs, tumours, spacing in lungs_and_tumours:
                start, width = lungs[axis].start, lungs[axis].stop - lungs[axis].start
                margin = MARGIN_MM / spacing[axis]
                low.append((tumours[axis].start - margin - start) / width)
                high.append((tumours[axis].stop + margin - start) / width)
            bounds.append((min(low), max(high)))
        return cls(*bounds)

    @classmethod
    def of_plans(cls, plans: Mapping[str, Any]) -> MediastinalRegion | None:
        """Take it from plans; None of those that limit nothing, as the paper's."""
        region = plans.get("mediastinal_region")
        return None if region is None else cls(tuple(region["y"]), tuple(region["x"]))

    def box(self, dark: NDArray[np.bool_], spacing: Sequence[float]) -> Box | None:
        """Find it in a chest; None where no lungs are found, or all of the image is in it.

        `dark` and `spacing` are as in `find_lungs`.
        """
        lungs = find_lungs(dark, spacing)
        if lungs is None:
            return None
        beside = _ABOVE_AND_BELOW_MM / spacing[0]
        ends = [(lungs[0].start - beside, lungs[0].stop + beside)]
        for (low, high), part in zip((self.y, self.x), lungs[1:], strict=True):
            width = part.stop - part.start
            ends.append((part.start + low * width, part.start + high * width))
        z, y, x = (
            slice(max(floor(low), 0), min(ceil(high), edge)) for (low, high), edge in zip(ends, dark.shape, strict=True)
        )
        if min(part.stop - part.start for part in (z, y, x)) < 1:
            return None
        return None if (z.stop - z.start, y.stop - y.start, x.stop - x.start) == dark.shape else (z, y, x)


@dataclass(frozen=True)
class RegionOfArrays:
    """Where tumours may lie in the arrays that plans make of CTs: what training and prediction ask their network about.

    Attributes
    ----------
    region
        In shares of the lungs.
    spacing
        (z, y, x) in mm of the arrays.
    darkest_fat
        What fat becomes in them at `DARKER_THAN_FAT_HU`, or their lowest value if that is higher.
    """

    region: MediastinalRegion
    spacing: tuple[float, ...]
    darkest_fat: float

    @classmethod
    def of_plans(cls, plans: Mapping[str, Any], configuration: str) -> RegionOfArrays | None:
        """Take it from plans; None of those that limit nothing, as the paper's."""
        region = MediastinalRegion.of_plans(plans)
        if region is None:
            return None
        intensities = plans["foreground_intensity_properties_per_channel"]["0"]
        fat = max(DARKER_THAN_FAT_HU, intensities["percentile_00_5"])
        spacing = tuple(plans["configurations"][configuration]["spacing"])
        return cls(region, spacing, (fat - intensities["mean"]) / max(intensities["std"], 1e-8))

    def box(self, array: NDArray[np.float32]) -> Box | None:
        """Find it in an array (z, y, x); None where it is all of it."""
        return self.region.box(array <= self.darkest_fat, self.spacing)


def find_lungs(dark: NDArray[np.bool_], spacing: Sequence[float]) -> Box | None:
    """Find the box round both lungs.

    Parameters
    ----------
    dark
        (z, y, x), LPS axes: where the CT is darker than fat, inside and outside of the body.
    spacing
        (z, y, x) in mm.

    Returns
    -------
    Box or None
        In voxels; None where there are not two lungs to be seen.
    """
    steps = [max(1, round(_COARSE_MM / edge)) for edge in spacing]
    coarse = _mostly(dark, steps)
    cubes = cc3d.connected_components(np.ascontiguousarray(coarse), connectivity=6)
    voxel_cm3 = float(np.prod([step * edge for step, edge in zip(steps, spacing, strict=True)])) / 1000
    sizes = np.bincount(cubes.ravel())
    kept = [
        label
        for label in range(1, len(sizes))
        if sizes[label] * voxel_cm3 >= _SMALLEST_LUNG_CM3 and not _reaches_the_sides(cubes == label)
    ]
    if not kept:
        return None
    lungs = np.isin(cubes, kept)
    box = [np.flatnonzero(lungs.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    first, last = [int(places[0]) for places in box], [int(places[-1]) + 1 for places in box]
    middle = (first[2] + last[2]) / 2
    right = lungs[:, :, : round(middle)].sum() / lungs.sum()
    width = (last[2] - first[2]) * steps[2] * spacing[2]
    if width < _SMALLEST_WIDTH_MM or min(right, 1 - right) < _SMALLEST_HALF:
        return None
    z, y, x = (
        slice(low * step, min(high * step, edge))
        for low, high, step, edge in zip(first, last, steps, dark.shape, strict=True)
    )
    return z, y, x


def _mostly(dark: NDArray[np.bool_], steps: Sequence[int]) -> NDArray[np.bool_]:
    """Say of blocks of so many voxels (z, y, x) whether most of each is dark; the last ones may be smaller."""
    shares: NDArray[np.float32] = dark.astype(np.float32)
    for axis, step in enumerate(steps):
        starts = np.arange(0, shares.shape[axis], step)
        counts = np.diff([*starts, shares.shape[axis]])
        shape = [-1 if other == axis else 1 for other in range(3)]
        sums = np.add.reduceat(shares, starts, axis=axis)
        shares = (sums / counts.reshape(shape)).astype(np.float32)
    return shares > 0.5


def _reaches_the_sides(part: NDArray[np.bool_]) -> bool:
    """Whether a part lies at the front, back, right or left end of the image, as the air round the body does."""
    return bool(part[:, [0, -1], :].any() or part[:, :, [0, -1]].any())
