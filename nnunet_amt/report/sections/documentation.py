"""The last sections: under which settings it ran, CLAIM 2024 and TRIPOD+AI answered from it, and how to cite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nnunet_amt import __version__, paper
from nnunet_amt.report.checklists import ANCHORS, STATUSES, AnsweredItem, Checklist, answered_items, checklist_csv
from nnunet_amt.report.page_parts import Missing, Section
from nnunet_amt.report.study_content import Run, StudyContent
from nnunet_amt.report.viewer import NIIVUE_VERSION
from nnunet_amt.writing.numbers import counted, duration, file_size, joined, moment, number
from nnunet_amt.writing.table import Row, Table

_HASH_CHARACTERS = 16
_MISSING = Missing(
    "No stage left a run record in this study: it was made by an earlier version, or by other programs. Only the "
    "settings of the evaluation are known."
)
_STATUS_WORDS = {
    "answered": "answered from the study",
    "partly": "partly",
    "authors": "left to the authors",
    "not applicable": "not applicable",
}


@dataclass(frozen=True)
class RunView:
    """A run as it is shown: its stage, the folder of its record, and name and value of everything else as details."""

    stage: str
    where: str
    command: str
    started: str
    took: str
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Settings:
    """What the section of settings shows: the evaluation's, versions, every run, and all records as JSON to save."""

    evaluation: Table
    software: Table | None
    runs: tuple[RunView, ...]
    run_records: str
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class ShownChecklist:
    """A `Checklist` as it is shown: its items by section, how many of each status, and a CSV file to save.

    `doi` is empty without one.
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
    """What the section of checklists shows; `anchors` names the section of this page that an item points to."""

    checklists: tuple[ShownChecklist, ...]
    anchors: Mapping[str, str]


@dataclass(frozen=True)
class Work:
    """What to cite: for what, the text, and its DOI, empty without one."""

    what: str
    text: str
    doi: str = ""


def settings_section(content: StudyContent) -> Section:
    """Lay out the run records in the order of time."""
    used = asdict(content.summary.settings)
    rows = tuple(Row(name.replace("_", " "), (_value(value) or "none",)) for name, value in used.items())
    settings = Settings(
        evaluation=Table("Settings of the evaluation", "Setting", ("Value",), rows, words=frozenset({0})),
        software=_software(content.runs),
        runs=tuple(_run_view(where, run) for where, run in content.runs),
        run_records=content.run_records(),
        missing=() if content.runs else (_MISSING,),
    )
    folded = f"{counted(len(content.runs), 'run')} on record, with commands, versions and checksums"
    return Section("settings", "Under which settings", "settings.html.j2", settings, folded)


def checklists_section(content: StudyContent) -> Section:
    """Lay out every item of both checklists."""
    shown = tuple(_shown_checklist(checklist) for checklist in answered_items(content.facts))
    folded = (
        f"{joined([str(sum(len(items) for _, items in one.groups)) for one in shown])} items, answered from the study"
    )
    return Section("checklists", "CLAIM 2024 and TRIPOD+AI", "checklists.html.j2", Checklists(shown, ANCHORS), folded)


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
        works.append(Work("The cohort", str(content.description["cohort_reference"])))
    return Section("cite", "How to cite", "citing.html.j2", tuple(works))


def _software(runs: Sequence[tuple[str, Run]]) -> Table | None:
    """Give the versions; of a program of which several were used all, with the stages that used each."""
    used: dict[str, dict[str, list[str]]] = {}
    for _, run in runs:
        for name, version in (run.get("software") or {}).items():
            stages = used.setdefault(name, {}).setdefault(str(version), [])
            if run.get("stage") not in stages:
                stages.append(str(run.get("stage")))
    if not used:
        return None
    rows = [
        Row(name, ("; ".join(f"{v} ({', '.join(s)})" if len(versions) > 1 else v for v, s in versions.items()),))
        for name, versions in used.items()
    ]
    return Table("Software", "Program", ("Version",), tuple(rows), words=frozenset({0}))


def _run_view(where: str, run: Run) -> RunView:
    return RunView(
        stage=str(run.get("stage", "?")),
        where=where,
        command=str(run.get("command", "")),
        started=moment(str(run.get("started", ""))),
        took=duration(float(run.get("seconds") or 0.0)),
        details=tuple(_details(run)),
    )


def _details(run: Run) -> Iterator[tuple[str, str]]:
    machine = run.get("machine") or {}
    if machine:
        parts = [str(machine[key]) for key in ("system", "device") if machine.get(key)]
        if machine.get("cores"):
            parts.append(f"{machine['cores']} cores")
        yield "machine", ", ".join(parts)
    settings = "; ".join(
        f"{name} {_value(value)}" for name, value in (run.get("settings") or {}).items() if _value(value)
    )
    if settings:
        yield "settings", settings
    yield "seed", "none" if run.get("seed") is None else str(run["seed"])
    for name, item in (run.get("inputs") or {}).items():
        yield f"input: {name}", _input(item)
    outputs = "; ".join(f"{name} {_cut(item.get('sha256'))}" for name, item in (run.get("outputs") or {}).items())
    if outputs:
        yield "outputs, SHA-256", outputs
    counts = ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in (run.get("counts") or {}).items())
    if counts:
        yield "counts", counts
    for name, value in (run.get("cost") or {}).items():
        shown = number(value)
        if name.endswith("_bytes"):
            shown = file_size(float(value))
        elif "seconds" in name:
            shown = duration(float(value))
        yield name.removesuffix("_bytes").replace("_", " "), shown


def _input(item: Mapping[str, Any]) -> str:
    parts = [str(item["path"])] if item.get("path") else []
    if item.get("files") is not None:
        parts.append(counted(item["files"], "file"))
    if item.get("sha256"):
        parts.append(f"SHA-256 {_cut(item['sha256'])}")
    if item.get("names_and_sizes_sha256"):
        parts.append(f"SHA-256 of names and sizes {_cut(item['names_and_sizes_sha256'])}")
    return ", ".join(parts)


def _cut(sha256: Any) -> str:
    return f"{str(sha256)[:_HASH_CHARACTERS]}…" if sha256 else "no hash"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(_value(item) for item in value)
    if value is None:
        return ""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _shown_checklist(checklist: Checklist) -> ShownChecklist:
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
