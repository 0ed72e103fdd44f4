"""How the segmentation of a case fails: too much or too little, part of the tumour or none of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# A reference of which less than this share was predicted is partly found only. The paper gives no figure.
PARTIAL_BELOW = 0.5

SegmentationError = Literal["over", "under", "balanced"]
Detection = Literal["found", "partial", "missed"]


@dataclass(frozen=True)
class FailureMode:
    """How a case fails.

    Attributes
    ----------
    segmentation
        ``over`` if more voxels are falsely positive than falsely negative, ``under`` if fewer, ``balanced`` if as
        many; None without any tumour voxel in either mask.
    detection
        Of the whole reference; None for a case without tumour.
    partial_lesions, missed_lesions
        Reference lesions that are partly found, or not at all.
    """

    segmentation: SegmentationError | None
    detection: Detection | None
    partial_lesions: int
    missed_lesions: int


def failure_mode(tp: int, fp: int, fn: int, covered_shares: Sequence[float]) -> FailureMode:
    """Classify a case by its voxel counts.

    Parameters
    ----------
    tp, fp, fn
        Voxels in both masks, in the prediction only, in the reference only.
    covered_shares
        Of each reference lesion, the share of its voxels that is predicted.
    """
    lesions = [detection(share) for share in covered_shares]
    segmentation: SegmentationError = "balanced" if fp == fn else "over" if fp > fn else "under"
    return FailureMode(
        segmentation=segmentation if tp + fp + fn else None,
        detection=detection(tp / (tp + fn)) if tp + fn else None,
        partial_lesions=lesions.count("partial"),
        missed_lesions=lesions.count("missed"),
    )


def detection(covered_share: float) -> Detection:
    """Name what was found of a tumour of which this share of voxels (0 to 1) is predicted."""
    if covered_share == 0:
        return "missed"
    return "partial" if covered_share < PARTIAL_BELOW else "found"
