"""From a ROI to what a network sees: three equal channels of one size, and their changes during training."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks.settings import Normalisation, Schedule

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_SD = (0.229, 0.224, 0.225)


def grey_image(crop: np.ndarray, *, case_id: str, size: int, normalisation: Normalisation) -> torch.Tensor:
    """Bring a crop to a size, its intensities by its own mean and SD before that, unless ImageNet's are asked for.

    Parameters
    ----------
    crop : numpy.ndarray of float, (y, x)
        Windowed to 0..1.
    case_id
        For messages.
    size
        Side in pixels; the proportions of the crop are not kept.
    normalisation
        See `TrainingSettings`; ImageNet's comes with the colours, see `three_channels`.

    Returns
    -------
    torch.Tensor of float32, (size, size)

    Raises
    ------
    BadInputError
        If the crop is empty, holds what is no number, or has one intensity everywhere.
    """
    pixels = np.ascontiguousarray(crop, dtype=np.float32)
    if pixels.ndim != 2 or not pixels.size or not np.isfinite(pixels).all():
        raise BadInputError(f"case {case_id}: its ROI of {crop.shape} is no slice of numbers; make the ROIs again")
    if pixels.min() < -1e-6 or pixels.max() > 1 + 1e-6:
        raise BadInputError(
            f"case {case_id}: its ROI has intensities {pixels.min():g} to {pixels.max():g}; must be windowed to 0..1; "
            "make the ROIs again"
        )
    if pixels.min() == pixels.max():
        raise BadInputError(
            f"case {case_id}: its ROI has the one intensity {pixels.min():g} after the window; look at its CT and mask"
        )
    if normalisation == "image":
        pixels = (pixels - pixels.mean()) / pixels.std()
    image = torch.from_numpy(pixels)[None, None]
    return functional.interpolate(image, (size, size), mode="bilinear", antialias=True)[0, 0]


def three_channels(images: torch.Tensor, normalisation: Normalisation) -> torch.Tensor:
    """Give grey images (n, y, x) as colours (n, 3, y, x)."""
    colours = images[:, None].expand(-1, 3, -1, -1)
    if normalisation == "image":
        return colours
    mean, sd = (colours.new_tensor(values)[:, None, None] for values in (_IMAGENET_MEAN, _IMAGENET_SD))
    return (colours - mean) / sd


def augmented(images: torch.Tensor, settings: Schedule, *, outside: torch.Tensor | None = None) -> torch.Tensor:
    """Rotate, shift and scale each image by numbers drawn for it; a whole batch at once.

    The numbers come from torch's random numbers on the CPU.

    Parameters
    ----------
    images
        (n, y, x), or (n, channels, y, x), whose channels change together.
    outside
        What comes in from outside an image, to be spread over `images`; by default the mean of each image or channel.
    """
    count = len(images)
    angle = math.radians(settings.rotation) * (2 * torch.rand(count) - 1)
    smallest, largest = settings.scaling
    scale = smallest + (largest - smallest) * torch.rand(count)
    shift = 2 * settings.translation * (2 * torch.rand(count, 2) - 1)  # the side of an image is 2 for affine_grid
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    # (n, 2, 3): where in the image a pixel of the result comes from
    theta = torch.stack((torch.stack((cos, -sin, shift[:, 0]), 1), torch.stack((sin, cos, shift[:, 1]), 1)), 1)
    level = images.mean(dim=(-2, -1), keepdim=True) if outside is None else outside
    channels = (images - level).reshape(count, -1, *images.shape[-2:])
    grid = functional.affine_grid(theta.to(images), list(channels.shape), align_corners=False)
    return functional.grid_sample(channels, grid, align_corners=False).reshape(images.shape) + level
