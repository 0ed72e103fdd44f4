"""CLAIM 2024 and TRIPOD+AI, answered from what a study's files say, and left to its authors where they say nothing."""

from nnunet_amt.report.checklists.checklist import (
    ANCHORS,
    STATUSES,
    AnsweredItem,
    Checklist,
    answered_items,
    checklist_csv,
)

__all__ = ["ANCHORS", "STATUSES", "AnsweredItem", "Checklist", "answered_items", "checklist_csv"]
