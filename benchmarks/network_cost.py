"""What a network costs at least: its floating point operations over the fastest rate that the device reaches."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["forward_flops", "peak_flops_per_second", "synchronise", "training_flops"]

_MATRIX = {"cuda": 8192, "cpu": 2048}  # edge
_CONVOLUTION = {"cuda": (2, 128, 64, 128, 128), "cpu": (1, 64, 24, 48, 48)}  # (batch, channel, z, y, x)
_REPEATS = 10


def forward_flops(network: nn.Module, shape: Sequence[int]) -> int:
    """Operations of the convolutions of one forward pass of an input (batch, channel, z, y, x); a MAC is two."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(_input_like(network, shape))
    return int(counter.get_total_flops())


def training_flops(network: nn.Module, shape: Sequence[int]) -> int:
    """Operations of the convolutions of a forward and a backward pass; nothing is counted for the optimiser."""
    counter = FlopCounterMode(display=False)
    with counter:
        output = network(_input_like(network, shape))
        outputs = output if isinstance(output, list | tuple) else [output]  # deep supervision gives several
        torch.stack([logits.sum() for logits in outputs]).sum().backward()
    network.zero_grad(set_to_none=True)
    return int(counter.get_total_flops())


def peak_flops_per_second(device: torch.device) -> float:
    """Fastest of a large matrix product and a large convolution, in the precision that nnU-Net takes there."""
    half = device.type == "cuda"
    number = torch.float16 if half else torch.float32
    edge = _MATRIX[device.type]
    matrix = torch.randn(edge, edge, device=device, dtype=number)
    batch, channels, *grid = _CONVOLUTION[device.type]
    layer = nn.Conv3d(channels, channels, 3, padding=1, bias=False).to(device, number)
    image = torch.randn(batch, channels, *grid, device=device, dtype=number)
    voxels = image.numel() // channels
    rates = []
    with torch.no_grad():
        for layout in (torch.contiguous_format, torch.channels_last_3d):
            layer, image = layer.to(memory_format=layout), image.to(memory_format=layout)
            seconds = _fastest(lambda: layer(image), device)  # noqa: B023 - called at once
            rates.append(2 * 27 * channels**2 * voxels / seconds)
        rates.append(2 * edge**3 / _fastest(lambda: matrix @ matrix, device))
    return max(rates)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def _fastest(work: object, device: torch.device) -> float:
    seconds = []
    for _ in range(_REPEATS):
        synchronise(device)
        started = perf_counter()
        work()  # type: ignore[operator]
        synchronise(device)
        seconds.append(perf_counter() - started)
    return min(seconds)


def _input_like(network: nn.Module, shape: Sequence[int]) -> torch.Tensor:
    weight = next(network.parameters())
    return torch.zeros(tuple(shape), device=weight.device, dtype=weight.dtype)
