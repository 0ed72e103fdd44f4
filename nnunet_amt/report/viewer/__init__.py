"""The page's viewer of single cases and the triage of its false positives."""

from nnunet_amt.report.viewer.part import PAGE_BUDGET, DataBlock, ViewerPart, viewer_part
from nnunet_amt.report.viewer.study_cases import viewer_cases
from nnunet_amt.report.viewer.viewer_case import FalsePositive, LoadedCase, ViewerCase

__all__ = [
    "PAGE_BUDGET",
    "DataBlock",
    "FalsePositive",
    "LoadedCase",
    "ViewerCase",
    "ViewerPart",
    "viewer_cases",
    "viewer_part",
]
