"""Names under which nnU-Net finds our plans; importing them costs nothing."""

from __future__ import annotations

from nnunet_amt.paper import NETWORK_LEVELS

PLANS_NAME = "nnUNetAMTPlans"
CONFIGURATION = "3d_fullres"
DEFAULT_TRAINER = "nnUNetTrainerAMT"
NETWORK_CLASS = "nnunet_amt.trainers.unet.AMTUNet"
# Pooling between the levels halves every edge.
PATCH_MULTIPLE = 2 ** (NETWORK_LEVELS - 1)
