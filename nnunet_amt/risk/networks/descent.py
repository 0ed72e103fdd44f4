"""Stochastic gradient descent as every training here takes it: its seeds, learning rate, steps and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nnunet_amt.base.files import atomic_path
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks.settings import Schedule

CHECKPOINT_EPOCHS = 5  # between two checkpoints: what a crash costs at most
FIRST_WEIGHTS = 0  # for the seed; epochs count from 1 on
SCORED_AT_ONCE = 64


def seed_by(*entropy: int) -> None:
    """Let what is drawn next follow from these numbers alone, not from what was drawn before."""
    torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))


def learning_rate(schedule: Schedule, epoch: int) -> float:
    """Learning rate of an epoch, from 1 on: half a cosine from the first rate down to nearly zero in the last."""
    return schedule.learning_rate * (1 + math.cos(math.pi * (epoch - 1) / schedule.epochs)) / 2


def build_optimiser(network: nn.Module, schedule: Schedule) -> torch.optim.SGD:
    """Give the descent of a network's weights."""
    return torch.optim.SGD(
        network.parameters(),
        lr=schedule.learning_rate,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
    )


def one_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    count: int,
    *,
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    epoch: int,
    schedule: Schedule,
) -> float:
    """Go through all images once, in steps of nearly equal size: no step has one image left.

    Parameters
    ----------
    count
        How many images there are.
    loss_of
        Mean loss of some of them, by their places (images,), int64 on the CPU.

    Returns
    -------
    float
        Mean loss of an image.
    """
    network.train()
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(schedule, epoch)
    total = 0.0
    for chosen in torch.tensor_split(torch.randperm(count), math.ceil(count / schedule.batch_size)):
        loss = loss_of(chosen)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += loss.item() * len(chosen)
    return total / count


def memory_is_full(name: str, schedule: Schedule, device: str) -> str:
    """Say of a network by its name that a device's memory does not hold a step of its training."""
    return (
        f"{name}: the memory of {device} is full with {schedule.batch_size} images of {schedule.pixels} "
        "px; give a smaller batch size, another device, or free some of its memory"
    )


def write_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, **known: Any) -> None:
    """Write network, optimiser, and what is known of the epochs: tensors and plain values."""
    content = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), **known}
    with atomic_path(path) as partial:
        torch.save(content, partial)


def resume(
    path: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    *,
    fits: Callable[[dict[str, Any]], bool],
    device: str,
) -> dict[str, Any] | None:
    """Take network and optimiser of a checkpoint, and give its content; None if there is none, or it does not fit.

    Raises BadInputError if the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        if not fits(content):
            return None
        network.load_state_dict(content["network"])
        optimiser.load_state_dict(content["optimiser"])
        return content
    except Exception as error:  # torch and pickle raise of every kind
        raise BadInputError(f"{path}: is damaged; remove it, and this training begins anew") from error
