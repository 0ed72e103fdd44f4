"""The folds of a network's training, and the training on all cases that follows from them; each where it is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from nnunet_amt.base.progress import Progress
from nnunet_amt.risk.networks.descent import learning_rate
from nnunet_amt.risk.networks.development import Development
from nnunet_amt.risk.networks.fit import Fit, fit
from nnunet_amt.risk.networks.pretrained import PretrainedWeights
from nnunet_amt.risk.networks.settings import TrainingSettings, architecture_of
from nnunet_amt.risk.networks.training_folder import (
    ALL_CASES,
    checkpoint_of,
    read_fold,
    training_name,
    write_curves,
    write_fold,
)
from nnunet_amt.risk.selection import Selection, choose_by_folds, held_out_losses


@dataclass(frozen=True)
class Training:
    """What every step of a training looks at."""

    output: Path
    development: Development
    settings: TrainingSettings
    pretrained: PretrainedWeights | None
    device: str
    progress: Progress

    @property
    def title(self) -> str:
        """Name of the network in the paper's tables."""
        return architecture_of(self.settings.network).title

    @property
    def most_epochs(self) -> int:
        """Of all folds and the final training, which may be shorter."""
        return (len(self.settings.rates) * self.settings.folds + 1) * self.settings.epochs


def train_by_folds(training: Training) -> tuple[nn.Module, Selection, dict[str, Any]]:
    """Train every fold, choose learning rate and epochs by what they hold out, and train once more on all cases.

    Returns
    -------
    torch.nn.Module
        The network of all cases.
    Selection
        Of a learning rate and a number of epochs, with the out-of-fold scores.
    dict
        What was chosen, by names that say so.
    """
    development, settings = training.development, training.settings
    logits = np.zeros((len(settings.rates), settings.epochs, len(development.case_ids)))
    curves: list[tuple[object, ...]] = []
    for place, rate in enumerate(settings.rates):
        for fold in range(settings.folds):
            losses, held_out = _trained_fold(training, fold, rate)
            logits[place][:, development.fold == fold] = held_out
            loss_held_out = held_out_losses(held_out, development.high[development.fold == fold]).mean(axis=1)
            curves += _curve(fold, settings, rate, losses, loss_held_out.tolist())
    selection = choose_by_folds(
        logits.reshape(-1, len(development.case_ids)), high=development.high, fold=development.fold
    )
    of_folds = [divmod(candidate, settings.epochs) for candidate in selection.chosen_of_fold]
    place, epoch = divmod(selection.chosen, settings.epochs)
    final = _trained_on_all(training, settings.rates[place], epoch + 1)
    write_curves(training.output, [*curves, *_curve(ALL_CASES, settings, settings.rates[place], final.losses)])
    chosen = {
        "chosen_epochs": epoch + 1,
        "chosen_learning_rate": settings.rates[place],
        "chosen_epochs_of_folds": [epoch + 1 for _, epoch in of_folds],
        "chosen_learning_rates_of_folds": [settings.rates[place] for place, _ in of_folds],
    }
    return final.network, selection, chosen


def _trained_fold(training: Training, fold: int, rate: float) -> tuple[list[float], np.ndarray]:
    """Give the losses (epochs) of a fold and the logits (epochs, cases) of what it holds out, trained if need be."""
    development, settings = training.development, training.settings
    held_out = development.fold == fold
    cases = [case_id for case_id, out in zip(development.case_ids, held_out, strict=True) if out]
    before = (settings.rates.index(rate) * settings.folds + fold) * settings.epochs
    of_rate = f", learning rate {rate:g}" if settings.grid else ""

    def report(done: int) -> None:
        what = f"training {training.title}: fold {fold + 1} of {settings.folds}{of_rate}"
        training.progress(before + done, training.most_epochs, what)

    name = training_name(fold, rate=rate, settings=settings)
    done = read_fold(training.output, name, cases=cases, epochs=settings.epochs)
    if done is not None:
        report(settings.epochs)
        return done
    fitted = _fitted(training, ~held_out, name=name, run=fold, rate=rate, until=settings.epochs, report=report)
    write_fold(training.output, name, cases=cases, losses=fitted.losses, logits=fitted.held_out)
    return fitted.losses, fitted.held_out


def _trained_on_all(training: Training, rate: float, epochs: int) -> Fit:
    every = np.ones(len(training.development.case_ids), dtype=bool)
    before = training.most_epochs - training.settings.epochs

    def report(done: int) -> None:
        training.progress(before + done, before + epochs, f"training {training.title}: all cases, {epochs} epochs")

    settings = training.settings
    name = training_name(ALL_CASES, rate=rate, settings=settings)
    return _fitted(training, every, name=name, run=settings.folds, rate=rate, until=epochs, report=report)


def _fitted(
    training: Training,
    trained: np.ndarray,
    *,
    name: str,
    run: int,
    rate: float,
    until: int,
    report: Callable[[int], None],
) -> Fit:
    """Train on some of the cases, scoring the others after every epoch."""
    images, high = training.development.training_images(trained)
    return fit(
        images,
        high,
        settings=replace(training.settings, learning_rate=rate, grid=()),
        until=until,
        run=run,
        held_out=training.development.largest[np.flatnonzero(~trained)],
        checkpoint=checkpoint_of(training.output, name),
        weights=training.pretrained.path if training.pretrained else None,
        device=training.device,
        after_epoch=report,
    )


def _curve(
    fold: int | str,
    settings: TrainingSettings,
    rate: float,
    losses: Sequence[float],
    held_out: Sequence[float] | None = None,
) -> list[tuple[object, ...]]:
    """Give the rows of a training in the table of losses."""
    of_rate = replace(settings, learning_rate=rate, grid=())
    return [
        (fold, rate, epoch, learning_rate(of_rate, epoch), loss, held_out[epoch - 1] if held_out else None)
        for epoch, loss in enumerate(losses, start=1)
    ]
