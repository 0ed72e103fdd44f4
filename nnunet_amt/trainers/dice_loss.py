"""The Dice loss ("Training settings"), and what it leaves out in partly annotated cases."""

from __future__ import annotations

import torch
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from nnunetv2.utilities.helpers import softmax_helper_dim1
from torch import nn

__all__ = ["TumourDiceLoss"]

# A batch without tumour must have a gradient.
SMOOTHING = 1e-5


class TumourDiceLoss(nn.Module):
    """Negative soft Dice of the tumour over all samples of a batch.

    Parameters
    ----------
    ignore_label
        Voxels of this label count neither as tumour nor as background; None where every voxel is annotated.
    ddp
        Whether the batch is spread over processes.
    """

    def __init__(self, ignore_label: int | None = None, ddp: bool = False) -> None:
        super().__init__()
        self.ignore_label = ignore_label
        self.dice = MemoryEfficientSoftDiceLoss(
            apply_nonlin=softmax_helper_dim1, batch_dice=True, do_bg=False, smooth=SMOOTHING, ddp=ddp
        )

    def forward(self, logits: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        """Compare logits (batch, head, z, y, x) with label maps (batch, 1, z, y, x)."""
        if self.ignore_label is None:
            return self.dice(logits, reference)
        annotated = reference != self.ignore_label
        return self.dice(logits, torch.where(annotated, reference, 0), loss_mask=annotated)
