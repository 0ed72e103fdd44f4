"""Section 8: CLAIM 2024 and TRIPOD+AI, answered from the study."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_amt.report.checklists import ANCHORS, STATUSES, Checklist, answered_items, checklist_csv
from nnunet_amt.report.section import Section
from nnunet_amt.report.study_content import StudyContent


@dataclass(frozen=True)
class ShownItem:
    """An item with the name of the section that it points to; the other fields are those of `AnsweredItem`."""

    number: str
    asks: str
    status: str
    answer: str
    anchor: str
    where: str


@dataclass(frozen=True)
class ShownChecklist:
    """A checklist as it is shown.

    Attributes
    ----------
    title, citation, note
        See `Checklist`.
    doi
        Of the citation, empty without one.
    counts
        Items by status, in words.
    groups
        Its sections, each with its items.
    file_name, csv
        To save it for a submission.
    """

    title: str
    citation: str
    doi: str
    note: str
    counts: str
    groups: tuple[tuple[str, tuple[ShownItem, ...]], ...]
    file_name: str
    csv: str


@dataclass(frozen=True)
class Checks:
    """What the section shows."""

    checklists: tuple[ShownChecklist, ...]


def checks_section(content: StudyContent) -> Section:
    """Lay out every item of both checklists."""
    shown = tuple(_shown(checklist) for checklist in answered_items(content.facts))
    return Section("checklists", "CLAIM 2024 and TRIPOD+AI", "checks.html.j2", Checks(shown))


def _shown(checklist: Checklist) -> ShownChecklist:
    groups: dict[str, list[ShownItem]] = {}
    for item in checklist.items:
        shown = ShownItem(item.number, item.asks, item.status, item.answer, item.anchor, ANCHORS.get(item.anchor, ""))
        groups.setdefault(item.section, []).append(shown)
    counts = ", ".join(f"{checklist.count(status)} {_STATUS_WORDS[status]}" for status in STATUSES)
    text, _, doi = checklist.citation.partition("doi:")
    name = "".join(letter.lower() if letter.isalnum() else "_" for letter in checklist.title)
    return ShownChecklist(
        title=checklist.title,
        citation=text.strip(),
        doi=doi.strip().rstrip("."),
        note=checklist.note,
        counts=f"{len(checklist.items)} items: {counts}.",
        groups=tuple((section, tuple(items)) for section, items in groups.items()),
        file_name=f"{name}.csv",
        csv=checklist_csv(checklist),
    )


_STATUS_WORDS = {
    "answered": "answered from the study",
    "partly": "partly",
    "authors": "left to the authors",
    "not applicable": "not applicable",
}
