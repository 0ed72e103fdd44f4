"""Dice on whole tuning volumes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nnunet_amt.trainers.tuning import CaseOverlap, case_overlap, mean_dice, mean_soft_dice


def logits_of(mask: np.ndarray, certainty: float = 20.0) -> torch.Tensor:
    tumour = torch.from_numpy(np.where(mask > 0, certainty, -certainty))
    return torch.stack((torch.zeros_like(tumour), tumour)).float()


def test_dice_by_hand() -> None:
    """Prediction of 4 voxels, reference of 4, 2 shared: 2 * 2 / 8. Voxels of -1 lie outside and are background."""
    reference, prediction = np.zeros((2, 1, 2, 8), np.int16)
    reference[0, 0, :4], prediction[0, 0, 2:6] = 1, 1
    reference[0, 1, :] = -1
    overlap = case_overlap(logits_of(prediction), reference)
    assert overlap.dice == 0.5
    assert overlap.soft_dice == pytest.approx(0.5, abs=1e-4)


def test_soft_dice_of_an_undecided_network_by_hand() -> None:
    """Probability 1/2 everywhere, 2 of 8 voxels tumour: 2 * (2 * 1/2) / (8 * 1/2 + 2) = 1/3. No voxel is predicted."""
    reference = np.zeros((1, 1, 8), np.int16)
    reference[0, 0, :2] = 1
    overlap = case_overlap(torch.zeros(2, 1, 1, 8), reference)
    assert overlap.soft_dice == pytest.approx(1 / 3)
    assert overlap.dice == 0.0


def test_empty_reference_and_prediction_have_no_dice_and_do_not_count() -> None:
    empty = np.zeros((1, 2, 2), np.int16)
    assert case_overlap(logits_of(empty), empty).dice is None
    assert mean_dice([CaseOverlap(None, 1.0), CaseOverlap(0.5, 0.5), CaseOverlap(1.0, 1.0)]) == 0.75
    assert math.isnan(mean_dice([CaseOverlap(None, 1.0)]))
    assert mean_soft_dice([CaseOverlap(None, 1.0), CaseOverlap(0.5, 0.5)]) == 0.75
    assert math.isnan(mean_soft_dice([]))


def test_voxels_that_nobody_annotated_are_left_out() -> None:
    """Of 4 predicted voxels 2 are tumour and 2 ignored: Dice 2 * 2 / (2 + 2)."""
    reference, prediction = np.zeros((2, 1, 1, 8), np.int16)
    reference[0, 0, :2], reference[0, 0, 2:4], prediction[0, 0, :4] = 1, 2, 1
    overlap = case_overlap(logits_of(prediction), reference, ignore_label=2)
    assert overlap.dice == 1.0
    assert overlap.soft_dice == pytest.approx(1.0, abs=1e-4)


def test_slabs_add_up_to_the_whole() -> None:
    """Five planes of four voxels, two planes at a time (the last slab has one): 6 shared, 8 predicted, 10 of tumour."""
    reference, prediction = np.zeros((2, 5, 2, 2), np.int16)
    reference.flat[:10], prediction.flat[4:12] = 1, 1
    overlap = case_overlap(logits_of(prediction), reference, slab_voxels=8)
    assert overlap.dice == pytest.approx(2 * 6 / 18)
    assert overlap.soft_dice == pytest.approx(2 * 6 / 18, abs=1e-4)
