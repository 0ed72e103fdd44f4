"""What a checklist is made of: items, their answers, and the CSV that goes with a submission."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from nnunet_amt.study.facts.facts import StudyFacts

Status = Literal["answered", "partly", "authors", "not applicable"]
STATUSES: tuple[Status, ...] = get_args(Status)

# Sections of the report that an answer can point to
ANCHORS = {
    "#done": "What was done",
    "#cohort": "On whom",
    "#results": "How good",
    "#failures": "Where it fails",
    "#cases": "Look at the cases",
    "#comparison": "Against what",
    "#settings": "Under which settings",
    "#checklists": "Checklists",
    "#cite": "How to cite",
}
_CSV_COLUMNS = ("item", "section", "asks", "status", "answer", "section of the report", "page of the manuscript")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Answer:
    """An answer before it is joined to its item.

    Attributes
    ----------
    status
        ``answered``: from the study's facts alone; ``partly``: facts, and what the authors must add; ``authors``: only
        they can; ``not applicable``: with the reason.
    text
        Sentences in plain text.
    anchor
        A key of `ANCHORS`; empty where the report shows nothing of it.
    """

    status: Status
    text: str
    anchor: str = ""


@dataclass(frozen=True)
class ChecklistItem:
    """An item in our own words, and what answers it.

    Attributes
    ----------
    number
        As in the published checklist, such as ``"12c"``.
    section
        Heading of the published checklist.
    asks
        What it asks for, in our words.
    answer
        Makes the answer.
    """

    number: str
    section: str
    asks: str
    answer: Callable[[StudyFacts], Answer]


@dataclass(frozen=True)
class AnsweredItem:
    """An item with its answer; the fields are those of `ChecklistItem` and `Answer`."""

    number: str
    section: str
    asks: str
    status: Status
    answer: str
    anchor: str


@dataclass(frozen=True)
class Checklist:
    """A checklist with every item answered, in the published order.

    Attributes
    ----------
    title
        Its short name, such as ``CLAIM 2024``.
    citation
        Whom to cite for it, with the DOI.
    note
        How it is read for a study of segmentation.
    items
        All of them.
    """

    title: str
    citation: str
    note: str
    items: tuple[AnsweredItem, ...]

    def count(self, status: Status) -> int:
        """Count the items of a status."""
        return sum(item.status == status for item in self.items)


def answered(text: str, anchor: str) -> Answer:
    """Answer from facts alone."""
    return Answer("answered", text, anchor)


def partly(text: str, add: str, anchor: str = "") -> Answer:
    """Answer with facts, and say what the authors must add."""
    return Answer("partly", f"{text} Authors add: {add}", anchor)


def authors(write: str, fact: str = "", anchor: str = "") -> Answer:
    """Leave it to the authors and say what to write, after a fact that bounds it."""
    return Answer("authors", f"{fact} Authors: {write}".strip(), anchor)


def not_applicable(reason: str, anchor: str = "") -> Answer:
    """Say why there is nothing to answer."""
    return Answer("not applicable", reason, anchor)


def checklist_csv(checklist: Checklist) -> str:
    """Lay a checklist out as CSV, a row an item, with an empty column for the pages of the manuscript.

    A cell that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for item in checklist.items:
        where = ANCHORS.get(item.anchor, "")
        cells = (item.number, item.section, item.asks, item.status, item.answer, where, "")
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell for cell in cells])
    return text.getvalue()
