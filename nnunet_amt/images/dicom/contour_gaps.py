"""Slices without contours between others of one ROI: contours that are missing, or the space between two lesions.

Nothing in a file tells the two apart but the planes that its writer names (PS3.3 C.8.8.6.4); else a rule must, see
`find_gaps`. What is missing can be interpolated, by the signed distance from the outline below and the one above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.images.geometry import Geometry

# So many steps from contour to contour, and so many mm, lie between two lesions, not within one that was drawn in part.
_STEPS_BETWEEN_LESIONS = 4
_MM_BETWEEN_LESIONS = 10.0
_SPACING_TOLERANCE_SHARE = 0.03
_SAME_NORMAL = 0.999  # cosine
_NEIGHBOURS = np.ones((3, 3), dtype=bool)  # pixels of one piece may touch at their corners

Slices = NDArray[np.bool_]  # (slice, row, column) of one ROI


@dataclass(frozen=True)
class SourcePlanes:
    """The planes that an ROI was drawn on (SourcePixelPlanesCharacteristicsSequence); on one without contour it is not.

    Their distance in mm, and the direction cosines of their rows and columns, LPS.
    """

    distance: float
    orientation: tuple[float, ...]

    def slices_apart(self, geometry: Geometry, axis: int) -> int | None:
        """Count the slices of a grid from one plane to the next; None if these planes say nothing of its slices.

        Planes that are closer than the slices leave no slice out: 1.
        """
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        if abs(float(normal @ geometry.axes[:, axis])) < _SAME_NORMAL or not 0 < self.distance < np.inf:
            return None
        slices = self.distance / geometry.spacing[axis]
        whole = max(slices, 1 / slices)
        if abs(whole - round(whole)) > _SPACING_TOLERANCE_SHARE * whole:
            return None
        return max(1, round(slices))


@dataclass(frozen=True, eq=False)
class Gap:
    """Slices between two others on which contours are missing: `below` and `above` are the numbers of the two.

    Beside them the pieces, (row, column), that face each other; nothing if they do not lie above each other.
    """

    below: int
    above: int
    lower: NDArray[np.bool_]
    upper: NDArray[np.bool_]

    @property
    def between(self) -> range:
        """The slices on which contours are missing."""
        return range(self.below + 1, self.above)

    @property
    def can_be_closed(self) -> bool:
        """Whether there are pieces to interpolate between."""
        return bool(self.lower.any())


def find_gaps(slices: Slices, drawn: Sequence[int], *, distance: float, planes_apart: int | None) -> list[Gap]:
    """Find where contours are missing between others.

    A piece is what hangs together in one slice. Contours are missing where a piece has nothing above it, and the next
    slice with something there has a piece with nothing below it: so each lesion of an ROI is looked at by itself. They
    are two lesions, and nothing is missing, if that slice is four steps and 10 mm away or more; a step is the median of
    those from contour to contour. Pieces that do not lie above each other are different lesions, unless the ROI has
    contours on three slices or more and they keep skipping some.

    Parameters
    ----------
    slices
        The filled contours.
    drawn
        Numbers of the slices that have contours, ascending.
    distance
        Of the slices, in mm.
    planes_apart
        Slices from one plane that was drawn on to the next, if that is known: then a wider gap is none.
    """
    if planes_apart == 1 or len(drawn) < 2:
        return []
    steps = np.diff(drawn)
    step = planes_apart or int(np.sort(steps)[(len(steps) - 1) // 2])

    def are_lesions(number: int) -> bool:
        if planes_apart:
            return number > planes_apart
        return number >= _STEPS_BETWEEN_LESIONS * step and number * distance >= _MM_BETWEEN_LESIONS

    faces: dict[tuple[int, int], tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {}
    for below in drawn:
        for piece in _pieces_alone(slices, below, side=1):
            near = [number for number in drawn if number > below + 1 and not are_lesions(number - below)]
            above = next((number for number in near if (slices[number] & piece).any()), None)
            if above is None:
                continue
            for other in _pieces_alone(slices, above, side=-1):
                if (other & piece).any():
                    lower, upper = faces.setdefault((below, above), (np.zeros_like(piece), np.zeros_like(piece)))
                    lower |= piece
                    upper |= other
    if step > 1 and not planes_apart and len(drawn) > 2:
        nothing = np.zeros(slices.shape[1:], dtype=bool)
        for below, above in pairwise(drawn):
            if above - below > 1 and not are_lesions(above - below):
                faces.setdefault((below, above), (nothing, nothing))
    return [Gap(below, above, *pieces) for (below, above), pieces in sorted(faces.items(), key=lambda item: item[0])]


def close_gap(slices: Slices, gap: Gap, *, pixel_spacing: tuple[float, float]) -> None:
    """Add to the slices of a gap what lies between its pieces, by their signed distances.

    `pixel_spacing` is between rows and between columns, in mm.
    """
    either = gap.lower | gap.upper
    rows, columns = stretch(either, 0), stretch(either, 1)
    lower, upper = (_signed_distance(piece[rows, columns], pixel_spacing) for piece in (gap.lower, gap.upper))
    for number in gap.between:
        share = (number - gap.below) / (gap.above - gap.below)
        slices[number, rows, columns] |= (1 - share) * lower + share * upper > 0


def _pieces_alone(slices: Slices, number: int, *, side: int) -> list[NDArray[np.bool_]]:
    """Give the pieces of a slice over or under which (`side` 1 or -1) the next slice has nothing."""
    from scipy import ndimage

    labels, count = ndimage.label(slices[number], _NEIGHBOURS)
    beside = number + side
    continued = labels[slices[beside]] if 0 <= beside < len(slices) else np.empty(0, labels.dtype)
    return [labels == label for label in sorted(set(range(1, count + 1)) - set(np.unique(continued).tolist()))]


def _signed_distance(piece: NDArray[np.bool_], spacing: tuple[float, float]) -> NDArray[np.float64]:
    """Distance in mm from the edge of a piece, positive inside."""
    from scipy import ndimage

    padded = np.pad(piece, 1)
    inside, outside = (ndimage.distance_transform_edt(one, sampling=spacing) for one in (padded, ~padded))
    signed: NDArray[np.float64] = (inside - outside)[1:-1, 1:-1]
    return signed


def stretch(pixels: NDArray[np.bool_], axis: int) -> slice:
    """From the first row (axis 0) or column (1) that holds something to the last; at least one does."""
    found = np.flatnonzero(pixels.any(axis=1 - axis))
    return slice(int(found[0]), int(found[-1]) + 1)
