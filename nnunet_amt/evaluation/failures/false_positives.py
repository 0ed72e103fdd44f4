"""False positive lesions: how large they are and how far from the tumour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt.evaluation.measure.lesions import UNMATCHED, iou_levels, match_sweep
from nnunet_amt.evaluation.settings import FalsePositiveRule
from nnunet_amt.images.foreground import Piece, Spacing
from nnunet_amt.images.outline import outline_points

HIT_TWENTIETHS = 2  # IoU above 0.1, as exact twentieths
_MM3_PER_CM3 = 1000.0


@dataclass(frozen=True)
class FalsePositive:
    """A predicted lesion without a partner at IoU > 0.1.

    Attributes
    ----------
    lesion
        Its number among the predicted lesions of the case, from 1.
    voxels
        Its size.
    volume_cm3
        Its volume.
    distance_mm
        From its surface to the nearest surface of a reference lesion; 0 if they overlap, None without a reference.
    overlaps_reference
        Whether it shares a voxel with a reference lesion, though too few for a match.
    """

    lesion: int
    voxels: int
    volume_cm3: float
    distance_mm: float | None
    overlaps_reference: bool


def false_positives(
    references: Sequence[Piece],
    predictions: Sequence[Piece],
    intersections: np.ndarray,
    spacing: Spacing,
    rule: FalsePositiveRule = "unmatched",
) -> tuple[FalsePositive, ...]:
    """List the predicted lesions that are matched to no reference lesion.

    Parameters
    ----------
    references, predictions
        The lesions, predicted ones that are too small already dropped.
    intersections : numpy.ndarray of int, (references, predictions)
        Shared voxels.
    spacing
        Voxel edge lengths (x, y, z) in mm.
    rule
        ``"no_overlap"`` lists only those that share no voxel with any reference lesion.
    """
    reference_voxels, prediction_voxels = _voxels(references), _voxels(predictions)
    levels = iou_levels(intersections, reference_voxels, prediction_voxels)
    matched = match_sweep(levels, (HIT_TWENTIETHS,))[0]
    unmatched = sorted(set(range(len(predictions))) - set(matched[matched != UNMATCHED].tolist()))
    overlaps = intersections.sum(axis=0) > 0  # (predictions,)
    apart = [j for j in unmatched if not overlaps[j]]
    listed = unmatched if rule == "unmatched" else apart
    distances = _surface_distances([predictions[j] for j in apart], references, spacing) if apart else []
    distance_of = dict(zip(apart, distances, strict=True))
    return tuple(
        FalsePositive(
            lesion=j + 1,
            voxels=int(prediction_voxels[j]),
            volume_cm3=float(prediction_voxels[j] * np.prod(spacing) / _MM3_PER_CM3),
            distance_mm=distance_of.get(j, 0.0),
            overlaps_reference=bool(overlaps[j]),
        )
        for j in listed
    )


def _surface_distances(
    predictions: Sequence[Piece], references: Sequence[Piece], spacing: Spacing
) -> list[float] | list[None]:
    """Smallest distance in mm between the outlines of each prediction and of any reference."""
    if not references:
        return [None] * len(predictions)
    from scipy.spatial import KDTree  # slow to import

    tree = KDTree(np.concatenate([outline_points(reference, spacing) for reference in references]))
    return [float(np.min(tree.query(outline_points(prediction, spacing))[0])) for prediction in predictions]


def _voxels(components: Sequence[Piece]) -> np.ndarray:
    return np.array([np.count_nonzero(component.mask) for component in components], dtype=np.int64)
