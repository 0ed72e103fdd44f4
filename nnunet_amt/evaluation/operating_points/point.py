"""An operating point: which candidates in the tumour probabilities of a CT are taken for lesions.

nnU-Net takes the argmax: every voxel whose tumour probability is above one half. A point takes the components of the
voxels at or above a probability of its own, the candidates, and keeps those whose score and size are large enough.
`apply_point` is the one place where that is done.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.evaluation.measure.lesions import label_components
from nnunet_amt.evaluation.score_froc.candidates import Confidence
from nnunet_amt.evaluation.settings import Connectivity
from nnunet_amt.images.foreground import Foreground, MaskBox
from nnunet_amt.images.probability_file import HIGHEST_LEVEL, LOWEST_OF_TUMOUR

# It stands in DICOM objects, file records and messages.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,16}")
# NIfTI rounds the edges of voxels to seven digits: a volume at the limit must not depend on which file told them.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class OperatingPoint:
    """What a candidate is, and which candidates are kept.

    Attributes
    ----------
    name
        Letters, digits, ``_`` and ``-``, 16 at most.
    candidate_level
        Voxels of this level of probability or more make candidates; a level is a probability times 255.
    score
        Of a candidate: the mean or the maximum of its voxels' probabilities.
    score_threshold
        Candidates of this score or more are kept, 0 to 1.
    minimum_cm3
        Candidates of this volume or more are kept.
    connectivity
        Neighbours that make one candidate.

    Raises
    ------
    ValueError
        If a value cannot be; the reader of the file says which file that is.
    """

    name: str
    candidate_level: int
    score: Confidence
    score_threshold: float
    minimum_cm3: float
    connectivity: Connectivity = 26

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"the name {self.name!r} is not of 1 to 16 letters, digits, _ and -")
        if self.score not in get_args(Confidence) or self.connectivity not in get_args(Connectivity):
            raise ValueError(f"{self.name}: score {self.score!r} or connectivity {self.connectivity!r} is not known")
        if not (1 <= self.candidate_level <= HIGHEST_LEVEL and 0 <= self.score_threshold <= 1):
            raise ValueError(f"{self.name}: its candidate_level must be 1 to 255, its score_threshold 0 to 1")
        if not 0 <= self.minimum_cm3 < np.inf:
            raise ValueError(f"{self.name}: its minimum_cm3 must be 0 or more")

    @property
    def digest(self) -> str:
        """Tell this point from others, and from one of this name that was chosen anew."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def described(self) -> str:
        """What it does, in words."""
        score = f", {self.score} of a candidate {self.score_threshold:g} or more" if self.score_threshold else ""
        size = f", {self.minimum_cm3:g} cm³ or more" if self.minimum_cm3 else ""
        return f"voxels of probability {self.candidate_level / HIGHEST_LEVEL:.2f} or more{score}{size}"

    def keeps(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Say which candidates, found at its level, are kept, (candidates,)."""
        scores = candidates.mean if self.score == "mean" else candidates.maximum
        return (scores >= self.score_threshold) & (candidates.cm3 >= self.minimum_cm3 * (1 - _ROUNDING))


# What the network decides by itself: its label map is made of exactly these voxels.
ARGMAX = OperatingPoint("argmax", LOWEST_OF_TUMOUR, "mean", 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Candidates:
    """The components of the voxels at or above a level, with what decides about them.

    Attributes
    ----------
    boxes
        Their voxels, (z, y, x) as the levels are.
    voxels, cm3
        Their sizes, (candidates,).
    mean, maximum
        Of the probabilities of their voxels, 0 to 1, (candidates,).
    """

    boxes: tuple[MaskBox, ...]
    voxels: NDArray[np.int64]
    cm3: NDArray[np.float64]
    mean: NDArray[np.float64]
    maximum: NDArray[np.float64]


def find_candidates(
    levels: NDArray[np.uint8], spacing: Sequence[float], *, level: int, connectivity: Connectivity = 26
) -> Candidates:
    """Find the components of the voxels of at least this level.

    Parameters
    ----------
    levels
        Tumour probability times 255, (z, y, x); see `nnunet_amt.images.probability_file`.
    spacing
        (x, y, z) in mm.
    """
    x, y, z = spacing
    above = Foreground.of((levels >= level).astype(np.uint8, order="C"), (x, y, z))
    boxes = label_components(above, connectivity=connectivity)
    values = [levels[box.slices][box.mask] for box in boxes]
    voxels = np.array([each.size for each in values], np.int64)
    sums = np.array([each.sum(dtype=np.int64) for each in values], np.int64)
    highest = np.array([each.max() for each in values], np.int64)
    return Candidates(
        boxes=boxes,
        voxels=voxels,
        cm3=voxels * float(x * y * z) / 1000,
        mean=sums / (voxels * HIGHEST_LEVEL),  # of whole numbers: 0.6 is 0.6, whatever was added up
        maximum=highest / HIGHEST_LEVEL,
    )


def apply_point(levels: NDArray[np.uint8], spacing: Sequence[float], point: OperatingPoint) -> NDArray[np.uint8]:
    """Make the label map of a point out of probabilities.

    Parameters
    ----------
    levels
        Tumour probability times 255, (z, y, x), on any axes.
    spacing
        (x, y, z) in mm.

    Returns
    -------
    numpy.ndarray of uint8, (z, y, x)
        1 is tumour.
    """
    labels = np.zeros(levels.shape, np.uint8)
    found = find_candidates(levels, spacing, level=point.candidate_level, connectivity=point.connectivity)
    for box, kept in zip(found.boxes, point.keeps(found), strict=True):
        if kept:
            labels[box.slices][box.mask] = 1
    return labels
