"""What the plans of the fast recipe hold: the window, and a network of nnU-Net's own kind (``docs/recipe.md``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FAST_NETWORK = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
# From between lung and fat to above contrast medium in soft tissue, as HU that become 0 and 1.
FAST_WINDOW_HU = (-160.0, 240.0)
FAST_FEATURES = (16, 32, 64, 128, 192)
# Slices are thick: the finest level, where half of the work is, looks at each slice by itself and keeps its thickness.
_KERNELS = ((1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))
_STRIDES = ((1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2))
_CONVOLUTIONS_DOWN, _CONVOLUTIONS_UP = 2, 1  # a level


def fast_architecture(features: Sequence[int]) -> dict[str, Any]:
    """Describe the network as nnU-Net's plans do; any nnU-Net builds it."""
    return {
        "network_class_name": FAST_NETWORK,
        "arch_kwargs": {
            "n_stages": len(features),
            "features_per_stage": list(features),
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [list(size) for size in _KERNELS],
            "strides": [list(step) for step in _STRIDES],
            "n_conv_per_stage": [_CONVOLUTIONS_DOWN] * len(features),
            "n_conv_per_stage_decoder": [_CONVOLUTIONS_UP] * (len(features) - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.batchnorm.BatchNorm3d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
