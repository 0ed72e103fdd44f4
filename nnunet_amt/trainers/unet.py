"""The paper's network: a plain 3D U-Net of four levels (Fig. 3, "Deep neural network architecture")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from nnunet_amt.paper import NETWORK_LEVELS

# The paper gives the levels but neither channels nor blocks: the original 3D U-Net's doubling, from 32.
FEATURES_PER_LEVEL = (32, 64, 128, 256)
BLOCKS_PER_LEVEL = 2


class AMTUNet(nn.Module):
    """Plain 3D U-Net; logits have the shape of the input.

    Encoding: on each level two blocks of convolution (3x3x3), batch normalisation and ReLU; max pooling
    (2x2x2) between levels. Decoding: on each level a block of deconvolution (2x2x2, stride 2), batch
    normalisation and ReLU that doubles the resolution, the skip connection, and a block of deconvolution
    (3x3x3, stride 1), batch normalisation and ReLU. A 1x1x1 convolution gives the logits.

    Input channels are 1 for CT, output channels 2 for background and tumour; `features_per_level` go from the finest to
    the coarsest level, and `blocks_per_level` are convolution blocks of the encoder.
    """

    def __init__(
        self,
        num_input_channels: int,
        num_output_channels: int,
        features_per_level: Sequence[int] = FEATURES_PER_LEVEL,
        blocks_per_level: int = BLOCKS_PER_LEVEL,
    ) -> None:
        super().__init__()
        if len(features_per_level) != NETWORK_LEVELS:
            raise ValueError(f"features_per_level has {len(features_per_level)} levels, the paper {NETWORK_LEVELS}")
        self.encoders = nn.ModuleList()
        channels = num_input_channels
        for features in features_per_level:
            self.encoders.append(_encoding_level(channels, features, blocks_per_level))
            channels = features
        self.pool: nn.Module = nn.MaxPool3d(kernel_size=2)
        self.upsamplers = nn.ModuleList()
        self.decoders = nn.ModuleList()
        for features in reversed(features_per_level[:-1]):
            self.upsamplers.append(_deconvolution_block(channels, features, kernel_size=2, stride=2))
            self.decoders.append(_deconvolution_block(2 * features, features, kernel_size=3, stride=1))
            channels = features
        self.head = nn.Conv3d(channels, num_output_channels, kernel_size=1)
        self.apply(initialise_glorot)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channel, z, y, x), each edge a multiple of 8, to logits (batch, head, z, y, x)."""
        skips: list[torch.Tensor] = []
        features = image
        for level, encoder in enumerate(self.encoders):
            features = encoder(features if level == 0 else self.pool(features))
            skips.append(features)
        skips.pop()
        for upsampler, decoder in zip(self.upsamplers, self.decoders, strict=True):
            features = decoder(torch.cat((skips.pop(), upsampler(features)), dim=1))
        return self.head(features)


def initialise_glorot(module: nn.Module) -> None:
    """Draw (de)convolution weights from the uniform Glorot distribution, set biases to zero ("Training settings")."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _encoding_level(channels: int, features: int, blocks: int) -> nn.Sequential:
    level = nn.Sequential()
    for block in range(blocks):
        convolution = nn.Conv3d(channels if block == 0 else features, features, kernel_size=3, padding=1)
        level.append(nn.Sequential(convolution, nn.BatchNorm3d(features), nn.ReLU(inplace=True)))
    return level


def _deconvolution_block(channels: int, features: int, kernel_size: int, stride: int) -> nn.Sequential:
    deconvolution = nn.ConvTranspose3d(channels, features, kernel_size, stride=stride, padding=1 if stride == 1 else 0)
    return nn.Sequential(deconvolution, nn.BatchNorm3d(features), nn.ReLU(inplace=True))
