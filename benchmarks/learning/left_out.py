"""The fast recipe with one ingredient of it as the paper's has it: what each of them does."""

from __future__ import annotations

from collections.abc import Sequence

from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from torch import nn

from nnunet_amt.models.plans import PAPER
from nnunet_amt.paper import LEARNING_RATE
from nnunet_amt.trainers.nnUNetTrainerAMTFast import nnUNetTrainerAMTFast
from nnunet_amt.trainers.recipe import TumourDiceLoss, training_transforms


class FastWithoutCrossEntropy(nnUNetTrainerAMTFast):
    """The Dice loss alone."""

    def _build_loss(self) -> nn.Module:
        return TumourDiceLoss(self.label_manager.ignore_label, self.is_ddp)


class FastAtThePapersRate(nnUNetTrainerAMTFast):
    """A tenth of the learning rate, and it does not fall."""

    initial_rate = LEARNING_RATE
    learning_rate_exponent = 0.0


class FastWithoutIntensities(nnUNetTrainerAMTFast):
    """Turned and scaled, but as bright as they are."""

    @staticmethod
    def sample_transforms(patch_size: Sequence[int]) -> BasicTransform:
        """Turn and scale only."""
        return training_transforms(patch_size)


class FastWithThePapersNetwork(nnUNetTrainerAMTFast):
    """The network of the paper's plans, for which it takes these."""

    recipe = PAPER
