"""The Dice loss, and voxels that nobody annotated."""

from __future__ import annotations

import pytest
import torch

from nnunet_amt.trainers.recipe import TumourDiceLoss


def logits(probabilities: list[float]) -> torch.Tensor:
    """Logits (1, 2, 1, 1, n) whose softmax gives these probabilities of tumour."""
    tumour = torch.logit(torch.tensor(probabilities, dtype=torch.float64))
    return torch.stack((torch.zeros_like(tumour), tumour))[None, :, None, None, :].requires_grad_()


def test_dice_by_hand() -> None:
    """2 (0.8 + 0.2) / ((0.8 + 0.2 + 0.5) + 2) with tumour in the first two of three voxels."""
    reference = torch.tensor([1.0, 1.0, 0.0]).reshape(1, 1, 1, 1, 3)
    assert TumourDiceLoss()(logits([0.8, 0.2, 0.5]), reference).item() == pytest.approx(-2 / 3.5, abs=1e-4)


def test_ignored_voxels_neither_count_nor_teach() -> None:
    """With the second voxel ignored: 2 * 0.8 / ((0.8 + 0.5) + 1), and no gradient reaches it."""
    reference = torch.tensor([1.0, 2.0, 0.0]).reshape(1, 1, 1, 1, 3)
    given = logits([0.8, 0.2, 0.5])
    loss = TumourDiceLoss(ignore_label=2)(given, reference)
    (gradient,) = torch.autograd.grad(loss, given)
    assert loss.item() == pytest.approx(-1.6 / 2.3, abs=1e-4)
    assert torch.all(gradient[..., 1] == 0)
    assert torch.any(gradient[..., 0] != 0)


def test_gradient_by_hand_and_by_differences() -> None:
    """Dice 2 sum(p y) / (sum(p) + sum(y)) has slope 2 (y d - n) / d^2 along p, p (1 - p) times that along the logit."""
    reference = torch.tensor([1.0, 1.0, 0.0]).reshape(1, 1, 1, 1, 3)
    given = logits([0.8, 0.2, 0.5])
    (gradient,) = torch.autograd.grad(TumourDiceLoss()(given, reference), given)
    shared, total = 1.0, 3.5
    slopes = [-2 * (y * total - shared) / total**2 * p * (1 - p) for p, y in ((0.8, 1), (0.2, 1), (0.5, 0))]
    assert gradient[0, 1].flatten().tolist() == pytest.approx(slopes, abs=1e-5)
    assert torch.autograd.gradcheck(lambda values: TumourDiceLoss()(values, reference), (given,))


def test_batch_without_tumour_still_teaches() -> None:
    """-1e-5 / (sum(p) + 1e-5): small, but it pushes the probabilities down."""
    given = logits([0.5, 0.5])
    loss = TumourDiceLoss()(given, torch.zeros(1, 1, 1, 1, 2))
    (gradient,) = torch.autograd.grad(loss, given)
    assert loss.item() == pytest.approx(-1e-5 / (1 + 1e-5))
    assert torch.all(gradient[0, 1] > 0)
