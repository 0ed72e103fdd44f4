"""One training of one lesion network: until the tuning cases gain no more, resumable, the best epoch kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nnunet_amt.errors import WorkFailedError
from nnunet_amt.risk.fusion.fusion_settings import FusionSettings
from nnunet_amt.risk.fusion.lesion_tensors import LesionTensors
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
from nnunet_amt.risk.networks.images import augmented


@dataclass
class LesionFit:
    """A training, up to an epoch.

    Attributes
    ----------
    losses
        Mean loss of the training images in each epoch, with label smoothing.
    tuning_losses
        Mean cross-entropy of the tuning cases after each epoch, without it: of the probabilities as they are given.
    best
        Weights after the epoch of the smallest tuning loss, on the CPU.
    """

    losses: list[float] = field(default_factory=list)
    tuning_losses: list[float] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """The first of the smallest tuning loss, from 1 on; 0 before the first epoch."""
        return int(np.argmin(self.tuning_losses)) + 1 if self.tuning_losses else 0

    def is_done(self, settings: FusionSettings) -> bool:
        """Whether all epochs are done, or the patience is at its end."""
        epochs = len(self.tuning_losses)
        return epochs >= settings.epochs or epochs - self.best_epoch >= settings.patience

    def add(self, loss: float, tuning_loss: float, network: nn.Module) -> None:
        """Take an epoch, and the weights after it if it is the best."""
        self.losses.append(loss)
        self.tuning_losses.append(tuning_loss)
        if self.best_epoch == len(self.tuning_losses):
            self.best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def fit_lesions(
    training: LesionTensors,
    labels: torch.Tensor,
    *,
    tuning: LesionTensors,
    tuning_labels: torch.Tensor,
    build: Callable[[], nn.Module],
    name: str,
    settings: FusionSettings,
    seed: int,
    checkpoint: Path,
    device: str = "cpu",
    after_epoch: Callable[[int], None] = lambda done: None,
) -> tuple[nn.Module, LesionFit]:
    """Train a network, or go on where a checkpoint stopped; the same seed gives the same network on one machine's CPU.

    Parameters
    ----------
    training
        Both planes of each training case.
    labels : torch.Tensor of int64, (training images,)
        Their classes.
    tuning
        The slices of the largest area of the tuning cases, which are scored after every epoch and never trained on.
    tuning_labels : torch.Tensor of int64, (tuning cases,)
        Their classes.
    build
        Gives a network with weights drawn from torch's random numbers, see `build_lesion_model`.
    name
        Of the model, for messages.
    seed
        Of first weights, batches and augmentation.
    checkpoint
        Written every few epochs; it stays when all are done.
    after_epoch
        Called with the number of epochs that are done.

    Returns
    -------
    torch.nn.Module
        With the weights of the best epoch.
    LesionFit
        What there is to tell of the epochs.

    Raises
    ------
    WorkFailedError
        If the loss grows beyond all numbers, or the device's memory is full.
    BadInputError
        If the checkpoint is damaged.
    """
    with torch.random.fork_rng(devices=[]):  # whoever calls goes on with his own random numbers
        seed_by(seed, FIRST_WEIGHTS)
        network = build().to(device)
        optimiser = build_optimiser(network, settings)
        found = _known(checkpoint, network, optimiser, device)
        training, labels = training.to(device), labels.to(device)
        tuning, tuning_labels = tuning.to(device), tuning_labels.to(device)
        after_epoch(len(found.losses))
        while not found.is_done(settings):
            epoch = len(found.losses) + 1
            seed_by(seed, epoch)
            try:
                loss = _one_epoch(network, optimiser, training, labels, epoch=epoch, settings=settings)
                tuning_loss = functional.cross_entropy(logits_of(network, tuning), tuning_labels).item()
            except torch.OutOfMemoryError as error:
                raise WorkFailedError(memory_is_full(name, settings, device)) from error
            if not (math.isfinite(loss) and math.isfinite(tuning_loss)):
                raise WorkFailedError(
                    f"{name}: its loss grew beyond all numbers in epoch {epoch} of seed {seed}; give a smaller "
                    f"learning rate than {settings.learning_rate:g}"
                )
            found.add(loss, tuning_loss, network)
            if epoch % CHECKPOINT_EPOCHS == 0 or found.is_done(settings):
                write_checkpoint(checkpoint, network, optimiser, **vars(found))
            after_epoch(epoch)
    network.load_state_dict(found.best)
    return network, found


def probabilities_of(
    network: nn.Module, lesions: LesionTensors, *, after_part: Callable[[int], None] = lambda done: None
) -> np.ndarray:
    """Give the probabilities of the classes, float64, (lesions, classes); each row sums to 1.

    `after_part` is called with the number of lesions that are scored.
    """
    logits = logits_of(network, lesions, after_part=after_part).double()
    result: np.ndarray = torch.softmax(logits, dim=1).cpu().numpy()
    return result


def logits_of(
    network: nn.Module, lesions: LesionTensors, *, after_part: Callable[[int], None] = lambda done: None
) -> torch.Tensor:
    """Give the logits of the classes, (lesions, classes), on the network's device, as nothing is learned."""
    network.eval()
    device = next(network.parameters()).device
    parts = []
    with torch.inference_mode():
        for places in torch.arange(len(lesions)).split(SCORED_AT_ONCE):
            part = lesions.at(places).to(device)
            parts.append(network(part.images, part.ctc, part.clinical))
            after_part(int(places[-1]) + 1)
        return torch.cat(parts)


def _one_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    training: LesionTensors,
    labels: torch.Tensor,
    *,
    epoch: int,
    settings: FusionSettings,
) -> float:
    def loss_of(chosen: torch.Tensor) -> torch.Tensor:
        part = training.at(chosen)
        images = augmented(part.images, settings, outside=part.outside())
        logits = network(images, part.ctc, part.clinical)
        of_part = labels[chosen.to(labels.device)]
        return functional.cross_entropy(logits, of_part, label_smoothing=settings.label_smoothing)

    return one_epoch(network, optimiser, len(training), loss_of=loss_of, epoch=epoch, schedule=settings)


def _known(checkpoint: Path, network: nn.Module, optimiser: torch.optim.Optimizer, device: str) -> LesionFit:
    """Go on with a checkpoint, if there is one; give what it knows of its epochs."""
    content = resume(
        checkpoint,
        network,
        optimiser,
        fits=lambda found: len(found["losses"]) == len(found["tuning_losses"]) > 0 and bool(found["best"]),
        device=device,
    )
    if content is None:
        return LesionFit()
    best = {name: value.cpu() for name, value in content["best"].items()}
    return LesionFit(list(content["losses"]), list(content["tuning_losses"]), best)
