"""nnU-Net's trainer with the fast recipe: what learnt better and sooner than the paper's (``docs/recipe.md``)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from torch import nn
from torch.nn.functional import cross_entropy

from nnunet_amt.models.plans import FAST
from nnunet_amt.paper import LEARNING_RATE
from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT
from nnunet_amt.trainers.recipe import TumourDiceLoss, training_transforms


class nnUNetTrainerAMTFast(nnUNetTrainerAMT):
    """Train the fast recipe: nnU-Net's plain U-Net, lighter than the paper's, at a rate that falls to nothing.

    Crops, rotation and scaling, the Dice over the batch and the choice of the epoch are the paper's. Its plans window
    the intensities, and say where in a chest the network is asked.
    """

    recipe = FAST
    initial_rate = FAST.learning_rate
    learning_rate_exponent = 0.9  # nnU-Net's own

    def _build_loss(self) -> nn.Module:
        return DiceAndCrossEntropyLoss(self.label_manager.ignore_label, self.is_ddp)

    @staticmethod
    def sample_transforms(patch_size: Sequence[int]) -> BasicTransform:
        """Turn and scale as the paper does, then vary the intensities as scanners do."""
        return ComposeTransforms([training_transforms(patch_size), *intensity_transforms()])


class DiceAndCrossEntropyLoss(TumourDiceLoss):
    """The paper's Dice loss and the mean cross-entropy over all voxels, one to one as nnU-Net adds them.

    The Dice alone says nothing of a batch in which little is tumour; the cross-entropy says it of every voxel.
    """

    def forward(self, logits: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Compare logits (batch, head, z, y, x) with label maps (batch, 1, z, y, x)."""
        ignored = -100 if self.ignore_label is None else self.ignore_label
        entropy = cross_entropy(logits, reference[:, 0].long(), ignore_index=ignored)
        return super().forward(logits, reference) + entropy


def intensity_transforms() -> list[BasicTransform]:
    """Give those of nnU-Net's changes of intensity that cost little, for images from 0 to 1."""
    once = {"synchronize_channels": False, "p_per_channel": 1}
    chosen = (
        (GaussianNoiseTransform(noise_variance=(0, 0.01), synchronize_channels=True, p_per_channel=1), 0.1),
        (MultiplicativeBrightnessTransform(multiplier_range=BGContrast((0.75, 1.25)), **once), 0.15),
        (ContrastTransform(contrast_range=BGContrast((0.75, 1.25)), preserve_range=True, **once), 0.15),
        (GammaTransform(gamma=BGContrast((0.7, 1.5)), p_invert_image=0, p_retain_stats=1, **once), 0.3),
    )
    return [RandomTransform(transform, apply_probability=share) for transform, share in chosen]


class nnUNetTrainerAMTFast_1epoch(nnUNetTrainerAMTFast):
    """One epoch of five iterations, to see whether it runs at all.

    At the recipe's rate the statistics of batches, a mean over some ten steps, would not be those of the weights yet.
    """

    initial_rate = LEARNING_RATE
    epochs = 1
    iterations_per_epoch = 5


class nnUNetTrainerAMTFast_5epochs(nnUNetTrainerAMTFast):
    """Five epochs, to try it out."""

    epochs = 5


class nnUNetTrainerAMTFast_100epochs(nnUNetTrainerAMTFast):
    """The recipe for 100 epochs."""

    epochs = 100


class nnUNetTrainerAMTFast_250epochs(nnUNetTrainerAMTFast):
    """The recipe for 250 epochs."""

    epochs = 250
