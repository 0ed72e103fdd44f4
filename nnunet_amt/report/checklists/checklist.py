"""A checklist: read from its TOML file, answered from the facts of a study, and laid out as CSV for a submission.

How items and their answers are written stands at the head of ``claim_2024.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from nnunet_amt.base.files import csv_text, read_toml
from nnunet_amt.report.checklists.words import FOLDER, Writer, as_sentences, one_line
from nnunet_amt.study.facts import StudyFacts

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
_AUTHORS: Mapping[str, str] = {"partly": "Authors add:", "authors": "Authors:"}  # what they write follows
_SHARED = ("text", "authors", "anchor")  # what an item can say for all of its answers


@dataclass(frozen=True)
class PossibleAnswer:
    """An answer as it is written for every study, to be rendered for one.

    Attributes
    ----------
    when
        Condition under which it holds; empty for always.
    status
        ``answered``: from the study's facts alone; ``partly``: facts, and what the authors must add; ``authors``: only
        they can; ``not applicable``: with the reason.
    text
        Sentences.
    authors
        What the authors must write or add.
    anchor
        A key of `ANCHORS`; empty where the report shows nothing of it.
    """

    status: Status
    when: str = ""
    text: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    anchor: str = ""


@dataclass(frozen=True)
class ChecklistItem:
    """An item in our own words, and what can answer it.

    Attributes
    ----------
    number, section
        As in the published checklist, such as ``"12c"``.
    authors
        What the authors must write or add, which answers can quote.
    answers
        Of which the first holds whose condition is true.
    """

    number: str
    section: str
    asks: str
    authors: tuple[str, ...]
    answers: tuple[PossibleAnswer, ...]


@dataclass(frozen=True)
class UnansweredChecklist:
    """A checklist as it is for every study; the fields are those of `Checklist`."""

    title: str
    citation: str
    note: str
    items: tuple[ChecklistItem, ...]


@dataclass(frozen=True)
class AnsweredItem:
    """An item with its answer; the fields are those of `ChecklistItem` and `PossibleAnswer`."""

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
    citation
        Whom to cite for it, with the DOI.
    note
        How it is read for a study of segmentation.
    """

    title: str
    citation: str
    note: str
    items: tuple[AnsweredItem, ...]

    def count(self, status: Status) -> int:
        """Count the items of a status."""
        return sum(item.status == status for item in self.items)


def answered_items(facts: StudyFacts) -> tuple[Checklist, ...]:
    """Answer every item of CLAIM 2024 and of TRIPOD+AI.

    What the facts lack is left to the authors, with the command that would supply it.
    """
    writer = Writer(facts)

    def answered(item: ChecklistItem) -> AnsweredItem:
        answer = next(answer for answer in item.answers if not answer.when or writer.holds(answer.when))
        text = writer.text(answer.text)
        if answer.status in _AUTHORS:
            to_write = writer.text(answer.authors, authors=writer.text(item.authors))
            text = f"{text} {_AUTHORS[answer.status]} {to_write}".strip()
        return AnsweredItem(item.number, item.section, item.asks, answer.status, text, answer.anchor)

    return tuple(
        Checklist(form.title, form.citation, form.note, tuple(map(answered, form.items))) for form in checklists()
    )


@cache
def checklists() -> tuple[UnansweredChecklist, UnansweredChecklist]:
    """Read CLAIM 2024 and TRIPOD+AI."""
    claim, tripod = (read_toml(FOLDER / name) for name in ("claim_2024.toml", "tripod_ai.toml"))
    answers_of_claim = {
        item["number"]: {key: item[key] for key in (*_SHARED, "answers") if key in item} for item in claim["items"]
    }
    tripod["items"] = [
        item if "answers" in item else item | answers_of_claim[item["as_claim"]] for item in tripod["items"]
    ]
    return _checklist(claim), _checklist(tripod)


def _checklist(content: Mapping[str, Any]) -> UnansweredChecklist:
    title, citation, note = (one_line(content[name]) for name in ("title", "citation", "note"))
    items = []
    for item in content["items"]:
        number, section, asks = (one_line(item[name]) for name in ("number", "section", "asks"))
        answers = tuple(_answer(item, answer) for answer in item["answers"])
        items.append(ChecklistItem(number, section, asks, as_sentences(item.get("authors", ())), answers))
    return UnansweredChecklist(title, citation, note, tuple(items))


def _answer(item: Mapping[str, Any], answer: Mapping[str, Any]) -> PossibleAnswer:
    """Read an answer, which says what its item says for all of them where it does not say it itself."""
    shared = {name: item[name] for name in _SHARED if name in item}
    if answer["status"] == "authors":
        shared.pop("text", None)  # the facts that answer others are not there
    content = {**shared, **answer}
    for name in ("text", "authors"):
        content[name] = as_sentences(content.get(name, ()))
    return PossibleAnswer(**content)


def checklist_csv(checklist: Checklist) -> str:
    """Lay a checklist out as CSV, a row an item, with an empty column for the pages of the manuscript."""
    rows = (
        (item.number, item.section, item.asks, item.status, item.answer, ANCHORS.get(item.anchor, ""), "")
        for item in checklist.items
    )
    return csv_text(_CSV_COLUMNS, rows)
