"""CLAIM 2024 and TRIPOD+AI, answered from what a study's files say, and left to its authors where they say nothing."""

from nnunet_amt.report.checklists.answered_items import answered_items
from nnunet_amt.report.checklists.item import ANCHORS, STATUSES, AnsweredItem, Checklist, Status, checklist_csv
from nnunet_amt.study.facts.facts import StudyFacts
from nnunet_amt.study.facts.read_facts import facts_of

__all__ = [
    "ANCHORS",
    "STATUSES",
    "AnsweredItem",
    "Checklist",
    "Status",
    "StudyFacts",
    "answered_items",
    "checklist_csv",
    "facts_of",
]
