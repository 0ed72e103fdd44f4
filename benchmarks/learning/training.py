"""A training of any nnU-Net trainer that ends when its compute time does, at the end of its own schedule."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT
from nnunet_amt.trainers.tuning import mean_dice, tuning_overlaps

__all__ = [
    "EPOCHS",
    "Trained",
    "TuningPoint",
    "compute_clock",
    "evaluation_epochs",
    "nnunets_predictor",
    "set_seed",
    "train_for",
]

# Parts of a training between which the learning rate changes; nnU-Net's 1000 are too many for minutes.
EPOCHS = 40


@dataclass(frozen=True)
class TuningPoint:
    """What the tuning set said, after so many compute seconds; `dice` is the mean over whole volumes."""

    seconds: float
    dice: float


@dataclass(frozen=True, eq=False)
class Trained:
    """A training at its end.

    Attributes
    ----------
    last, best
        Weights of the network at the end, and where the tuning set said most.
    curve
        Every evaluation of the tuning set.
    losses
        Mean loss of the batches of each part of the training; None where it had none.
    iterations, seconds
        Steps, and compute seconds with the evaluations.
    """

    last: dict[str, torch.Tensor]
    best: dict[str, torch.Tensor]
    curve: list[TuningPoint]
    losses: list[float | None]
    iterations: int
    seconds: float


def compute_clock(device: str) -> Callable[[], float]:
    """Seconds of this process on a CPU, which other processes do not lengthen; of the clock on a GPU."""
    return process_time if device == "cpu" else perf_counter


def set_seed(seed: int) -> None:
    """Draw weights and batches from a seed."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def train_for(trainer: nnUNetTrainer, seconds: float, *, evaluations: int, device: str) -> Trained:
    """Train until the compute time is spent.

    The learning rate follows the trainer's own schedule over that time. The tuning set is evaluated so many times, see
    `evaluation_epochs`; that is a part of the time. Without, the last weights are the best.
    """
    clock = compute_clock(device)
    trainer.num_epochs = EPOCHS
    trainer.initialize()
    batches, _ = trainer.get_dataloaders()
    network, scheduler = trainer.network, trainer.lr_scheduler
    if device == "cpu":  # in all arms as in ours, so that the layout in memory is not what is compared
        network.to(memory_format=torch.channels_last_3d)
    due = evaluation_epochs(evaluations)
    curve: list[TuningPoint] = []
    losses: list[float | None] = []
    best: dict[str, torch.Tensor] = {}
    iterations, evaluation_seconds, start = 0, 0.0, clock()
    for epoch in range(EPOCHS):
        scheduler.step(epoch)
        network.train()
        # what the last evaluation will take, as long as the one before it, is kept for it
        end = seconds * (epoch + 1) / EPOCHS - (evaluation_seconds if epoch == EPOCHS - 1 else 0.0)
        of_batches: list[float] = []
        while clock() - start < end:
            of_batches.append(float(trainer.train_step(next(batches))["loss"]))
        iterations += len(of_batches)
        losses.append(sum(of_batches) / len(of_batches) if of_batches else None)
        if epoch in due:
            began = clock()
            dice = _tuning_dice(trainer)
            evaluation_seconds = clock() - began
            if not curve or dice >= max(point.dice for point in curve):
                best = _weights(network)
            curve.append(TuningPoint(clock() - start, dice))
    return Trained(_weights(network), best or _weights(network), curve, losses, iterations, clock() - start)


def evaluation_epochs(evaluations: int) -> set[int]:
    """Give the epochs, from 0, after which the tuning set is evaluated: evenly over the second half, the last too."""
    return {round(EPOCHS * (1 - number / (2 * evaluations))) - 1 for number in range(evaluations)}


def _weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return deepcopy(network.state_dict())


def _tuning_dice(trainer: nnUNetTrainer) -> float:
    """Mean Dice over the whole tuning volumes, without mirroring; a mean of nothing is 0."""
    trainer.network.eval()
    trainer.set_deep_supervision_enabled(False)
    ours = isinstance(trainer, nnUNetTrainerAMT)
    overlaps = trainer.evaluate_tuning_set() if ours else _overlaps_of_nnunet(trainer)
    trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)
    dice = mean_dice(overlaps)
    return 0.0 if np.isnan(dice) else dice


def _overlaps_of_nnunet(trainer: nnUNetTrainer) -> list:
    _, tuning_cases = trainer.get_tr_and_val_datasets()
    return tuning_overlaps(nnunets_predictor(trainer, mirroring=False), tuning_cases, tuning_cases.identifiers)


def nnunets_predictor(trainer: nnUNetTrainer, *, mirroring: bool) -> nnUNetPredictor:
    """Let nnU-Net predict with the network of a trainer as it is now."""
    predictor = nnUNetPredictor(
        use_mirroring=mirroring, device=trainer.device, perform_everything_on_device=trainer.device.type == "cuda",
        allow_tqdm=False,
    )  # fmt: skip
    predictor.manual_initialization(
        trainer.network, trainer.plans_manager, trainer.configuration_manager, [trainer.network.state_dict()],
        trainer.dataset_json, type(trainer).__name__, trainer.inference_allowed_mirroring_axes,
    )  # fmt: skip
    return predictor
