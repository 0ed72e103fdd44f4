"""One training of one network: epochs, batches, and a checkpoint from which it goes on as if it had not stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nnunet_amt.errors import WorkFailedError
from nnunet_amt.risk.networks.architectures import HIGH, LOW, build_network
from nnunet_amt.risk.networks.descent import (
    CHECKPOINT_EPOCHS,
    FIRST_WEIGHTS,
    SCORED_AT_ONCE,
    build_optimiser,
    memory_is_full,
    one_epoch,
    resume,
    seed_by,
    write_checkpoint,
)
from nnunet_amt.risk.networks.images import augmented, three_channels
from nnunet_amt.risk.networks.pretrained import load_weights
from nnunet_amt.risk.networks.settings import Normalisation, TrainingSettings


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
        seed_by(settings.seed, run, FIRST_WEIGHTS)
        network = build_network(settings.network, normalisation=settings.normalisation)
        if weights:
            load_weights(network, settings.network, weights)
        network = network.to(device)
        optimiser = build_optimiser(network, settings)
        losses, scored = _known(checkpoint, network, optimiser, until=until, device=device)
        images, high, held_out = images.to(device), high.to(device), held_out.to(device)
        after_epoch(len(losses))
        for epoch in range(len(losses) + 1, until + 1):
            seed_by(settings.seed, run, epoch)
            try:
                losses.append(_one_epoch(network, optimiser, images, high, epoch=epoch, settings=settings))
                scored.append(logits_of_high(network, held_out, normalisation=settings.normalisation))
            except torch.OutOfMemoryError as error:
                raise WorkFailedError(memory_is_full(settings.network, settings, device)) from error
            if not (math.isfinite(losses[-1]) and np.isfinite(scored[-1]).all()):
                raise WorkFailedError(_no_numbers(settings, epoch, checkpoint.stem))
            if epoch % CHECKPOINT_EPOCHS == 0 or epoch == until:
                held = torch.from_numpy(np.array(scored))
                write_checkpoint(checkpoint, network, optimiser, losses=losses, held_out=held)
            after_epoch(epoch)
    return Fit(network, losses, np.array(scored).reshape(len(losses), len(held_out)))


def logits_of_high(network: nn.Module, images: torch.Tensor, *, normalisation: Normalisation) -> np.ndarray:
    """Give the logit of high risk of each of the images (n, y, x): what high has more than low."""
    network.eval()
    with torch.inference_mode():
        parts = [network(three_channels(part, normalisation)) for part in images.split(SCORED_AT_ONCE) if len(part)]
    logits = [(part[:, HIGH] - part[:, LOW]).cpu().double().numpy() for part in parts]
    return np.concatenate(logits) if logits else np.zeros(0)


def _one_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: torch.Tensor,
    high: torch.Tensor,
    *,
    epoch: int,
    settings: TrainingSettings,
) -> float:
    def loss_of(chosen: torch.Tensor) -> torch.Tensor:
        places = chosen.to(images.device)
        seen = three_channels(augmented(images[places], settings), settings.normalisation)
        return functional.cross_entropy(network(seen), high[places])

    return one_epoch(network, optimiser, len(images), loss_of=loss_of, epoch=epoch, schedule=settings)


def _no_numbers(settings: TrainingSettings, epoch: int, name: str) -> str:
    return (
        f"{settings.network}: its loss grew beyond all numbers in epoch {epoch} of {name}; give a smaller learning "
        f"rate than {settings.learning_rate:g} (in a grid: leave it out), or begin with ImageNet weights"
    )


def _known(
    checkpoint: Path, network: nn.Module, optimiser: torch.optim.Optimizer, *, until: int, device: str
) -> tuple[list[float], list[np.ndarray]]:
    """Go on with a checkpoint, if there is one that is not beyond `until`; give losses and held-out logits of it.

    It is beyond where the folds have been trained again and chose fewer epochs.
    """
    content = resume(
        checkpoint,
        network,
        optimiser,
        fits=lambda found: len(found["losses"]) == len(found["held_out"]) and len(found["losses"]) <= until,
        device=device,
    )
    return ([], []) if content is None else (list(content["losses"]), list(content["held_out"].cpu().numpy()))
