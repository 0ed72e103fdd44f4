"""Shorter and longer trainings, named after nnU-Net's habit, and the one of the demo."""

from __future__ import annotations

import torch

from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT

DEMO_EPOCHS = 15
_CUDA = torch.device("cuda")


class nnUNetTrainerAMT_1epoch(nnUNetTrainerAMT):
    """One epoch of five iterations, to see whether it runs at all."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 1
        self.num_iterations_per_epoch = 5


class nnUNetTrainerAMT_demo(nnUNetTrainerAMT):
    """A few minutes on two CPU cores, for the phantom cohort of ``nnunet_amt demo``."""

    fixed_tuning_interval = 2

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = DEMO_EPOCHS
        self.num_iterations_per_epoch = 50


class nnUNetTrainerAMT_5epochs(nnUNetTrainerAMT):
    """The recipe for 5 epochs."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 5


class nnUNetTrainerAMT_20epochs(nnUNetTrainerAMT):
    """The recipe for 20 epochs."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 20


class nnUNetTrainerAMT_100epochs(nnUNetTrainerAMT):
    """The recipe for 100 epochs."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 100


class nnUNetTrainerAMT_250epochs(nnUNetTrainerAMT):
    """The recipe for 250 epochs."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 250


class nnUNetTrainerAMT_500epochs(nnUNetTrainerAMT):
    """The recipe for 500 epochs."""

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = _CUDA
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 500
