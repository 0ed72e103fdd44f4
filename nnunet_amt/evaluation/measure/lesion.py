"""Lesion counts of one case at every IoU threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.counts import CaseCounts
from nnunet_amt.evaluation.measure.matching import UNMATCHED, iou_levels, match_sweep
from nnunet_amt.evaluation.settings import FalsePositiveRule

THRESHOLDS = tuple(twentieths / 20 for twentieths in paper.IOU_THRESHOLD_TWENTIETHS)


@dataclass(frozen=True, eq=False)
class LesionCounts:
    """The lesions of one case, matched at the thresholds of `THRESHOLDS`.

    Attributes
    ----------
    tp, fp, fn : numpy.ndarray of int, (thresholds,)
        Matched reference lesions, false positive predictions, missed reference lesions.
    partners : numpy.ndarray of int, (thresholds, references)
        Number of the predicted lesion, from 0, that a reference is matched to; -1 for none.
    """

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    partners: np.ndarray


def count_lesions(counts: CaseCounts, false_positive_rule: FalsePositiveRule) -> LesionCounts:
    """Sweep the IoU threshold from 0.05 to 0.95 over the lesions of a case.

    The paper's "Lesion-wise detection performance metrics"; a match needs an IoU above the threshold.
    """
    levels = iou_levels(counts.intersections, counts.reference_voxels, counts.prediction_voxels)
    partners = match_sweep(levels, paper.IOU_THRESHOLD_TWENTIETHS)
    tp = (partners != UNMATCHED).sum(axis=1)
    if false_positive_rule == "unmatched":
        fp = len(counts.prediction_voxels) - tp
    else:
        apart = (counts.intersections == 0).all(axis=0)  # (predictions,)
        fp = np.full_like(tp, apart.sum())
    return LesionCounts(tp=tp, fp=fp, fn=len(counts.reference_voxels) - tp, partners=partners)


def threshold_index(iou_threshold: float) -> int:
    """Find a threshold among `THRESHOLDS`.

    Raises
    ------
    ValueError
        If it is not one of them.
    """
    return THRESHOLDS.index(iou_threshold)
