"""The page's viewer of single cases and the triage of its false positives."""

from nnunet_amt.report.viewer.cases import FalsePositive, LoadedCase, ViewerCase, viewer_cases
from nnunet_amt.report.viewer.part import NIIVUE_VERSION, PAGE_BUDGET, DataBlock, ViewerPart, viewer_part

__all__ = [
    "NIIVUE_VERSION",
    "PAGE_BUDGET",
    "DataBlock",
    "FalsePositive",
    "LoadedCase",
    "ViewerCase",
    "ViewerPart",
    "viewer_cases",
    "viewer_part",
]
