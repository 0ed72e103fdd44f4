"""Dice on whole tuning volumes, by which the model is selected ("Training settings")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

# Volumes are compared in slabs of about this many voxels, which bounds the memory it takes to some 100 MB.
SLAB_VOXELS = 2**22


@dataclass(frozen=True)
class CaseOverlap:
    """Overlap of one tuning case.

    Attributes
    ----------
    dice
        Dice of the label maps; None where reference and prediction are both empty.
    soft_dice
        Dice of the tumour probabilities, for the loss curve.
    """

    dice: float | None
    soft_dice: float


def case_overlap(
    logits: torch.Tensor, reference: np.ndarray, ignore_label: int | None = None, slab_voxels: int = SLAB_VOXELS
) -> CaseOverlap:
    """Compare a prediction with its reference, slab by slab.

    Parameters
    ----------
    logits
        (head, z, y, x), background first.
    reference
        (z, y, x); tumour is everything above 0, nnU-Net's -1 outside the image counts as background.
    ignore_label
        Voxels of this label are left out.
    slab_voxels
        How many voxels are compared at a time.
    """
    depth, height, width = reference.shape
    planes = max(1, slab_voxels // (height * width))
    sums = torch.zeros(5, dtype=torch.float64, device=logits.device)
    for start in range(0, depth, planes):
        slab = slice(start, start + planes)
        sums += _slab_sums(logits[:, slab], reference[slab], ignore_label)
    shared, predicted, tumour, soft_shared, soft_predicted = sums.tolist()
    total, soft_total = predicted + tumour, soft_predicted + tumour
    return CaseOverlap(
        dice=2.0 * shared / total if total else None,
        soft_dice=2.0 * soft_shared / soft_total if soft_total else 1.0,
    )


def _slab_sums(logits: torch.Tensor, reference: np.ndarray, ignore_label: int | None) -> torch.Tensor:
    """Voxels shared, predicted and of tumour, then those shared and predicted by probability."""
    labels = torch.from_numpy(np.ascontiguousarray(reference)).to(logits.device)
    tumour = labels > 0
    probability = 1.0 - torch.softmax(logits.float(), dim=0)[0]
    predicted = logits[1:].amax(dim=0) > logits[0]
    if ignore_label is not None:
        annotated = labels != ignore_label
        tumour, predicted, probability = tumour & annotated, predicted & annotated, probability * annotated
    sums = ((predicted & tumour).sum(), predicted.sum(), tumour.sum(), (probability * tumour).sum(), probability.sum())
    return torch.stack([part.double() for part in sums])


def mean_dice(overlaps: Sequence[CaseOverlap]) -> float:
    """Mean Dice over the cases that have one; NaN where none has."""
    known = [overlap.dice for overlap in overlaps if overlap.dice is not None]
    return float(np.mean(known)) if known else float("nan")


def mean_soft_dice(overlaps: Sequence[CaseOverlap]) -> float:
    """Mean Dice of the probabilities; NaN without cases."""
    return float(np.mean([overlap.soft_dice for overlap in overlaps])) if overlaps else float("nan")
