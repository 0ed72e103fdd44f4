"""One case, looked at for how it fails."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_amt.evaluation.failures.failure_modes import FailureMode, failure_mode
from nnunet_amt.evaluation.failures.false_positives import FalsePositive, false_positives
from nnunet_amt.evaluation.measure.case import VoxelMetrics, voxel_metrics
from nnunet_amt.evaluation.measure.features import FeatureValues, hounsfield_values, intensity_features, shape_features
from nnunet_amt.evaluation.measure.lesions import intersection_table, label_components
from nnunet_amt.evaluation.pair_analysis import MaskPair
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground


@dataclass(frozen=True, eq=False)
class FailureCase:
    """What the failure analysis knows of a case.

    Attributes
    ----------
    case_id
        Name of the case.
    tp, fp, fn
        Voxels in both masks, in the prediction only, in the reference only.
    voxel
        Dice and its like.
    mode
        How it fails.
    false_positives
        Predicted lesions without a partner.
    features
        Of the reference; empty for a case without tumour.
    """

    case_id: str
    tp: int
    fp: int
    fn: int
    voxel: VoxelMetrics
    mode: FailureMode
    false_positives: tuple[FalsePositive, ...]
    features: FeatureValues


def examine_case(masks: MaskPair, ct: Path | None, settings: EvaluationSettings) -> FailureCase:
    """Classify a case, list its false positives and describe its reference.

    Parameters
    ----------
    masks
        Both masks.
    ct
        The CT on their grid; None for shape features alone.
    settings
        Connectivity, the rule of false positives, and the smallest predicted lesion, which is dropped for these only.

    Raises
    ------
    ImageReadError
        If the CT is damaged.
    """
    references = label_components(masks.reference, settings.connectivity)
    predictions = label_components(masks.prediction, settings.connectivity)
    table = intersection_table(references, predictions)  # (references, predictions)
    reference_voxels = np.array([np.count_nonzero(piece.mask) for piece in references], dtype=np.int64)
    prediction_voxels = np.array([np.count_nonzero(piece.mask) for piece in predictions], dtype=np.int64)
    tp = int(table.sum())
    fp, fn = int(prediction_voxels.sum()) - tp, int(reference_voxels.sum()) - tp
    kept = np.flatnonzero(prediction_voxels >= settings.minimum_predicted_voxels)
    return FailureCase(
        case_id=masks.case_id,
        tp=tp,
        fp=fp,
        fn=fn,
        voxel=voxel_metrics(tp, fp, fn),
        mode=failure_mode(tp, fp, fn, (table.sum(axis=1) / reference_voxels).tolist()),
        false_positives=false_positives(
            references,
            [predictions[j] for j in kept],
            table[:, kept],
            masks.reference.spacing,
            settings.false_positive_rule,
        ),
        features=reference_features(masks.reference, ct),
    )


def reference_features(reference: Foreground, ct: Path | None) -> FeatureValues:
    """Measure a reference mask and, where a CT is given, the HU within it; empty for an empty mask."""
    if not reference.pieces:
        return {}
    features = shape_features(reference)
    if ct is not None:
        features |= intensity_features(hounsfield_values(ct, reference), float(np.prod(reference.spacing)))
    return features
