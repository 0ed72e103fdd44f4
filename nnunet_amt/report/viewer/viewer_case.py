"""What the viewer shows of a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nnunet_amt.pictures import CaseCrop

Point = tuple[
    float, float, float
]  # (x, y, z) as shares of the crop's edges; x to the left, y to posterior, z to the head


@dataclass(frozen=True)
class FalsePositive:
    """A predicted lesion without a partner at IoU 0.1, which a reader is asked about.

    Attributes
    ----------
    lesion
        Its number in ``lesions.csv``, from 1.
    voxels, volume_ml, diameter_mm
        Its size; the diameter is the largest in space.
    overlaps
        Whether it shares voxels with the reference.
    where
        A point inside it, near its middle.
    decision
        What a reader decided in an earlier triage.
    """

    lesion: int
    voxels: int
    volume_ml: float
    diameter_mm: float
    overlaps: bool
    where: Point
    decision: str = "undecided"


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """The voxels of a case, and the candidates in them."""

    crop: CaseCrop
    false_positives: tuple[FalsePositive, ...]


@dataclass(frozen=True)
class ViewerCase:
    """A case before its voxels are read.

    Attributes
    ----------
    case_id
        The dataset's pseudonym.
    dice
        None where undefined.
    words
        Size and what else is said beside the name.
    load
        Reads the case; called once.
    """

    case_id: str
    dice: float | None
    words: str
    load: Callable[[], LoadedCase]
