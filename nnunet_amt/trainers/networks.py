"""The network that plans describe, whichever recipe's they are: the one place where it is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from nnunet_amt.models.plans import CONFIGURATION, PAPER
from nnunet_amt.trainers.unet import AMTUNet


def network_of_plans(plans: Mapping[str, Any], num_input_channels: int, num_output_channels: int) -> nn.Module:
    """Build the network of plans that `nnunet_amt.models.plans.require_amt_plans` lets pass."""
    architecture = plans["configurations"][CONFIGURATION]["architecture"]
    return network_of(architecture, num_input_channels, num_output_channels)


def network_of(architecture: Mapping[str, Any], num_input_channels: int, num_output_channels: int) -> nn.Module:
    """Build the network of such plans' ``architecture``, with its first weights and one output."""
    name, design = architecture["network_class_name"], architecture["arch_kwargs"]
    if name == PAPER.network:
        return AMTUNet(num_input_channels, num_output_channels, **design)
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    network: nn.Module = get_network_from_plans(
        name, design, architecture["_kw_requires_import"], num_input_channels, num_output_channels,
        allow_init=True, deep_supervision=False,
    )  # fmt: skip
    return network
