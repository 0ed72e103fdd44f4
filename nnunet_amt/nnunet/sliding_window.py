"""Logits of a whole volume by overlapping windows: nnU-Net's ``nnUNetPredictor``, number by number, without its start.

Importing the predictor takes longer than predicting a small CT. `tests/nnunet/test_sliding_window.py` compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import lru_cache
from itertools import combinations, product

import numpy as np
import torch
from torch import nn

from nnunet_amt.errors import WorkFailedError

# Of the weight of a window's voxels: standard deviation as a share of its edges, and the largest weight.
_SIGMA = 1 / 8
_LARGEST_WEIGHT = 10


def window_logits(
    network: nn.Module,
    image: torch.Tensor,
    *,
    patch: Sequence[int],
    step_size: float = 0.5,
    mirror_axes: Sequence[int] = (),
    device: torch.device,
    on_device: bool = True,
) -> torch.Tensor:
    """Predict an image window by window; where windows overlap, their middles count for more.

    On CUDA in mixed precision, as nnU-Net does. Where the whole does not fit on the GPU, it is put together in RAM.

    Parameters
    ----------
    network
        In evaluation mode, on the device.
    image
        (channel, z, y, x), float32, on the CPU.
    patch
        Voxels (z, y, x) of a window.
    step_size
        From one window to the next, as a share of its edges.
    mirror_axes
        0, 1, 2 for z, y, x: the mean over all mirrored images is taken.
    on_device
        Put the windows together on the GPU.

    Returns
    -------
    torch.Tensor
        (class, z, y, x), float16, on the CPU.

    Raises
    ------
    WorkFailedError
        If logits are infinite.
    """
    padded, inside = _padded(image, patch)
    windows = list(_windows(padded.shape[1:], patch, step_size))
    cuda = device.type == "cuda"
    with torch.inference_mode(), torch.autocast("cuda") if cuda else nullcontext():
        if cuda and on_device:
            try:
                return _together(network, padded, windows, patch, mirror_axes, device, device)[inside].cpu()
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
        return _together(network, padded, windows, patch, mirror_axes, device, torch.device("cpu"))[inside]


def _together(
    network: nn.Module,
    image: torch.Tensor,
    windows: Sequence[tuple[slice, ...]],
    patch: Sequence[int],
    mirror_axes: Sequence[int],
    device: torch.device,
    kept_on: torch.device,
) -> torch.Tensor:
    """Predict the windows and give their weighted mean, put together on the device `kept_on`."""
    image = image.to(kept_on)
    weights = _weights(tuple(patch), kept_on)
    logits = None
    sums = torch.zeros(image.shape[1:], dtype=torch.half, device=kept_on)
    for window in windows:
        part = image[(slice(None), *window)][None].contiguous().to(device)
        predicted = _mirrored(network, part, mirror_axes)[0].to(kept_on)
        if logits is None:
            logits = torch.zeros((len(predicted), *image.shape[1:]), dtype=torch.half, device=kept_on)
        predicted *= weights
        logits[(slice(None), *window)] += predicted
        sums[window] += weights
    assert logits is not None  # there is always a window
    torch.div(logits, sums, out=logits)
    if bool(torch.isinf(logits).any()):
        raise WorkFailedError("the network gave infinite logits; its training went wrong, take another checkpoint")
    return logits


def _mirrored(network: nn.Module, image: torch.Tensor, mirror_axes: Sequence[int]) -> torch.Tensor:
    """Give the mean logits of an image (batch, channel, z, y, x) and its mirror images."""
    logits: torch.Tensor = network(image)
    axes = [axis + 2 for axis in mirror_axes]
    turns = [chosen for count in range(1, len(axes) + 1) for chosen in combinations(axes, count)]
    for turn in turns:
        logits += torch.flip(network(torch.flip(image, turn)), turn)
    if turns:
        logits /= len(turns) + 1
    return logits


def _padded(image: torch.Tensor, patch: Sequence[int]) -> tuple[torch.Tensor, tuple[slice, ...]]:
    """Pad with 0 on all sides to a window at least; and where the image is in it."""
    missing = [max(edge - voxels, 0) for edge, voxels in zip(patch, image.shape[1:], strict=True)]
    before = [length // 2 for length in missing]
    inside = tuple(slice(low, low + voxels) for low, voxels in zip(before, image.shape[1:], strict=True))
    if any(missing):
        ends = [(low, length - low) for low, length in zip(before, missing, strict=True)]
        image = nn.functional.pad(image, [width for end in reversed(ends) for width in end])
    return image, (slice(None), *inside)


def _windows(size: Sequence[int], patch: Sequence[int], step_size: float) -> Iterator[tuple[slice, ...]]:
    """Give all windows (z, y, x), spread evenly, so that none leaves the image."""
    starts = []
    for voxels, edge in zip(size, patch, strict=True):
        steps = math.ceil((voxels - edge) / (edge * step_size))
        step = (voxels - edge) / steps if steps else 0.0
        starts.append([round(step * number) for number in range(steps + 1)])
    for corner in product(*starts):
        yield tuple(slice(start, start + edge) for start, edge in zip(corner, patch, strict=True))


@lru_cache(maxsize=2)
def _weights(patch: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Weigh the voxels of a window by a Gaussian round its middle; none is 0."""
    from scipy.ndimage import gaussian_filter

    point = np.zeros(patch)
    point[tuple(edge // 2 for edge in patch)] = 1
    bell = gaussian_filter(point, [edge * _SIGMA for edge in patch], 0, mode="constant", cval=0)
    bell /= np.max(bell) / _LARGEST_WEIGHT
    weights = torch.from_numpy(bell).to(device, torch.half)
    weights[weights == 0] = weights[weights != 0].min()
    return weights
