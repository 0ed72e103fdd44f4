"""The network is asked within a part of the chest only: the fast recipe's second pass, in tuning and in prediction."""

from __future__ import annotations

from collections.abc import Callable

import torch

from nnunet_amt.images.mediastinum import Box

# Difference of the logits of background and tumour where the network was not asked: a probability below 1e-8.
_CERTAIN = 20.0


def logits_within(
    box: Box | None, image: torch.Tensor, predict: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Predict a part of an image; outside of it is background.

    What is found at an end of the part that is not the image's own may go on outside, so then all of it is predicted.

    Parameters
    ----------
    box
        The part; None for all of it.
    image
        (channel, z, y, x).
    predict
        Gives logits (background and tumour, z, y, x) of such an image.
    """
    if box is None:
        return predict(image)
    inside = predict(image[(slice(None), *box)].contiguous())
    if _goes_on_outside(inside[1] > inside[0], box, image.shape[1:]):
        return predict(image)
    logits = torch.zeros((inside.shape[0], *image.shape[1:]), dtype=inside.dtype, device=inside.device)
    logits[0] = _CERTAIN
    logits[(slice(None), *box)] = inside
    return logits


def share_asked(logits: torch.Tensor) -> float:
    """Give the share of the voxels that the network was asked about, of what `logits_within` has given."""
    return 1 - float(((logits[0] == _CERTAIN) & (logits[1] == 0)).double().mean())


def _goes_on_outside(tumour: torch.Tensor, box: Box, shape: torch.Size) -> bool:
    """Whether the tumour (z, y, x) of a part reaches one of its ends that is not an end of the image too."""
    ends = []
    for axis, (part, edge) in enumerate(zip(box, shape, strict=True)):
        ends += [tumour.select(axis, 0)] if part.start > 0 else []
        ends += [tumour.select(axis, -1)] if part.stop < edge else []
    return any(bool(end.any()) for end in ends)
