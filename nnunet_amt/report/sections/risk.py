"""The sections of a study of risk, one a task: sentences, ROC curves and table of models, and folded all else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nnunet_amt.report.page_parts import Missing, Picture, Section, read_picture
from nnunet_amt.report.sections.risk_layouts import LAYOUTS, RiskLayout
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.study.risk_results import RiskResult
from nnunet_amt.study.study_files import LESION_TASKS, RISK_FOLDER, RISK_TASKS
from nnunet_amt.writing.numbers import joined
from nnunet_amt.writing.table import Document, Table
from nnunet_amt.writing.table import Picture as DrawnPicture

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
    """What a section shows.

    Attributes
    ----------
    truth
        Who tells what the scores only guess.
    sentences, notes
        What was found, and what the cases are and else must be said of all of it.
    roc, models
        The ROC curves and the table of models; None where they were not written.
    parts
        What is folded.
    """

    truth: str
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    roc: Picture | None
    models: Table | None
    parts: tuple[RiskPart, ...]
    missing: tuple[Missing, ...]


def risk_sections(content: StudyContent) -> list[Section]:
    """Lay out the evaluation and the reader study of each task that has one of them."""
    sections, told = list[Section](), list[tuple[str, RiskPart]]()
    for name, result in content.risk.items():
        shown = _shown(content, name, result, told)
        told += [(LAYOUTS[name].title, part) for part in shown.parts]
        sections.append(Section(name, LAYOUTS[name].title, "risk.html.j2", shown))
    return sections


def _shown(content: StudyContent, name: str, result: RiskResult, told: Sequence[tuple[str, RiskPart]]) -> Risk:
    """Lay out a task; what a section before it has told, word for word, is not told again."""
    layout, document = LAYOUTS[name], result.evaluation or Document("", ())
    models = next((table for table in document.tables if table.title.startswith(layout.models)), None)
    roc = next((_picture(drawn) for drawn in document.pictures if drawn.file.name == layout.roc), None)
    parts = _parts(document, layout)
    elsewhere = [(title, part) for title, part in told if part in parts]
    again = [part for _, part in elsewhere]
    whose = () if result.evaluation is None else _whose(content, result)
    return Risk(
        truth=layout.truth,
        sentences=document.sentences,
        notes=(*whose, *document.notes, *document.left_out, *_told_elsewhere(elsewhere)),
        roc=roc,
        models=models,
        parts=(
            *(part for part in parts if part not in again),
            *(() if result.readers is None else (_readers_part(result.readers),)),
        ),
        missing=tuple(_missing(content, name, result, lacks_roc=roc is None and _could_be_drawn(layout.roc, result))),
    )


def _told_elsewhere(elsewhere: Sequence[tuple[str, RiskPart]]) -> Iterable[str]:
    for title in dict.fromkeys(title for title, _ in elsewhere):
        parts = joined([f"\u201c{part.title}\u201d" for where, part in elsewhere if where == title])
        yield f"The same as in \u201c{title}\u201d, and told there: {parts}."


def _parts(document: Document, layout: RiskLayout) -> list[RiskPart]:
    """Put each table and figure that does not stand open into the part it belongs to."""
    tables = [table for table in document.tables if not table.title.startswith(layout.models)]
    drawn = [picture for picture in document.pictures if picture.file.name != layout.roc]
    parts = []
    for title, starts, figure in (*layout.parts, (_MORE, ("",), None)):
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


def _whose(content: StudyContent, result: RiskResult) -> tuple[str, ...]:
    """Say where the cases are not known to be of the dataset that the page is of."""
    dataset, cohort = content.study.dataset, result.cohort
    if dataset is None or cohort is None:
        return ("Whether these cases are of the dataset of the segmentation is not known.",)
    if cohort.parent.samefile(dataset):
        return ()
    return (f"These cases are of another dataset than those of the segmentation, {cohort.parent.name}.",)


def _could_be_drawn(figure: str, result: RiskResult) -> bool:
    """Whether an evaluation that was made again would have a figure; of too few cases there is none beside others."""
    return not result.facts.drawn or figure in result.facts.drawn


def _missing(content: StudyContent, name: str, result: RiskResult, *, lacks_roc: bool) -> list[Missing]:
    layout, root = LAYOUTS[name], content.study.folder / RISK_FOLDER
    dataset = "DATASET" if result.cohort is None else result.cohort.parent.name[7:10]

    def command(stage: str, task: str, *options: str) -> tuple[str, ...]:
        return (content.command("risk", stage, dataset, "-o", root, *RISK_TASKS[task].words, *options),)

    missing = []
    if result.evaluation is None:
        why = f"{layout.study[0].upper()}{layout.study[1:]} has readers and no evaluation of its models"
        missing.append(Missing(f"{why} ({RISK_TASKS[name].summary.name}).", command("evaluate", name)))
    elif lacks_roc:
        why = f"The evaluation of {layout.study} holds no {layout.roc}."
        missing.append(Missing(why, command("evaluate", name)))
    if result.readers is None:
        why = f"No readers without and with {layout.help} were analysed."
        missing.append(Missing(why, command("readers", name, "--table", "readers.csv")))
    for other in LESION_TASKS if name in LESION_TASKS else ():
        if other not in content.risk:
            why = f"{LAYOUTS[other].study[0].upper()}{LAYOUTS[other].study[1:]} has no evaluation yet."
            missing.append(Missing(why, command("evaluate", other)))
    return missing
