"""Re-exports of the trainers, for nnU-Net to find by name."""

from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT
from nnunet_amt.trainers.nnUNetTrainerAMT_variants import (
    nnUNetTrainerAMT_1epoch,
    nnUNetTrainerAMT_5epochs,
    nnUNetTrainerAMT_20epochs,
    nnUNetTrainerAMT_100epochs,
    nnUNetTrainerAMT_250epochs,
    nnUNetTrainerAMT_500epochs,
    nnUNetTrainerAMT_demo,
)
from nnunet_amt.trainers.nnUNetTrainerAMTFast import (
    nnUNetTrainerAMTFast,
    nnUNetTrainerAMTFast_1epoch,
    nnUNetTrainerAMTFast_5epochs,
    nnUNetTrainerAMTFast_100epochs,
    nnUNetTrainerAMTFast_250epochs,
)

__all__ = [
    "nnUNetTrainerAMT",
    "nnUNetTrainerAMTFast",
    "nnUNetTrainerAMTFast_1epoch",
    "nnUNetTrainerAMTFast_5epochs",
    "nnUNetTrainerAMTFast_100epochs",
    "nnUNetTrainerAMTFast_250epochs",
    "nnUNetTrainerAMT_1epoch",
    "nnUNetTrainerAMT_5epochs",
    "nnUNetTrainerAMT_20epochs",
    "nnUNetTrainerAMT_100epochs",
    "nnUNetTrainerAMT_250epochs",
    "nnUNetTrainerAMT_500epochs",
    "nnUNetTrainerAMT_demo",
]
