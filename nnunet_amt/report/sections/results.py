"""Section 3: how good. Tables 3 and 4, FROC, the other figures, and whether the published rows add up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_amt import paper
from nnunet_amt.evaluation.published import AverageCheck, published_checks
from nnunet_amt.evaluation.results.tables import group_title, result_tables, subgroup_title
from nnunet_amt.evaluation.summary.summary import GroupSummary
from nnunet_amt.report.markdown_reader import read_markdown
from nnunet_amt.report.pictures import Picture, read_picture
from nnunet_amt.report.section import Missing, Section
from nnunet_amt.report.study_content import StudyContent, study_command
from nnunet_amt.report.text_table import TextRow, TextTable, markdown_table, result_table


@dataclass(frozen=True)
class Results:
    """What the section shows.

    Attributes
    ----------
    tables
        In the form of Tables 3 and 4.
    notes
        What their rows, figures and signs mean.
    froc, froc_table
        The curve, and its points.
    figures
        The others.
    more_tables
        Of analyses that were asked for.
    checks
        Sentences on whether the published rows average to their overall row.
    missing
        Figures that are not there.
    """

    tables: tuple[TextTable, ...]
    notes: tuple[str, ...]
    froc: Picture | None
    froc_table: TextTable
    figures: tuple[Picture, ...]
    more_tables: tuple[TextTable, ...]
    checks: tuple[str, ...]
    missing: tuple[Missing, ...]


def results_section(content: StudyContent) -> Section:
    """Take tables from summary.json and figures from the evaluation's folder."""
    summary, folder = content.summary, content.study.evaluation.path
    tables = result_tables(summary.settings, summary.overall, summary.subgroups)
    froc = read_picture(folder / "froc.png", _froc_words(summary.overall), _FROC_CAPTION)
    figures = _figures(content, folder)
    results = Results(
        tables=tuple(result_table(table) for table in tables.tables),
        notes=(*tables.notes, *tables.left_out),
        froc=froc,
        froc_table=_froc_table(summary.overall),
        figures=figures,
        more_tables=_more_tables(folder),
        checks=_published_words(published_checks()),
        missing=() if froc is not None else (_missing_figures(content),),
    )
    return Section("results", "How good", "results.html.j2", results)


_FROC_CAPTION = (
    "FROC: sensitivity against false positives per scan, a point for each of 19 IoU thresholds that a match must "
    "exceed, with 95% intervals; the paper's operating point (IoU > 0.5) beside ours. Form of the paper's Fig. 4."
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


def _froc_table(overall: GroupSummary) -> TextTable:
    lesion = overall.lesion
    rows = []
    for i, threshold in enumerate(lesion.threshold):
        sensitivity, rate = lesion.sensitivity[i], lesion.fp_per_scan[i]
        cells = (
            str(lesion.tp[i]), str(lesion.fn[i]), str(lesion.fp[i]),
            _with_interval(sensitivity.mean, sensitivity.ci95), _with_interval(rate.mean, rate.ci95),
        )  # fmt: skip
        rows.append(TextRow(f"IoU > {threshold:g}", cells))
    columns = ("Match", "Found", "Missed", "False positives", "Sensitivity (95% CI)", "FP per scan (95% CI)")
    return TextTable("The FROC in figures", columns, tuple(rows))


def _with_interval(mean: float | None, interval: tuple[float, float] | None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.2f}" if interval is None else f"{mean:.2f} ({interval[0]:.2f}–{interval[1]:.2f})"


def _figures(content: StudyContent, folder: Path) -> tuple[Picture, ...]:
    cases = content.summary.overall.cases
    found = (
        read_picture(
            folder / "dice_by_size.png",
            f"Dice score of every case against the largest axial diameter of its tumour, with the median of each size "
            f"class. {_size_words(content)}",
            "Dice score against tumour size, a point a case.",
        ),
        read_picture(
            folder / "volumes.png",
            f"Bland-Altman plot of predicted against reference volume of {cases} cases, with limits of agreement.",
            "Predicted against reference volume (Bland-Altman): difference over mean, a point a case.",
        ),
        read_picture(
            folder / "institutions.png",
            f"Forest plot of the mean Dice score of each of {content.institutions} institutions and of all cases.",
            "Mean Dice score by institution.",
        ),
        read_picture(
            folder / "score_froc.png",
            "Score FROC: sensitivity against false positives per scan as the asked probability of a lesion falls.",
            "Score FROC: lesions ranked by the model's probability; not the paper's curve.",
        ),
    )
    return tuple(picture for picture in found if picture is not None)


def _size_words(content: StudyContent) -> str:
    parts = []
    for group, name, summary in content.summary.subgroups:
        mean = summary.voxel["dice"].mean
        if group == "tumour_size" and mean is not None:
            parts.append(f"{subgroup_title(group, name)}: mean {mean:.2f} in {summary.cases}")
    return f"{'; '.join(parts)}." if parts else ""


def _more_tables(folder: Path) -> tuple[TextTable, ...]:
    return tuple(
        markdown_table(part.heading or "Lesion definitions", table, part.notes)
        for part in read_markdown(folder / "component_analysis.md")
        for table in part.tables
    )


def _published_words(checks: tuple[AverageCheck, ...]) -> tuple[str, ...]:
    sentences = ["Our own rows add up: an evaluation whose subgroups do not average to its overall row is not written."]
    wrong: dict[tuple[int, str], list[str]] = {}
    for check in checks:
        if not check.consistent:
            wrong.setdefault((check.table, check.group), []).append(
                f"{check.metric} {check.average[0]:.3f} against {check.overall:.2f}"
            )
    for (table, group), metrics in wrong.items():
        sentences.append(
            f"The published rows by {group_title(group).lower()} in Table {table} do not: weighted with their cases "
            f"they average to another value than the overall row ({', '.join(metrics)}), beyond rounding. "
            "Compare with the overall row, not with these."
        )
    if not wrong:
        sentences.append("So do the published ones, within their rounding.")
    sentences.append(f"Published: {paper.CITATION}; its figures have two decimals.")
    return tuple(sentences)


def _missing_figures(content: StudyContent) -> Missing:
    evaluation = content.study.evaluation
    words: list[str | Path] = [
        "evaluate",
        evaluation.predictions or "PREDICTIONS",
        evaluation.references or "REFERENCES",
    ]
    words += ["-o", evaluation.path]
    if evaluation.cohort is not None:
        words += ["--cohort", evaluation.cohort]
    return Missing("The evaluation's folder holds no froc.png.", (study_command(content, *words),))
