"""The networks themselves: torchvision's six and timm's EfficientNet-Lite0, each with a head for two classes."""

from __future__ import annotations

import warnings

from torch import nn

from nnunet_amt.errors import missing_extra
from nnunet_amt.risk.networks.settings import EMBEDDED, Normalisation, architecture_of

CLASSES = 2  # low, high
LOW, HIGH = range(CLASSES)


def build_network(name: str, *, normalisation: Normalisation = "image") -> nn.Module:
    """Build a network for images (n, 3, y, x) that gives a logit for low and one for high risk, (n, 2).

    Its weights are drawn as torchvision draws them. Inception comes without its auxiliary head, so that all networks
    have one loss.

    Raises
    ------
    BadInputError
        If no network has this name.
    MissingExtraError
        If its package is not installed.
    """
    architecture_of(name)
    if name == EMBEDDED:
        return _timm_network("tf_efficientnet_lite0")
    try:
        from torchvision import models
    except ImportError as error:
        raise missing_extra("the networks (torchvision)", "risk") from error
    special = {}
    if name == "inception_v3":  # ImageNet's mean and SD are not those that its weights were trained with
        special = {"aux_logits": False, "init_weights": True, "transform_input": normalisation == "imagenet"}
    network: nn.Module = models.get_model(name, weights=None, num_classes=CLASSES, **special)
    return network


def _timm_network(name: str) -> nn.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of torch, about other networks of timm's
            import timm
    except ImportError as error:
        raise missing_extra("the embedded network (timm)", "risk") from error
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=CLASSES)
    return network
