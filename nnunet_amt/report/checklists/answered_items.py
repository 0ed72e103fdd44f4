"""Both checklists, answered from the facts of a study."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_amt.report.checklists.claim_2024 import (
    CLAIM_2024,
    CLAIM_2024_CITATION,
    CLAIM_2024_NOTE,
    CLAIM_2024_TITLE,
)
from nnunet_amt.report.checklists.item import AnsweredItem, Checklist, ChecklistItem
from nnunet_amt.report.checklists.tripod_ai import TRIPOD_AI, TRIPOD_AI_CITATION, TRIPOD_AI_NOTE, TRIPOD_AI_TITLE
from nnunet_amt.study.facts.facts import StudyFacts


def answered_items(facts: StudyFacts) -> tuple[Checklist, ...]:
    """Answer every item of CLAIM 2024 and of TRIPOD+AI.

    Parameters
    ----------
    facts
        Of the study; what they lack is left to the authors, with the command that would supply it.

    Returns
    -------
    tuple of Checklist
        CLAIM 2024 and TRIPOD+AI.
    """
    return (
        Checklist(CLAIM_2024_TITLE, CLAIM_2024_CITATION, CLAIM_2024_NOTE, _answered(CLAIM_2024, facts)),
        Checklist(TRIPOD_AI_TITLE, TRIPOD_AI_CITATION, TRIPOD_AI_NOTE, _answered(TRIPOD_AI, facts)),
    )


def _answered(items: Sequence[ChecklistItem], facts: StudyFacts) -> tuple[AnsweredItem, ...]:
    answers = [item.answer(facts) for item in items]
    return tuple(
        AnsweredItem(item.number, item.section, item.asks, answer.status, answer.text, answer.anchor)
        for item, answer in zip(items, answers, strict=True)
    )
