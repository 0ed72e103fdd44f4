"""One training of one network: epochs, batches, and a checkpoint from which it goes on as if it had not stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nnunet_amt.base.files import atomic_path
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.risk.networks.architectures import HIGH, LOW, build_network
from nnunet_amt.risk.networks.images import augmented, three_channels
from nnunet_amt.risk.networks.pretrained import load_weights
from nnunet_amt.risk.networks.settings import Normalisation, TrainingSettings

CHECKPOINT_EPOCHS = 5  # between two checkpoints: what a crash costs at most
_FIRST_WEIGHTS = 0  # for the seed; epochs count from 1 on
_SCORED_AT_ONCE = 64


@dataclass(frozen=True)
class Fit:
    """A training that is done, up to an epoch.

    Attributes
    ----------
    network
        As it is after the last epoch.
    losses
        Mean loss of the training images of each epoch.
    held_out : numpy.ndarray of float, (epochs, held-out images)
        Logits of high risk after each epoch.
    """

    network: nn.Module
    losses: list[float]
    held_out: np.ndarray


def fit(
    images: torch.Tensor,
    high: torch.Tensor,
    *,
    settings: TrainingSettings,
    until: int,
    run: int,
    held_out: torch.Tensor,
    checkpoint: Path,
    weights: Path | None,
    device: str = "cpu",
    after_epoch: Callable[[int], None] = lambda done: None,
) -> Fit:
    """Train a network, or go on where a checkpoint stopped; the same seed gives the same network on one machine's CPU.

    Parameters
    ----------
    images : torch.Tensor of float, (images, y, x)
        See `grey_image`.
    high : torch.Tensor of int64, (images,)
        0 or 1.
    settings
        Of the whole schedule, from which the learning rate follows.
    until
        How many of its epochs are trained.
    run
        Number of this training among those of one seed: each fold draws batches of its own.
    held_out : torch.Tensor of float, (images, y, x)
        Scored after every epoch, never trained on; may be empty.
    checkpoint
        Written every few epochs; it stays when all are done.
    weights
        ImageNet's, None for a training from scratch.
    device
        ``cpu``, ``cuda``, ...
    after_epoch
        Called with the number of epochs that are done.

    Raises
    ------
    WorkFailedError
        If the loss grows beyond all numbers, or the device's memory is full.
    """
    with torch.random.fork_rng(devices=[]):  # whoever calls goes on with his own random numbers
        _seed(settings.seed, run, _FIRST_WEIGHTS)
        network = build_network(settings.network, normalisation=settings.normalisation)
        if weights:
            load_weights(network, settings.network, weights)
        network = network.to(device)
        optimiser = torch.optim.SGD(
            network.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        losses, scored = _resume(checkpoint, network, optimiser, until=until, device=device)
        images, high, held_out = images.to(device), high.to(device), held_out.to(device)
        after_epoch(len(losses))
        for epoch in range(len(losses) + 1, until + 1):
            _seed(settings.seed, run, epoch)
            try:
                losses.append(_one_epoch(network, optimiser, images, high, epoch=epoch, settings=settings))
                scored.append(logits_of_high(network, held_out, normalisation=settings.normalisation))
            except torch.OutOfMemoryError as error:
                raise WorkFailedError(_memory_is_full(settings, device)) from error
            if not (math.isfinite(losses[-1]) and np.isfinite(scored[-1]).all()):
                raise WorkFailedError(_no_numbers(settings, epoch, checkpoint.stem))
            if epoch % CHECKPOINT_EPOCHS == 0 or epoch == until:
                _write_checkpoint(checkpoint, network, optimiser, losses, scored)
            after_epoch(epoch)
    return Fit(network, losses, np.array(scored).reshape(len(losses), len(held_out)))


def logits_of_high(network: nn.Module, images: torch.Tensor, *, normalisation: Normalisation) -> np.ndarray:
    """Give the logit of high risk of each of the images (n, y, x): what high has more than low."""
    network.eval()
    with torch.inference_mode():
        parts = [network(three_channels(part, normalisation)) for part in images.split(_SCORED_AT_ONCE) if len(part)]
    logits = [(part[:, HIGH] - part[:, LOW]).cpu().double().numpy() for part in parts]
    return np.concatenate(logits) if logits else np.zeros(0)


def learning_rate(settings: TrainingSettings, epoch: int) -> float:
    """Learning rate of an epoch, from 1 on: half a cosine from the first rate down to nearly zero in the last."""
    return settings.learning_rate * (1 + math.cos(math.pi * (epoch - 1) / settings.epochs)) / 2


def _one_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: torch.Tensor,
    high: torch.Tensor,
    *,
    epoch: int,
    settings: TrainingSettings,
) -> float:
    """Go through all images once, in as many steps as the paper, of nearly equal size: no step has one image left."""
    network.train()
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(settings, epoch)
    total = 0.0
    order = torch.randperm(len(images))
    for batch in torch.tensor_split(order, math.ceil(len(images) / settings.batch_size)):
        chosen = batch.to(images.device)
        seen = three_channels(augmented(images[chosen], settings), settings.normalisation)
        loss = functional.cross_entropy(network(seen), high[chosen])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += loss.item() * len(chosen)
    return total / len(images)


def _memory_is_full(settings: TrainingSettings, device: str) -> str:
    return (
        f"{settings.network}: the memory of {device} is full with {settings.batch_size} images of {settings.pixels} "
        "px; give a smaller batch size, another device, or free some of its memory"
    )


def _no_numbers(settings: TrainingSettings, epoch: int, name: str) -> str:
    return (
        f"{settings.network}: its loss grew beyond all numbers in epoch {epoch} of {name}; give a smaller learning "
        f"rate than {settings.learning_rate:g} (in a grid: leave it out), or begin with ImageNet weights"
    )


def _seed(*entropy: int) -> None:
    """Let what is drawn next follow from these numbers alone, not from what was drawn before."""
    torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))


def _write_checkpoint(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, losses: list[float], scored: list[np.ndarray]
) -> None:
    content = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "losses": losses,
        "held_out": torch.from_numpy(np.array(scored)),
    }
    with atomic_path(path) as partial:
        torch.save(content, partial)


def _resume(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, *, until: int, device: str
) -> tuple[list[float], list[np.ndarray]]:
    """Take network and optimiser of a checkpoint, if there is one; give what it knows of its epochs."""
    if not path.is_file():
        return [], []
    try:
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        losses, scored = list(content["losses"]), list(content["held_out"].cpu().numpy())
        if len(losses) <= until:  # else the folds have been trained again and chose fewer epochs
            network.load_state_dict(content["network"])
            optimiser.load_state_dict(content["optimiser"])
            return losses, scored
    except Exception as error:  # torch and pickle raise of every kind
        raise BadInputError(f"{path}: is damaged; remove it, and this training begins anew") from error
    return [], []
