"""Where crops are taken: one anywhere in the image, the others on the tumour ("Training settings")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader

from nnunet_amt.paper import BATCH_SIZE, FOREGROUND_SAMPLES_PER_BATCH

__all__ = ["FOREGROUND_FRACTION", "AMTDataLoader"]

# nnU-Net takes this share of a batch, its last samples, from the foreground.
FOREGROUND_FRACTION = FOREGROUND_SAMPLES_PER_BATCH / BATCH_SIZE


class AMTDataLoader(nnUNetDataLoader):
    """nnU-Net's loader with crop centres that reach the borders.

    nnU-Net keeps a random crop inside the image, so that its centre never comes near a border, and shifts a
    foreground crop inwards. Here the centre of a random crop is any voxel of the image, each as likely as any
    other, and a foreground crop is centred on a tumour voxel, so that rotation and scaling about the centre
    cannot move the tumour out of it. What lies outside the image is filled with the lowest intensity.
    """

    def get_bbox(
        self,
        data_shape: Sequence[int],
        force_fg: bool,
        class_locations: dict | None,
        overwrite_class: int | tuple[int, ...] | None = None,
        verbose: bool = False,
    ) -> tuple[list[int], list[int]]:
        """Choose a crop; bounds (z, y, x) in voxels, below zero or past the image where it overlaps a border."""
        if self.has_ignore and not force_fg:
            # Partly annotated cases: nnU-Net's own rule, a crop on any annotated voxel.
            return super().get_bbox(data_shape, force_fg, class_locations, overwrite_class, verbose)
        tumour_voxels = _tumour_voxels(class_locations) if force_fg else None
        if tumour_voxels is None:
            centre = [np.random.randint(0, edge) for edge in data_shape]
        else:
            # the first column is the channel
            centre = [int(index) for index in tumour_voxels[np.random.choice(len(tumour_voxels))][1:]]
        lower = [middle - edge // 2 for middle, edge in zip(centre, self.patch_size, strict=True)]
        upper = [start + edge for start, edge in zip(lower, self.patch_size, strict=True)]
        return lower, upper


def _tumour_voxels(class_locations: dict | None) -> np.ndarray | None:
    """Voxels (channel, z, y, x) of any foreground label; None if the case has none."""
    found = [
        locations
        for label, locations in (class_locations or {}).items()
        if not isinstance(label, tuple) and len(locations) > 0
    ]
    return np.concatenate(found) if found else None
