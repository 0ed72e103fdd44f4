"""Voxel metrics of one case."""

from __future__ import annotations

from dataclasses import dataclass

VOXEL_METRICS = ("dice", "iou", "precision", "recall")


@dataclass(frozen=True)
class VoxelMetrics:
    """The four metrics of the paper's "Voxel-wise segmentation performance metrics"; None where undefined."""

    dice: float | None
    iou: float | None
    precision: float | None
    recall: float | None


def voxel_metrics(tp: int, fp: int, fn: int) -> VoxelMetrics:
    """Compute Dice, IoU, precision and recall (the paper's equations 1 to 4) from voxel counts.

    A ratio of nothing to nothing is undefined, not 0 and not 1: all four of a case with neither tumour nor
    prediction; the precision of an empty prediction; the recall of an empty reference. Dice and IoU of a
    case with only one of the two masks empty are 0.
    """
    return VoxelMetrics(
        dice=_ratio(2 * tp, 2 * tp + fp + fn),
        iou=_ratio(tp, tp + fp + fn),
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
