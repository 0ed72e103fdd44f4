"""The page's viewer of single cases and the triage of its false positives."""

from nnunet_amt.report.viewer.cases import FalsePositive, LoadedCase, ViewerCase, viewer_cases
from nnunet_amt.report.viewer.dial import Dial, DialStep, dial_steps
from nnunet_amt.report.viewer.part import NIIVUE_VERSION, PAGE_BUDGET, DataBlock, ViewerPart, view_link, viewer_part

__all__ = [
    "NIIVUE_VERSION",
    "PAGE_BUDGET",
    "DataBlock",
    "Dial",
    "DialStep",
    "FalsePositive",
    "LoadedCase",
    "ViewerCase",
    "ViewerPart",
    "dial_steps",
    "view_link",
    "viewer_cases",
    "viewer_part",
]
