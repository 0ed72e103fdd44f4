"""Pictures of single cases: a crop of CT and masks, and overlays of it in three planes."""

from nnunet_amt.overlays.case_crop import CaseCrop, read_case_crop

__all__ = ["CaseCrop", "read_case_crop"]
