"""From a folder of CTs and masks to rows of a manifest: which mask belongs to which CT."""

from nnunet_amt.dataset_conversion.pairing.find_pairs import find_pairs
from nnunet_amt.dataset_conversion.pairing.found import FoundCase, FoundFiles, NotPaired

__all__ = ["FoundCase", "FoundFiles", "NotPaired", "find_pairs"]
