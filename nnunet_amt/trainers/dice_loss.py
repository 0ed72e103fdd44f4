"""The Dice loss ("Training settings"), and what it leaves out in partly annotated cases."""

from __future__ import annotations

import torch
from nnunetv2.utilities.ddp_allgather import AllGatherGrad
from torch import nn

# A batch without tumour must have a gradient.
SMOOTHING = 1e-5


class TumourDiceLoss(nn.Module):
    """Negative soft Dice of the tumour over all samples of a batch.

    nnU-Net's own Dice gathers one row a sample, and so fails where a batch of three is spread over two GPUs.

    Parameters
    ----------
    ignore_label
        Voxels of this label count neither as tumour nor as background; None where every voxel is annotated.
    ddp
        Whether the batch is spread over processes; then the Dice is that of all of them.
    """

    def __init__(self, ignore_label: int | None = None, ddp: bool = False) -> None:
        super().__init__()
        self.ignore_label = ignore_label
        self.ddp = ddp

    def forward(self, logits: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Compare logits (batch, head, z, y, x) with label maps (batch, 1, z, y, x)."""
        probability = torch.softmax(logits, dim=1)[:, 1:]  # float32 under autocast too
        tumour = (reference == 1).to(probability.dtype)
        if self.ignore_label is not None:
            probability = probability * (reference != self.ignore_label)
        sums = torch.stack(((probability * tumour).sum(), probability.sum(), tumour.sum()))
        if self.ddp:
            # its gradient is summed over the processes, and DDP takes their mean: that of the whole batch remains
            sums = AllGatherGrad.apply(sums).sum(0)
        shared, predicted, annotated = sums
        return -(2 * shared + SMOOTHING) / (predicted + annotated + SMOOTHING)
