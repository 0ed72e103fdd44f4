"""Re-exports of the study's trainers, for nnU-Net to find by name."""

from benchmarks.learning.trainers import nnUNetTrainerAMTBudget, nnUNetTrainerBudget

__all__ = ["nnUNetTrainerAMTBudget", "nnUNetTrainerBudget"]
