"""Section 4: where it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.report.failure_story import SUCCESS_ABOVE, dice_text, failure_kind, size_text, sized
from nnunet_amt.report.markdown_reader import MarkdownPart, read_markdown
from nnunet_amt.report.pictures import Picture, read_picture
from nnunet_amt.report.section import Missing, Section
from nnunet_amt.report.sections.case_cards import CaseCard, best_cases, case_cards, worst_cases
from nnunet_amt.report.study_content import StudyContent, study_command
from nnunet_amt.report.text_table import TextRow, TextTable, markdown_table

# The worst cases stand as pictures on the page, so the table of them is left out.
_LEFT_OUT = "The worst cases"


@dataclass(frozen=True)
class Analysis:
    """A part of the failure analysis: heading and sentences, or tables that have both in caption and notes."""

    heading: str
    notes: tuple[str, ...]
    tables: tuple[TextTable, ...]


@dataclass(frozen=True)
class Failing:
    """What the section shows.

    Attributes
    ----------
    worst, best
        Cases to look at.
    all_cases
        Every case, the lowest Dice first.
    analysis
        Parts of the failure analysis.
    features
        Its figure.
    missing
        What is not there.
    """

    worst: tuple[CaseCard, ...]
    best: tuple[CaseCard, ...]
    all_cases: TextTable
    analysis: tuple[Analysis, ...]
    features: Picture | None
    missing: tuple[Missing, ...]


def failing_section(
    content: StudyContent, pictures: Mapping[str, tuple[Picture, ...]], no_pictures: str, viewer: bool
) -> Section:
    """Show the worst and best cases, every case, and the failure analysis.

    Parameters
    ----------
    content
        The study.
    pictures
        Of the worst and best cases.
    no_pictures
        Why there are none; empty if there are.
    viewer
        Whether the page has one that a case can link to.
    """
    failures = content.study.failures
    missing = [Missing(no_pictures)] if no_pictures else []
    parts: tuple[MarkdownPart, ...] = ()
    features = None
    if failures is None:
        missing.append(Missing("The failure analysis was not made.", (_failures_command(content),)))
    else:
        parts = read_markdown(failures / "failures.md")
        features = read_picture(
            failures / "failure_features.png",
            "Box plots of the features of the reference in the worst and the best segmented tenth of the cases; the "
            "table above has their medians, quartiles and p-values.",
            "Features of the tumours in the worst and in the best segmented tenth.",
        )
    failing = Failing(
        worst=case_cards(content, worst_cases(content), pictures),
        best=case_cards(content, best_cases(content), pictures),
        all_cases=_all_cases(content, viewer),
        analysis=tuple(_analysis(part) for part in parts if part.heading != _LEFT_OUT),
        features=features,
        missing=tuple(missing),
    )
    return Section("failures", "Where it fails", "failing.html.j2", failing)


def _analysis(part: MarkdownPart) -> Analysis:
    if not part.tables:
        return Analysis(part.heading, part.notes, ())
    return Analysis("", (), tuple(markdown_table(part.heading, table, part.notes) for table in part.tables))


def _failures_command(content: StudyContent) -> str:
    evaluation = content.study.evaluation
    output = evaluation.path.with_name(f"{evaluation.path.name}_failures")
    predictions, references = evaluation.predictions or "PREDICTIONS", evaluation.references or "REFERENCES"
    images = content.study.images
    more = () if images is None else ("--images", images)
    return study_command(content, "failures", predictions, references, "-o", output, *more)


def _all_cases(content: StudyContent, viewer: bool) -> TextTable:
    rows = tuple(_case_row(case, content.tested.get(case.case_id, {}), viewer) for case in content.cases)
    columns = ("Case", "Dice", "Outcome", "Tumour", "Reference", "Prediction", "Lesions found", "False positives")
    notes = (
        "Tumour: largest axial diameter. Lesions found and false positives: at IoU > 0.1. Success: Dice above "
        f"{SUCCESS_ABOVE:.2f}; a success may have false positives too.",
    )
    title = f"All {len(rows)} cases, lowest Dice first"
    return TextTable(title, (*columns, "Diagnosis"), rows, notes, words=frozenset({2, 8}))


def _case_row(case: EvaluatedCase, about: Mapping[str, str], viewer: bool) -> TextRow:
    cells = (
        dice_text(case),
        failure_kind(case),
        size_text(case.size_mm),
        "–" if case.size_mm is None else sized(case.reference_ml),
        sized(case.prediction_ml),
        f"{case.found_01} of {case.reference_lesions}",
        str(len(case.false_positives)),
        about.get("histology", "") or "–",
    )
    return TextRow(case.case_id, cells, link=f"#view-{case.case_id}" if viewer else "")
