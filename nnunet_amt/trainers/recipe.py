"""What a training step is made of: where crops are taken, how they are turned, the loss ("Training settings")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, cos, sin
from typing import Any

import numpy as np
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.pseudo2d import Convert2DTo3DTransform, Convert3DTo2DTransform
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.utilities.ddp_allgather import AllGatherGrad
from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA
from torch import nn
from torch.nn.functional import grid_sample

from nnunet_amt.paper import BATCH_SIZE, FOREGROUND_SAMPLES_PER_BATCH, ROTATION_RANGE_RADIANS, SCALING_RANGE
from nnunet_amt.trainers.seeding import seed_batch

# nnU-Net takes this share of a batch, its last samples, from the foreground.
FOREGROUND_FRACTION = FOREGROUND_SAMPLES_PER_BATCH / BATCH_SIZE
# A batch without tumour must have a gradient.
SMOOTHING = 1e-5

# ---- where crops are taken: one anywhere in the image, the others on the tumour ---------------------------


class AMTDataLoader(nnUNetDataLoader):
    """nnU-Net's loader with crop centres that reach the borders.

    nnU-Net keeps a random crop inside the image, so that its centre never comes near a border, and shifts a
    foreground crop inwards. Here the centre of a random crop is any voxel of the image, each as likely as any
    other, and a foreground crop is centred on a tumour voxel, so that rotation and scaling about the centre
    cannot move the tumour out of it. What lies outside the image is filled with the lowest intensity.
    """

    def __init__(
        self, *arguments: Any, seed: int | None = None, rank: int = 0, first_batch: int = 0, **settings: Any
    ) -> None:
        super().__init__(*arguments, **settings)
        self._has_tumour: dict[str, bool] = {}
        self._seed, self._rank, self._next_batch = seed, rank, first_batch

    def generate_train_batch(self) -> dict:
        """Fill a batch; with a seed it follows from its number, and every worker process fills every so many."""
        if self._seed is not None:
            seed_batch(self._seed, rank=self._rank, number=self._next_batch + self.thread_id)
            self._next_batch += max(1, get_allowed_n_proc_DA())
        batch: dict = super().generate_train_batch()
        return batch

    def get_indices(self) -> list[str]:
        """Draw the cases of a batch; a case without tumour cannot give a foreground crop, so another is drawn."""
        cases = list(super().get_indices())
        for sample, case in enumerate(cases):
            if self.get_do_oversample(sample) and not self._shows_tumour(case):
                # from the cases with tumour, all alike; the case itself if there is no other
                order = (self.indices[other] for other in np.random.permutation(len(self.indices)))
                cases[sample] = next((other for other in order if self._shows_tumour(other)), case)
        return cases

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

    def _shows_tumour(self, case: str) -> bool:
        if case not in self._has_tumour:
            *_, properties = self._data.load_case(case)
            self._has_tumour[case] = _tumour_voxels(properties["class_locations"]) is not None
        return self._has_tumour[case]


def _tumour_voxels(class_locations: dict | None) -> np.ndarray | None:
    """Voxels (channel, z, y, x) of any foreground label; None if the case has none."""
    found = [
        locations
        for label, locations in (class_locations or {}).items()
        if not isinstance(label, tuple) and len(locations) > 0
    ]
    return np.concatenate(found) if found else None


def endless_batches(loader: AMTDataLoader, pin_memory: bool) -> Iterator[dict]:
    """Let nnU-Net's worker processes (``nnUNet_n_proc_DA`` of them) fill batches; without any, fill them here."""
    processes = get_allowed_n_proc_DA()
    if processes == 0:
        return SingleThreadedAugmenter(loader, None)
    batches = NonDetMultiThreadedAugmenter(
        loader, None, processes, num_cached=max(6, processes // 2), seeds=None, pin_memory=pin_memory, wait_time=0.002
    )
    next(batches)  # starts the workers before the first epoch is timed
    return batches


# ---- augmentation: rotation in the axial plane, scaling along its two axes ------------------------------------


def training_transforms(patch_size: Sequence[int]) -> BasicTransform:
    """Build the transforms of a sample, to a patch of so many voxels (z, y, x): rotated and scaled, never mirrored.

    z never moves, so the slices are the channels of an image (y, x), as in nnU-Net's own augmentation of thick slices:
    one grid for all of them, and no interpolation between them.
    """
    spatial = AxialTransform(
        tuple(patch_size[1:]),
        patch_center_dist_from_border=0,
        random_crop=False,
        p_elastic_deform=0,
        p_rotation=1,
        rotation=axial_rotation,
        p_scaling=1,
        scaling=axial_sampling_scale,
        p_synchronize_scaling_across_axes=0,
        border_mode_seg="constant",
        padding_value_seg=-1,
    )
    # nnU-Net marks voxels outside the image with -1; they are background.
    return ComposeTransforms([Convert3DTo2DTransform(), spatial, Convert2DTo3DTransform(), RemoveLabelTansform(-1, 0)])


class AxialTransform(SpatialTransform):
    """nnU-Net's transform, with the labels of all slices at once that hold background and tumour.

    nnU-Net takes channel after channel, and label after label of each; with slices as channels that is most of the
    time. Labels are what it would give: the one with most weight in a linear interpolation, the nearest at a tie.
    """

    def _apply_to_segmentation(self, segmentation: torch.Tensor, **params: Any) -> torch.Tensor:
        """Transform labels (slice, y, x)."""
        grid = params["grid"]
        if self._may_reach_outside(grid, segmentation.shape[1:]):
            return super()._apply_to_segmentation(segmentation, **params)
        lowest, highest = (bound.reshape(-1, 1, 1) for bound in segmentation.flatten(1).aminmax(dim=1))
        result = lowest.expand(-1, *self.patch_size).clone()  # a slice of one label keeps it
        two = ((lowest == 0) & (highest == 1)).flatten()
        more = (lowest != highest).flatten() & ~two  # with voxels outside the image, or that nobody annotated
        if more.any():
            result[more] = super()._apply_to_segmentation(segmentation[more], **params)
        if two.any():
            tumour = segmentation[two].float()[None]
            # in thousandths and half precision, as nnU-Net has it: that decides what is a tie
            weight = grid_sample(1000 * tumour, grid[None], mode="bilinear", align_corners=self.align_corners)[0].half()
            nearest = grid_sample(tumour, grid[None], mode="nearest", align_corners=self.align_corners)[0]
            result[two] = torch.where(weight == 500, nearest > 0, weight > 500).to(segmentation.dtype)
        return result


def axial_rotation(image: torch.Tensor, dim: int) -> float:
    """Draw the angle in radians by which slices (y, x) are turned; nnU-Net asks for each axis and takes the last."""
    return float(np.random.uniform(*ROTATION_RANGE_RADIANS)) if dim == 1 else 0.0


def axial_sampling_scale(image: torch.Tensor, dim: int | None) -> float:
    """Draw the factor by which the sampling grid (y, x) grows along axis `dim`.

    A grid that grows shows smaller objects. The paper scales the image by 0.8 to 1.2, so the grid gets the inverse.
    """
    return 1.0 / float(np.random.uniform(*SCALING_RANGE))


def crop_size_before_augmentation(patch_size: Sequence[int]) -> list[int]:
    """Size (z, y, x) to crop so that every rotated and scaled patch still lies inside the crop.

    Half a patch of (y, x) = (h, w) that is rotated by the largest angle a and enlarged by 1 / 0.8 reaches
    (h cos a + w sin a) / 0.8 along y, and the same with h and w swapped along x.
    """
    depth, height, width = patch_size
    angle, enlargement = max(ROTATION_RANGE_RADIANS), 1.0 / min(SCALING_RANGE)
    return [
        depth,
        ceil((height * cos(angle) + width * sin(angle)) * enlargement),
        ceil((width * cos(angle) + height * sin(angle)) * enlargement),
    ]


# ---- loss -------------------------------------------------------------------------------------------------------


class TumourDiceLoss(nn.Module):
    """Negative soft Dice of the tumour over all samples of a batch.

    nnU-Net's own Dice gathers one row a sample, and so fails where a batch of three is spread over two GPUs. Voxels of
    `ignore_label` count neither as tumour nor as background; with `ddp` the batch is spread over processes, and the
    Dice is that of all of them.
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
