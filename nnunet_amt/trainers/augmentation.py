"""The paper's augmentation: rotation in the axial plane, scaling along its two axes ("Training settings")."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, cos, sin

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform

from nnunet_amt.paper import ROTATION_RANGE_RADIANS, SCALING_RANGE

AXIAL_AXES = (1, 2)  # of an array (z, y, x)


def training_transforms(patch_size: Sequence[int]) -> BasicTransform:
    """Build the transforms of a training sample: every sample is rotated and scaled, none is mirrored.

    Parameters
    ----------
    patch_size
        Size (z, y, x) of the patch that leaves the transforms, in voxels.
    """
    spatial = SpatialTransform(
        tuple(patch_size),
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
    return ComposeTransforms([spatial, RemoveLabelTansform(-1, 0)])


def axial_rotation(image: torch.Tensor, dim: int) -> float:
    """Draw the angle in radians about array axis `dim`: about z from the paper's range, about y and x none."""
    return float(np.random.uniform(*ROTATION_RANGE_RADIANS)) if dim == 0 else 0.0


def axial_sampling_scale(image: torch.Tensor, dim: int | None) -> float:
    """Draw the factor by which the sampling grid grows along array axis `dim`.

    A grid that grows shows smaller objects. The paper scales the image by 0.8 to 1.2, so the grid gets the
    inverse; z keeps its scale.
    """
    return 1.0 / float(np.random.uniform(*SCALING_RANGE)) if dim in AXIAL_AXES else 1.0


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
