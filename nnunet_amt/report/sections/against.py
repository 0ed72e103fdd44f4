"""Section 6: against what. The comparison of models on the same cases."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_amt.base.files import read_record
from nnunet_amt.report.pictures import Picture, read_picture
from nnunet_amt.report.section import Missing, Section
from nnunet_amt.report.study_content import StudyContent, study_command
from nnunet_amt.report.text_table import TextTable, comparison_table


@dataclass(frozen=True)
class Against:
    """What the section shows.

    Attributes
    ----------
    sentences
        The comparison in plain words.
    tables, figures
        Of the comparison.
    missing
        How to make it, if there is none.
    """

    sentences: tuple[str, ...]
    tables: tuple[TextTable, ...]
    figures: tuple[Picture, ...]
    missing: tuple[Missing, ...] = ()


def against_section(content: StudyContent) -> Section:
    """Lay out comparison.json; without one say how to make it."""
    folder = content.study.comparison
    record = {} if folder is None else read_record(folder / "comparison.json")
    if folder is None or not record:
        return _section(Against((), (), (), (_missing(content),)))
    figures = (
        read_picture(
            folder / "comparison_froc.png",
            "FROC curves of the compared models over each other, told apart by colour, line and marker; the tables "
            "of this section have the figures.",
            "FROC of the compared models, on the same cases.",
        ),
        read_picture(
            folder / "comparison_dice.png",
            "Dice score of every case by the compared models; the tables of this section have the differences.",
            "Dice score case by case.",
        ),
    )
    return _section(
        Against(
            sentences=tuple(map(str, record.get("sentences", ()))),
            tables=tuple(comparison_table(table) for table in record.get("tables", ())),
            figures=tuple(picture for picture in figures if picture is not None),
        )
    )


def _section(against: Against) -> Section:
    return Section("comparison", "Against what", "against.html.j2", against)


def _missing(content: StudyContent) -> Missing:
    dataset = content.study.dataset
    number = dataset.name[7:10] if dataset is not None and dataset.name[7:10].isdigit() else "711"
    others = [found.path for found in content.study.evaluations if found.path != content.study.evaluation.path]
    ours = content.study.evaluation.path
    if others:
        command = study_command(content, "compare", ours, *others, "-o", "comparison", "--published")
    else:  # compares at its end
        command = study_command(content, "baseline", "-d", number, "-o", "baseline", "--evaluation", ours)
    return Missing(
        "The model was not compared with another one on the same cases. The published figures in section 3 are of "
        "other cases and no such comparison.",
        (command,),
    )
