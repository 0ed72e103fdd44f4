"""The network that plans describe, whichever recipe's they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from nnunet_amt.models.plans import CONFIGURATION, PAPER
from nnunet_amt.trainers.unet import AMTUNet


def network_of_plans(plans: Mapping[str, Any], num_input_channels: int, num_output_channels: int) -> nn.Module:
    """Build the network of plans that `nnunet_amt.models.plans.require_amt_plans` lets pass, without its weights."""
    architecture = plans["configurations"][CONFIGURATION]["architecture"]
    name, design = architecture["network_class_name"], architecture["arch_kwargs"]
    if name == PAPER.network:
        return AMTUNet(num_input_channels, num_output_channels, **design)
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    network: nn.Module = get_network_from_plans(
        name, design, architecture["_kw_requires_import"], num_input_channels, num_output_channels,
        allow_init=False, deep_supervision=False,
    )  # fmt: skip
    return network
