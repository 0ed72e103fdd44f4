"""Sections 3 and 6: how good (Tables 3 and 4, FROC, the other figures), and against what: the comparison of models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from nnunet_amt.evaluation.results.tables import subgroup_title
from nnunet_amt.evaluation.subjects import NOT_BESIDE, why_not_published
from nnunet_amt.evaluation.summary.summary import GroupSummary
from nnunet_amt.report.page_parts import Missing, Picture, Section, read_picture
from nnunet_amt.report.study_content import StudyContent, read_comparison
from nnunet_amt.study.settings import SETTINGS_FILE
from nnunet_amt.writing.numbers import value_text
from nnunet_amt.writing.table import Document, Row, Table

_FROC_CAPTION = (
    "FROC: sensitivity against false positives per scan, a point for each of 19 IoU thresholds that a match must "
    "exceed (along it the rule of matching changes, not how sure the model is), with 95% intervals where there are "
    "any{beside}. Form of the paper's Fig. 4."
)
_PAPERS_POINT = "; the paper's operating point (IoU > 0.5) beside ours"
# Figures of the comparison: file, what is seen, caption.
_COMPARISON_FIGURES = (
    (
        "comparison_froc.png",
        "FROC curves of the compared models over each other, told apart by colour, line and marker; the tables "
        "of this section have the figures.",
        "FROC of the compared models, on the same cases.",
    ),
    (
        "comparison_dice.png",
        "Dice score of every case by the compared models; the tables of this section have the differences.",
        "Dice score case by case.",
    ),
)


@dataclass(frozen=True)
class Results:
    """What section 3 shows.

    Attributes
    ----------
    published
        What the rows that are not ours are, or why there are none.
    tables, notes
        In the form of Tables 3 and 4, and what their rows, figures and signs mean.
    froc, froc_table
        The curve, and its points.
    more_tables
        Of analyses that were asked for.
    """

    published: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    froc: Picture | None
    froc_table: Table
    figures: tuple[Picture, ...]
    more_tables: tuple[Table, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class Comparison:
    """What section 6 shows: the comparison in plain words, tables and figures, or how to make it."""

    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    figures: tuple[Picture, ...]
    missing: tuple[Missing, ...] = ()


def results_section(content: StudyContent) -> Section:
    """Take tables and figures from the evaluation's folder."""
    overall, folder = content.summary.overall, content.study.evaluation.path
    caption = _FROC_CAPTION.format(beside="" if why_not_published(content.summary.subjects) else _PAPERS_POINT)
    froc = read_picture(folder / "froc.png", alt=_froc_words(overall), caption=caption)
    missing = [] if froc is not None else [_evaluate_again(content, "The evaluation's folder holds no froc.png.")]
    if content.component_tables is None and (folder / "component_analysis.json").is_file():
        why = "The analysis of lesion definitions was made by an earlier version, which wrote no table for this page."
        missing.append(_evaluate_again(content, why, "--components"))
    if content.summary.subjects != content.facts.subjects:  # the figure may hold the paper's point
        froc = froc if content.facts.of_patients else None
        missing.append(_evaluate_again(content, "It was evaluated before it was on record of what the cases are."))
    tables, published = _as_they_may_stand(content)
    results = Results(
        published=published,
        # no line may end within the heads of narrow columns
        tables=tuple(
            replace(table, columns=tuple(column.replace("IoU > ", "IoU\u00a0>\u00a0") for column in table.columns))
            for table in tables.tables
        ),
        notes=(*tables.notes, *tables.left_out),
        froc=froc,
        froc_table=_froc_table(overall),
        figures=_figures(content, folder),
        more_tables=content.component_tables or (),
        missing=tuple(missing),
    )
    return Section("results", "How good", "results.html.j2", results)


def _as_they_may_stand(content: StudyContent) -> tuple[Document, str]:
    """Give the tables, of patients with the paper's rows, and what these are, or why they are not there."""
    tables = content.result_tables
    if why_not := why_not_published(content.facts.subjects):
        tables = tables.without_published()
        return replace(tables, notes=tuple(note for note in tables.notes if not note.endswith(NOT_BESIDE))), why_not
    beside = any(row.kind == "published" for table in tables.tables for row in table.rows)
    return tables, "Rows in italics are the published ones, of other cases." if beside else ""


def comparison_section(content: StudyContent) -> Section:
    """Lay out comparison.json; without one say how to make it."""
    folder = content.study.comparison
    if folder is None or content.comparison is None:
        comparison = Comparison((), (), (), (_no_comparison(content),))
    else:
        comparison = comparison_of(content, folder, content.comparison)
    return Section("comparison", "Against what", "comparison.html.j2", comparison)


def comparison_of(
    content: StudyContent, folder: Path, read: tuple[tuple[str, ...], tuple[Table, ...]] | None = None
) -> Comparison:
    """Lay out the comparison in a folder; `read` is what `read_comparison` gives of it, if it was read before.

    Raises
    ------
    BadInputError
        If its files are damaged.
    """
    sentences, tables = read_comparison(folder) if read is None else read
    return Comparison(
        sentences=sentences,
        tables=tuple(map(content.as_it_may_stand, tables)),
        figures=_pictures(folder, _COMPARISON_FIGURES),
    )


def _froc_words(overall: GroupSummary) -> str:
    lesion = overall.lesion
    points = []
    for i in (0, 9, 18):
        sensitivity, rate = lesion.sensitivity[i].mean, lesion.fp_per_scan[i].mean
        if sensitivity is not None and rate is not None:
            points.append(f"sensitivity {sensitivity:.2f} at {rate:.2f} false positives per scan for IoU above "
                          f"{lesion.threshold[i]:g}")  # fmt: skip
    return f"FROC curve: {'; '.join(points)}. The table of the FROC has every point." if points else "FROC curve."


def _froc_table(overall: GroupSummary) -> Table:
    lesion = overall.lesion
    rows = []
    for i, threshold in enumerate(lesion.threshold):
        sensitivity, rate = lesion.sensitivity[i], lesion.fp_per_scan[i]
        cells = (
            str(lesion.tp[i]), str(lesion.fn[i]), str(lesion.fp[i]),
            *(value_text(metric.mean, metric.ci95, digits=2) for metric in (sensitivity, rate)),
        )  # fmt: skip
        rows.append(Row(f"IoU > {threshold:g}", cells))
    columns = ("Found", "Missed", "False positives", "Sensitivity (95% CI)", "FP per scan (95% CI)")
    return Table("The FROC in figures", "Match", columns, tuple(rows))


def _figures(content: StudyContent, folder: Path) -> tuple[Picture, ...]:
    cases = content.summary.overall.cases
    return _pictures(
        folder,
        (
            (
                "dice_by_size.png",
                "Dice score of every case against the largest axial diameter of its tumour, with the median of each "
                f"size class. {_size_words(content)}",
                "Dice score against tumour size, a point a case.",
            ),
            (
                "volumes.png",
                f"Bland-Altman plot of predicted against reference volume of {cases} cases, with limits of agreement.",
                "Predicted against reference volume (Bland-Altman): difference over mean, a point a case.",
            ),
            (
                "institutions.png",
                f"Forest plot of the mean Dice score of each of {content.institutions} institutions and of all cases.",
                "Mean Dice score by institution.",
            ),
            (
                "score_froc.png",
                "Score FROC: sensitivity against false positives per scan as the asked probability of a lesion falls.",
                "Score FROC: lesions ranked by the model's probability; not the paper's curve.",
            ),
        ),
    )


def _pictures(folder: Path, described: Iterable[tuple[str, str, str]]) -> tuple[Picture, ...]:
    """Read those pictures of a folder that are there: file, what is seen, caption."""
    found = (read_picture(folder / name, alt=alt, caption=caption) for name, alt, caption in described)
    return tuple(picture for picture in found if picture is not None)


def _size_words(content: StudyContent) -> str:
    parts = []
    for group, name, summary in content.summary.subgroups:
        mean = summary.voxel["dice"].mean
        if group == "tumour_size" and mean is not None:
            parts.append(f"{subgroup_title(group, name)}: mean {mean:.2f} in {summary.cases}")
    return f"{'; '.join(parts)}." if parts else ""


def _evaluate_again(content: StudyContent, why: str, *options: str) -> Missing:
    return Missing(why, (content.evaluate_command(*options, output=content.study.evaluation.path),))


def _no_comparison(content: StudyContent) -> Missing:
    dataset = content.study.dataset
    number = dataset.name[7:10] if dataset is not None and dataset.name[7:10].isdigit() else "711"
    others = [found.path for found in content.study.evaluations if found.path != content.study.evaluation.path]
    ours = content.study.evaluation.path
    if others:
        beside = ("--published",) if content.facts.of_patients else ()
        command = content.command("compare", ours, *others, "-o", "comparison", *beside)
    elif (content.study.folder / SETTINGS_FILE).is_file():
        command = content.command("study", content.study.folder, "--baseline")
    else:  # compares at its end
        command = content.command("baseline", "-d", number, "-o", "baseline", "--evaluation", ours)
    why = "The model was not compared with another one on the same cases."
    if content.facts.of_patients:
        why += " The published figures in section 3 are of other cases and no such comparison."
    return Missing(why, (command,))
