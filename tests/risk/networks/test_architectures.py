"""Each network gives two logits and the feature maps that heat maps are made of; no weights are drawn."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks.architectures import build_network
from nnunet_amt.risk.networks.settings import EMBEDDED, NETWORKS, TrainingSettings


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_two_logits_from_the_smallest_image_on(name: str) -> None:
    architecture = NETWORKS[name]
    with torch.device("meta"):  # shapes without numbers: VGG 11 alone has half a gigabyte of weights
        network = build_network(name).eval()
        maps: list[torch.Tensor] = []
        network.get_submodule(architecture.heat_layer).register_forward_hook(lambda *args: maps.append(args[2]))
        side = architecture.smallest
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 2)
    assert maps[0].ndim == 4
    assert network.state_dict()[f"{architecture.head}.weight"].shape[0] == 2


def test_sizes_are_the_papers() -> None:
    assert TrainingSettings("inception_v3").pixels == 299
    assert {TrainingSettings(name).pixels for name in NETWORKS if name[0] in "drvm" or name == EMBEDDED} == {224}


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("resnet50", {}, "network 'resnet50': is not known; choose one of densenet121, resnet101"),
        ("inception_v3", {"size": 64}, "inception_v3: size is 64; must be 75 px or more for Inception V3"),
        ("vgg11", {"normalisation": "none"}, "normalisation is none; must be image or imagenet"),
        (EMBEDDED, {"normalisation": "imagenet"}, "normalisation is imagenet; must be image: its weights"),
        ("vgg11", {"epochs": 0}, "vgg11: epochs is 0; must be 1 or more"),
        ("vgg11", {"learning_rate": -0.01}, "learning_rate is -0.01; must be above 0"),
        ("vgg11", {"learning_rate": float("nan")}, "learning_rate is nan; must be above 0"),
        ("vgg11", {"scaling": (1.1, 0.9)}, "scaling is .*; must be two factors, the smaller first"),
        ("vgg11", {"grid": (0.0,)}, "grid is .*; must be learning rates above 0"),
        ("vgg11", {"grid": (0.1, 0.01)}, "grid is .*; must be rates that differ, also from learning_rate"),
        ("vgg11", {"batch_size": 1}, "batch_size is 1; must be 2 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, changed: dict, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        TrainingSettings(name, **changed)


def test_densenet_can_be_trained(densenet: nn.Module) -> None:
    """It rectifies its maps in place; whatever is done for heat maps must not be in the way of gradients."""
    network = copy.deepcopy(densenet).train()
    network(torch.rand(2, 3, 32, 32)).sum().backward()
    assert network.get_submodule("features.conv0").weight.grad is not None
