"""The section of a study of risk: its sentences, ROC curves and Table 2, and folded all else that it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.report.page_parts import Missing, Picture, Section, read_picture
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.study.study import read_from
from nnunet_amt.study.study_files import RISK_FOLDER, RISK_SUMMARY, risk_files
from nnunet_amt.writing.table import Document, Table
from nnunet_amt.writing.table import Picture as DrawnPicture

_ROC, _TABLE_2 = "risk_roc.png", "Table 2"
# What is folded, in this order: its heading, how the titles of its tables begin, and its figure.
_PARTS = (
    ("Cases, and Table 1", ("Flow of cases", "Table 1"), ""),
    ("Models at a sensitivity of 0.90, and compared", ("Models, at", "AUC of each model"), ""),
    ("Calibration and decision curve", ("Calibration",), "risk_calibration.png"),
    ("Subgroups", ("Subgroups",), "risk_subgroups.png"),
    ("What the segmentation costs", ("What the segmentation costs",), ""),
    ("Loss curves", (), "risk_loss_curves.png"),
    ("Heat maps", ("Heat maps",), "risk_heat_maps.png"),
)
_MORE = "More"  # of what a part has no place for, so that nothing is passed over


@dataclass(frozen=True)
class RiskPart:
    """What is folded under a heading, of which `about` says a few words; the readers' part has sentences and notes."""

    title: str
    figures: tuple[Picture, ...]
    tables: tuple[Table, ...]
    about: str = ""
    sentences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Risk:
    """What the section shows.

    Attributes
    ----------
    sentences, notes
        What was found, and what the cases are and else must be said of all of it.
    roc, models
        The ROC curves and Table 2; None where they were not written.
    parts
        What is folded.
    """

    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    roc: Picture | None
    models: Table | None
    parts: tuple[RiskPart, ...]
    missing: tuple[Missing, ...]


def risk_section(content: StudyContent) -> Section | None:
    """Lay out the evaluation and the reader study of a study of risk; None for a study without one."""
    if content.risk is None and content.readers is None:
        return None
    document = content.risk or Document("", ())
    models = next((table for table in document.tables if table.title.startswith(_TABLE_2)), None)
    roc = next((_picture(drawn) for drawn in document.pictures if drawn.file.name == _ROC), None)
    readers = () if content.readers is None else (_readers_part(content.readers),)
    whose = () if content.risk is None else _whose(content)
    risk = Risk(
        sentences=document.sentences,
        notes=(*whose, *document.notes, *document.left_out),
        roc=roc,
        models=models,
        parts=(*_parts(document), *readers),
        missing=tuple(_missing(content, has_roc=roc is not None)),
    )
    return Section("risk", "Low or high risk", "risk.html.j2", risk)


def _parts(document: Document) -> list[RiskPart]:
    """Put each table and figure that does not stand open into the part it belongs to."""
    tables = [table for table in document.tables if not table.title.startswith(_TABLE_2)]
    drawn = [picture for picture in document.pictures if picture.file.name != _ROC]
    parts = []
    for title, starts, figure in (*_PARTS, (_MORE, ("",), None)):
        of_part = [table for table in tables if table.title.startswith(starts)]
        figures = [picture for picture in drawn if figure in (None, picture.file.name)]
        tables = [table for table in tables if table not in of_part]
        drawn = [picture for picture in drawn if picture not in figures]
        if of_part or figures:
            parts.append(RiskPart(title, _pictures(figures), tuple(of_part)))
    return parts


def _readers_part(document: Document) -> RiskPart:
    return RiskPart(
        title=document.title,
        figures=_pictures(document.pictures),
        tables=document.tables,
        about=next(iter(document.sentences), ""),  # who they are, simulated ones too
        sentences=document.sentences,
        notes=(*document.notes, *document.left_out),
    )


def _pictures(drawn: Sequence[DrawnPicture]) -> tuple[Picture, ...]:
    return tuple(picture for picture in map(_picture, drawn) if picture is not None)


def _picture(drawn: DrawnPicture) -> Picture | None:
    alt = f"{drawn.text}; the tables of this section have the figures."
    return read_picture(drawn.file, alt=alt, caption=f"{drawn.text}.")


def _whose(content: StudyContent) -> tuple[str, ...]:
    """Say where the cases are not known to be of the dataset that the page is of."""
    dataset, cohort = content.study.dataset, _cohort_file(content)
    if dataset is None or cohort is None:
        return ("Whether these cases are of the dataset of the other sections is not known.",)
    if cohort.parent.samefile(dataset):
        return ()
    return (f"These cases are of another dataset than those of the other sections, {cohort.parent.name}.",)


def _cohort_file(content: StudyContent) -> Path | None:
    return read_from(risk_files(content.study.folder)["risk"].parent, "risk-evaluate", "cohort")


def _missing(content: StudyContent, *, has_roc: bool) -> list[Missing]:
    cohort, root = _cohort_file(content), content.study.folder / RISK_FOLDER
    dataset = "DATASET" if cohort is None else cohort.parent.name[7:10]
    missing = []
    if content.risk is None:
        why = f"The study of risk has readers and no evaluation of its models ({RISK_SUMMARY.name})."
        missing.append(Missing(why, (content.command("risk", "evaluate", dataset, "-o", root),)))
    elif not has_roc:
        why = f"The evaluation of the study of risk holds no {_ROC}."
        missing.append(Missing(why, (content.command("risk", "evaluate", dataset, "-o", root),)))
    if content.readers is None:
        command = content.command("risk", "readers", dataset, "-o", root, "--table", "readers.csv")
        missing.append(Missing("No readers without and with AI were analysed.", (command,)))
    return missing
