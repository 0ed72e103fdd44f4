"""What a case would be at other thresholds of probability: counted on all of its voxels, for the viewer's slider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.evaluation.measure.lesions import label_components
from nnunet_amt.evaluation.settings import Connectivity
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.probability_file import HIGHEST_LEVEL

THRESHOLDS = tuple(twentieths / 20 for twentieths in range(1, 20))
_MM3_PER_CM3 = 1000.0


class DialStep(NamedTuple):
    """What a threshold leaves: voxels of that probability and above, in lesions, without the specks among them."""

    threshold: float
    lesions: int
    volume_cm3: float


@dataclass(frozen=True, eq=False)
class Dial:
    """The probabilities of a case in the viewer.

    Attributes
    ----------
    levels
        255 times the probability, (z, y, x), of the voxels of the crop.
    steps
        The counts of the whole case at each of `THRESHOLDS`.
    """

    levels: NDArray[np.uint8]
    steps: tuple[DialStep, ...]


def dial_steps(
    levels: NDArray[np.uint8], *, spacing: Sequence[float], connectivity: Connectivity, minimum_voxels: int
) -> tuple[DialStep, ...]:
    """Count lesions at every threshold, as the evaluation and the table of lesions count them.

    Parameters
    ----------
    levels
        255 times the probability, (z, y, x), of the whole case.
    spacing
        (x, y, z) in mm.
    connectivity, minimum_voxels
        Which voxels make one lesion, and how many at least.
    """
    x, y, z = (float(edge) for edge in spacing)
    found = [np.flatnonzero(levels.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(int(planes[0]), int(planes[-1]) + 1) if planes.size else slice(0, 1) for planes in found)
    inside = levels[box]
    steps = []
    for threshold in THRESHOLDS:
        mask = (inside >= threshold * HIGHEST_LEVEL).astype(np.uint8)
        components = label_components(Foreground.of(mask, (x, y, z)), connectivity=connectivity)
        sizes = [size for one in components if (size := int(np.count_nonzero(one.mask))) >= minimum_voxels]
        steps.append(DialStep(threshold, len(sizes), sum(sizes) * x * y * z / _MM3_PER_CM3))
    return tuple(steps)
