"""AMT's recipe and default nnU-Net, as the benchmarks of training and prediction name them."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_amt.models.plans import CONFIGURATION, DEFAULT_TRAINER, PLANS_NAME

__all__ = ["AMT", "CONFIGURATION", "NNUNET", "RECIPES", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """A trainer with its plans.

    Attributes
    ----------
    name
        In tables.
    trainer, plans
        nnU-Net's ``-tr`` and ``-p``.
    """

    name: str
    trainer: str
    plans: str


AMT = Recipe("nnunet_amt", DEFAULT_TRAINER, PLANS_NAME)
NNUNET = Recipe("default nnU-Net", "nnUNetTrainer", "nnUNetPlans")
RECIPES = (AMT, NNUNET)
