"""One case, looked at for how it fails: too much or too little, part of the tumour or none of it, what is false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from nnunet_amt.evaluation.measure.case import VoxelMetrics, voxel_metrics
from nnunet_amt.evaluation.measure.features import FeatureValues, hounsfield_values, intensity_features, shape_features
from nnunet_amt.evaluation.measure.label_maps import MaskPair
from nnunet_amt.evaluation.measure.lesions import (
    UNMATCHED,
    intersection_table,
    iou_levels,
    label_components,
    match_sweep,
)
from nnunet_amt.evaluation.score_froc.candidates import HIT_TWENTIETHS
from nnunet_amt.evaluation.settings import EvaluationSettings, FalsePositiveRule
from nnunet_amt.images.foreground import Foreground, MaskBox, Spacing, outline_points

# A reference of which less than this share was predicted is partly found only. The paper gives no figure.
PARTIAL_BELOW = 0.5
_MM3_PER_CM3 = 1000.0

SegmentationError = Literal["over", "under", "balanced"]
Detection = Literal["found", "partial", "missed"]


@dataclass(frozen=True)
class FailureMode:
    """How a case fails."""

    # ``over`` if more voxels are falsely positive than falsely negative, ``under`` if fewer, ``balanced`` if as many;
    # None without any tumour voxel in either mask
    segmentation: SegmentationError | None
    detection: Detection | None  # of the whole reference; None for a case without tumour
    # partial_lesions, missed_lesions: reference lesions that are partly found, or not at all
    partial_lesions: int
    missed_lesions: int


@dataclass(frozen=True)
class FalsePositive:
    """A predicted lesion without a partner at IoU > 0.1."""

    lesion: int  # its number among the predicted lesions of the case, from 1
    voxels: int
    volume_cm3: float
    # from its surface to the nearest surface of a reference lesion; 0 if they overlap, None without a reference
    distance_mm: float | None
    overlaps_reference: bool  # whether it shares a voxel with a reference lesion, though too few for a match


@dataclass(frozen=True, eq=False)
class FailureCase:
    """What the failure analysis knows of a case; the features are of the reference, empty for a case without tumour."""

    case_id: str
    tp: int
    fp: int
    fn: int
    voxel: VoxelMetrics
    mode: FailureMode
    false_positives: tuple[FalsePositive, ...]
    features: FeatureValues


def examine_case(masks: MaskPair, ct: Path | None, *, settings: EvaluationSettings) -> FailureCase:
    """Classify a case, list its false positives and describe its reference.

    `ct` lies on the grid of the masks; without one there are shape features alone. Predicted lesions under the smallest
    size are dropped for the false positives only.

    Raises
    ------
    ImageReadError
        If the CT is damaged.
    """
    references = label_components(masks.reference, connectivity=settings.connectivity)
    predictions = label_components(masks.prediction, connectivity=settings.connectivity)
    table = intersection_table(references, predictions)  # (references, predictions)
    reference_voxels, prediction_voxels = _voxels(references), _voxels(predictions)
    tp = int(table.sum())
    fp, fn = int(prediction_voxels.sum()) - tp, int(reference_voxels.sum()) - tp
    kept = np.flatnonzero(prediction_voxels >= settings.minimum_predicted_voxels)
    return FailureCase(
        case_id=masks.case_id,
        tp=tp,
        fp=fp,
        fn=fn,
        voxel=voxel_metrics(tp, fp, fn),
        mode=failure_mode(tp, fp, fn, covered_shares=(table.sum(axis=1) / reference_voxels).tolist()),
        false_positives=false_positives(
            references,
            [predictions[j] for j in kept],
            table[:, kept],
            spacing=masks.reference.spacing,
            rule=settings.false_positive_rule,
        ),
        features=reference_features(masks.reference, ct),
    )


def failure_mode(tp: int, fp: int, fn: int, *, covered_shares: Sequence[float] = ()) -> FailureMode:
    """Classify a case by its voxels in both masks, in the prediction only and in the reference only.

    `covered_shares` are, of each reference lesion, the share of its voxels that is predicted.
    """
    lesions = [_detection(share) for share in covered_shares]
    segmentation: SegmentationError = "balanced" if fp == fn else "over" if fp > fn else "under"
    return FailureMode(
        segmentation=segmentation if tp + fp + fn else None,
        detection=_detection(tp / (tp + fn)) if tp + fn else None,
        partial_lesions=lesions.count("partial"),
        missed_lesions=lesions.count("missed"),
    )


def false_positives(
    references: Sequence[MaskBox],
    predictions: Sequence[MaskBox],
    intersections: np.ndarray,
    *,
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
    prediction_voxels = _voxels(predictions)
    levels = iou_levels(intersections, _voxels(references), prediction_voxels)
    matched = match_sweep(levels, (HIT_TWENTIETHS,))[0]
    unmatched = sorted(set(range(len(predictions))) - set(matched[matched != UNMATCHED].tolist()))
    overlaps = intersections.sum(axis=0) > 0  # (predictions,)
    apart = [j for j in unmatched if not overlaps[j]]
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
        for j in (unmatched if rule == "unmatched" else apart)
    )


def reference_features(reference: Foreground, ct: Path | None) -> FeatureValues:
    """Measure a reference mask and, where a CT is given, the HU within it; empty for an empty mask."""
    if not reference.boxes:
        return {}
    features = shape_features(reference)
    if ct is not None:
        features |= intensity_features(hounsfield_values(ct, reference), float(np.prod(reference.spacing)))
    return features


def _detection(covered_share: float) -> Detection:
    """Name what was found of a tumour of which this share of voxels (0 to 1) is predicted."""
    if covered_share == 0:
        return "missed"
    return "partial" if covered_share < PARTIAL_BELOW else "found"


def _surface_distances(
    predictions: Sequence[MaskBox], references: Sequence[MaskBox], spacing: Spacing
) -> list[float] | list[None]:
    """Give the smallest distance in mm between the outlines of each prediction and of any reference."""
    if not references:
        return [None] * len(predictions)
    from scipy.spatial import KDTree  # slow to import

    tree = KDTree(np.concatenate([outline_points(reference, spacing) for reference in references]))
    return [float(np.min(tree.query(outline_points(prediction, spacing))[0])) for prediction in predictions]


def _voxels(components: Sequence[MaskBox]) -> np.ndarray:
    return np.array([np.count_nonzero(component.mask) for component in components], dtype=np.int64)
