"""The networks that tell what a lesion is: the deep multimodal fusion network (DMFN), and two that see the CT alone."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn
from torch.nn import functional

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.regnet import Cell, Depth, RegNet

LesionModel = Literal["dmfn", "regnet", "plain-cnn"]
LESION_MODELS: tuple[LesionModel, ...] = get_args(LesionModel)
_CTC_INPUTS = 2  # z-score, and whether it is missing
_BRANCH, _BRANCH_DROPOUT = 16, 0.2
_DENSE = 64
_PLAIN_WIDTHS = (16, 32, 64, 128)


class PlainCNN(nn.Module):
    """Four layers, each a 3x3 convolution, batch normalisation, ReLU and max pooling by two."""

    def __init__(self) -> None:
        super().__init__()
        self.widths = _PLAIN_WIDTHS[-1:]
        layers: list[nn.Module] = []
        for inputs, outputs in zip((3, *_PLAIN_WIDTHS[:-1]), _PLAIN_WIDTHS, strict=True):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give the map of the last layer of images (n, 3, y, x), (n, 128, y / 16, x / 16), alone in a tuple."""
        return (self.layers(images),)


class LesionNetwork(nn.Module):
    """A network for images, with or without branches for circulating tumour cells (CTC) and clinical data.

    The maps of all stages of the backbone are averaged over the image, and joined with what the branches give; a dense
    layer and a linear one make logits of it.

    Parameters
    ----------
    backbone
        Gives maps of images, the channels of which are its `widths`.
    classes
        Of the logits.
    branches
        Widths of what the branches take, such as 2 for CTC; none of them for a network that sees the images alone.
    """

    def __init__(self, backbone: RegNet | PlainCNN, *, classes: int, branches: tuple[int, ...]) -> None:
        super().__init__()
        # First, so that one seed gives one backbone to a network with branches and to one without.
        self.backbone = backbone
        self.branches = nn.ModuleList(_branch(width) if width else nn.Identity() for width in branches)
        joined = sum(backbone.widths) + _BRANCH * sum(width > 0 for width in branches)
        self.dense = _dense(joined, _DENSE)
        self.classify = nn.Linear(_DENSE, classes)

    def forward(self, images: torch.Tensor, ctc: torch.Tensor, clinical: torch.Tensor) -> torch.Tensor:
        """Give logits, (n, classes), the softmax of which are probabilities.

        Parameters
        ----------
        images : torch.Tensor of float, (n, 3, y, x)
            Image, mask and denoised image, see `nnunet_amt.risk.fusion.lesion_crop`.
        ctc : torch.Tensor of float, (n, 2)
            z-score of the level, or 0, and 1 where it is missing.
        clinical : torch.Tensor of float, (n, clinical)
            Both are ignored by a network without branches.
        """
        pooled = [maps.mean(dim=(2, 3)) for maps in self.backbone(images)]
        tables = (ctc, clinical) if len(self.branches) else ()
        beside = [branch(table) for branch, table in zip(self.branches, tables, strict=True)]
        result: torch.Tensor = self.classify(functional.relu(self.dense(torch.cat((*pooled, *beside), dim=1))))
        return result


def build_lesion_model(
    name: LesionModel, *, classes: int, clinical: int, depth: Depth = 20, cell: Cell = "lstm"
) -> LesionNetwork:
    """Build a network that tells the class of a lesion; see `LesionNetwork.forward` for what it takes and gives.

    Parameters
    ----------
    name
        ``"dmfn"`` takes images, CTC and clinical data; ``"regnet"`` is the same network without the branches of CTC and
        clinical data; ``"plain-cnn"`` has four convolutions with max pooling. The latter two ignore all but the images.
    classes
        Two or more.
    clinical
        Width of the clinical vector; 0 for none.
    depth, cell
        See `RegNet`; ``"plain-cnn"`` has neither.

    Raises
    ------
    BadInputError
        If there is no such network, depth or cell, or a width that cannot be.
    """
    if name not in LESION_MODELS:
        raise BadInputError(f"model is {name!r}; must be one of {', '.join(LESION_MODELS)}")
    if classes < 2:
        raise BadInputError(f"{name}: classes is {classes}; must be 2 or more")
    if clinical < 0:
        raise BadInputError(f"{name}: clinical is {clinical}; must be 0 or more")
    backbone = PlainCNN() if name == "plain-cnn" else RegNet(depth=depth, cell=cell)
    return LesionNetwork(backbone, classes=classes, branches=(_CTC_INPUTS, clinical) if name == "dmfn" else ())


def _branch(width: int) -> nn.Sequential:
    """Make two dense layers of 16 with ReLU and dropout."""
    return nn.Sequential(
        _dense(width, _BRANCH),
        nn.ReLU(),
        nn.Dropout(_BRANCH_DROPOUT),
        _dense(_BRANCH, _BRANCH),
        nn.ReLU(),
        nn.Dropout(_BRANCH_DROPOUT),
    )


def _dense(inputs: int, outputs: int) -> nn.Linear:
    """Make a layer before a ReLU with weights after He et al. (2015), which keep the spread of what goes through.

    With torch's own, three layers leave so little of a level of CTC that some hundred steps do not learn from it.
    """
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer
