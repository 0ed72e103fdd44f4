"""Sections 8 and 9: CLAIM 2024 and TRIPOD+AI, answered from the study, and how to cite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnunet_amt import __version__, paper
from nnunet_amt.report.checklists import ANCHORS, STATUSES, AnsweredItem, Checklist, answered_items, checklist_csv
from nnunet_amt.report.page_parts import Section
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.report.viewer import NIIVUE_VERSION

_STATUS_WORDS = {
    "answered": "answered from the study",
    "partly": "partly",
    "authors": "left to the authors",
    "not applicable": "not applicable",
}


@dataclass(frozen=True)
class ShownChecklist:
    """A checklist as it is shown.

    Attributes
    ----------
    title, note
        See `Checklist`.
    citation, doi
        Whom to cite for it; the DOI is empty without one.
    counts
        Items by status, in words.
    groups
        Its sections, each with its items.
    file_name, csv
        To save it for a submission.
    """

    title: str
    note: str
    citation: str
    doi: str
    counts: str
    groups: tuple[tuple[str, tuple[AnsweredItem, ...]], ...]
    file_name: str
    csv: str


@dataclass(frozen=True)
class Checklists:
    """What section 8 shows; `anchors` names the section of this page that an item points to."""

    checklists: tuple[ShownChecklist, ...]
    anchors: Mapping[str, str]


@dataclass(frozen=True)
class Work:
    """What to cite: for what, the text, and its DOI, empty without one."""

    what: str
    text: str
    doi: str = ""


def checklists_section(content: StudyContent) -> Section:
    """Lay out every item of both checklists."""
    shown = tuple(_shown(checklist) for checklist in answered_items(content.facts))
    return Section("checklists", "CLAIM 2024 and TRIPOD+AI", "checklists.html.j2", Checklists(shown, ANCHORS))


def citing_section(content: StudyContent, *, niivue: bool = False) -> Section:
    """Name the software, the paper, nnU-Net, the cohort, and NiiVue where it is in the page."""
    works = [
        Work(
            "This software",
            f"nnunet_amt {__version__}: anterior mediastinal tumours on CT with nnU-Net v2. Apache-2.0.",
        ),
        Work(
            "The study that it reproduces",
            "Takemura C, Miyake M, Kobayashi K, et al. A clinically applicable and generalizable deep learning model "
            "for anterior mediastinal tumors in CT images across multiple institutions. Scientific Reports, 2026.",
            paper.DOI,
        ),
        Work(
            "nnU-Net",
            "Isensee F, Jaeger PF, Kohl SAA, Petersen J, Maier-Hein KH. nnU-Net: a self-configuring method for deep "
            "learning-based biomedical image segmentation. Nature Methods 18, 203–211, 2021.",
            "10.1038/s41592-020-01008-z",
        ),
    ]
    if niivue:
        text = f"NiiVue {NIIVUE_VERSION}, BSD-2-Clause; its licence stands before its code in this file."
        works.append(Work("The viewer of this page", text))
    if content.description.get("cohort_reference"):
        works.append(Work("The public cohort", str(content.description["cohort_reference"])))
    return Section("cite", "How to cite", "citing.html.j2", tuple(works))


def _shown(checklist: Checklist) -> ShownChecklist:
    groups: dict[str, list[AnsweredItem]] = {}
    for item in checklist.items:
        groups.setdefault(item.section, []).append(item)
    counts = ", ".join(f"{checklist.count(status)} {_STATUS_WORDS[status]}" for status in STATUSES)
    text, _, doi = checklist.citation.partition("doi:")
    name = "".join(letter.lower() if letter.isalnum() else "_" for letter in checklist.title)
    return ShownChecklist(
        title=checklist.title,
        note=checklist.note,
        citation=text.strip(),
        doi=doi.strip().rstrip("."),
        counts=f"{len(checklist.items)} items: {counts}.",
        groups=tuple((section, tuple(items)) for section, items in groups.items()),
        file_name=f"{name}.csv",
        csv=checklist_csv(checklist),
    )
