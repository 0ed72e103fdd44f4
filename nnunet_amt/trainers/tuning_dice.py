"""Dice on whole tuning volumes, by which the model is selected ("Training settings")."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetBaseDataset

__all__ = [
    "TUNING_TIME_FRACTION",
    "CaseOverlap",
    "case_overlap",
    "mean_dice",
    "tuning_interval",
    "tuning_overlaps",
]

# Share of the training time that the selection may take.
TUNING_TIME_FRACTION = 0.1


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


def case_overlap(logits: torch.Tensor, reference: np.ndarray, ignore_label: int | None = None) -> CaseOverlap:
    """Compare a prediction with its reference.

    Parameters
    ----------
    logits
        (head, z, y, x), background first.
    reference
        (z, y, x); tumour is everything above 0, nnU-Net's -1 outside the image counts as background.
    ignore_label
        Voxels of this label are left out.
    """
    tumour = torch.from_numpy(np.ascontiguousarray(reference > 0)).to(logits.device)
    predicted = logits.argmax(dim=0) > 0
    probability = 1.0 - torch.softmax(logits.float(), dim=0)[0]
    if ignore_label is not None:
        annotated = torch.from_numpy(np.ascontiguousarray(reference != ignore_label)).to(logits.device)
        tumour, predicted, probability = tumour & annotated, predicted & annotated, probability * annotated
    shared = int((predicted & tumour).sum())
    total = int(predicted.sum()) + int(tumour.sum())
    soft_shared = float((probability * tumour).sum())
    soft_total = float(probability.sum()) + float(tumour.sum())
    return CaseOverlap(
        dice=2.0 * shared / total if total else None,
        soft_dice=2.0 * soft_shared / soft_total if soft_total else 1.0,
    )


def tuning_overlaps(
    predictor: nnUNetPredictor, dataset: nnUNetBaseDataset, cases: list[str], ignore_label: int | None = None
) -> list[CaseOverlap]:
    """Predict preprocessed volumes by sliding window and compare them with their references; nothing is written."""
    overlaps = []
    for case in cases:
        data, reference, _, _ = dataset.load_case(case)
        logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(data[:]))
        overlaps.append(case_overlap(logits, reference[:][0], ignore_label))
    compute_gaussian.cache_clear()
    return overlaps


def mean_dice(overlaps: list[CaseOverlap]) -> float:
    """Mean Dice over the cases that have one; NaN where none has."""
    known = [overlap.dice for overlap in overlaps if overlap.dice is not None]
    return float(np.mean(known)) if known else float("nan")


def tuning_interval(seconds_tuning: float, seconds_epoch: float, fraction: float = TUNING_TIME_FRACTION) -> int:
    """Epochs between two evaluations of the tuning set, so that they take at most `fraction` of the training time.

    Parameters
    ----------
    seconds_tuning
        Time of one evaluation of the tuning set.
    seconds_epoch
        Time of one training epoch without it.
    """
    return max(1, ceil(seconds_tuning / (fraction * max(seconds_epoch, 1e-6))))
