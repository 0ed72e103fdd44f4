"""EfficientNet-Lite0 with its ImageNet weights as they are, and a logistic head: a minute, nothing to download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.risk.logistic import LogisticModel, fit_logistic
from nnunet_amt.risk.networks.architectures import HIGH, LOW, build_network
from nnunet_amt.risk.networks.development import Development
from nnunet_amt.risk.networks.images import three_channels
from nnunet_amt.risk.networks.pretrained import load_weights
from nnunet_amt.risk.networks.settings import EMBEDDED, Normalisation
from nnunet_amt.risk.selection import Selection, choose_by_folds

INVERSE_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # from 1280 features nearly held at zero to nearly free
_AT_ONCE = 16


def fit_embedded(
    development: Development,
    *,
    weights: Path,
    normalisation: Normalisation = "image",
    device: str = "cpu",
    progress: Progress = silent,
) -> tuple[nn.Module, Selection, float]:
    """Fit the head on both slices of each case.

    Parameters
    ----------
    development
        Cases, images and folds.
    weights
        ImageNet's, see `find_weights`.
    normalisation
        See `TrainingSettings`.
    device
        ``cpu``, ``cuda``, ...
    progress
        Called after every few images.

    Returns
    -------
    torch.nn.Module
        The network with its head: it scores, and makes heat maps, like the others.
    Selection
        Of the penalty, with the out-of-fold scores.
    float
        The inverse of the penalty that the folds chose.
    """
    network = build_network(EMBEDDED, normalisation=normalisation)
    load_weights(network, EMBEDDED, weights)
    network = network.to(device).eval()
    images = torch.cat((development.largest, development.adjacent))
    both = features_of(network, images, normalisation=normalisation, device=device, progress=progress)
    selection, model, inverse_penalty = fit_head(both, development.high, fold=development.fold)
    set_head(network, model)
    return network, selection, inverse_penalty


def fit_head(features: np.ndarray, high: np.ndarray, *, fold: np.ndarray) -> tuple[Selection, LogisticModel, float]:
    """Fit regressions on all features but a fold's, for each penalty, choose the penalty, and fit one on all.

    Parameters
    ----------
    features : numpy.ndarray of float, (2 * cases, features)
        Of the largest slices, which are scored, and then of those beside them.
    high, fold : numpy.ndarray, (cases,)
        Class, and the fold that holds out both slices.

    Returns
    -------
    Selection
        Of the penalty, with the out-of-fold scores.
    LogisticModel
        Fitted on all cases with the penalty that was chosen.
    float
        The inverse of that penalty.
    """
    largest, both_high, both_folds = features[: high.size], np.tile(high, 2), np.tile(fold, 2)
    logits = np.zeros((len(INVERSE_PENALTIES), high.size))
    for place, inverse_penalty in enumerate(INVERSE_PENALTIES):
        for number in range(int(fold.max()) + 1):
            kept = both_folds != number
            of_fold = fit_logistic(features[kept], both_high[kept], inverse_penalty=inverse_penalty)
            logits[place, fold == number] = of_fold.logits(largest[fold == number])
    selection = choose_by_folds(logits, high=high, fold=fold)
    inverse_penalty = INVERSE_PENALTIES[selection.chosen]
    return selection, fit_logistic(features, both_high, inverse_penalty=inverse_penalty), inverse_penalty


def features_of(
    network: nn.Module,
    images: torch.Tensor,
    *,
    normalisation: Normalisation,
    device: str = "cpu",
    progress: Progress = silent,
) -> np.ndarray:
    """Give what the head of a network of timm sees, (images, 1280), of grey images (images, y, x)."""
    parts = []
    with torch.inference_mode():
        for part in images.split(_AT_ONCE):
            maps = network.forward_features(three_channels(part.to(device), normalisation))  # type: ignore[operator]
            parts.append(network.forward_head(maps, pre_logits=True).cpu().double().numpy())  # type: ignore[operator]
            progress(sum(map(len, parts)), len(images), "features of EfficientNet-Lite0")
    return np.concatenate(parts)


def set_head(network: nn.Module, model: LogisticModel) -> None:
    """Put a regression on `features_of` into the head: high has as much more as low has less, their sum is zero."""
    slopes = model.coefficients / model.sd
    intercept = model.intercept - float(slopes @ model.mean)
    head = network.get_submodule("classifier")
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        for place, sign in ((LOW, -0.5), (HIGH, 0.5)):
            head.weight[place] = torch.from_numpy(sign * slopes).to(head.weight)
            head.bias[place] = sign * intercept
