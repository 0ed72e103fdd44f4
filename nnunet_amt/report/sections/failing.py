"""Sections 4 and 5: where it fails, and a look at the cases: the viewer, and the triage of false positives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnunet_amt import paper
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.report.case_story import CohortRow, failure_kind, size_text, sized
from nnunet_amt.report.page_parts import Missing, Picture, Section, read_picture
from nnunet_amt.report.sections.case_cards import CaseCard, Pictures, best_cases, case_cards, worst_cases
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.writing.numbers import value_text
from nnunet_amt.writing.table import Row, Table

# The worst cases stand as pictures on the page, so the table of them is left out.
_LEFT_OUT = "The worst cases"


@dataclass(frozen=True)
class Failing:
    """What section 4 shows.

    Attributes
    ----------
    worst, best
        Cases to look at.
    all_cases
        Every case, the lowest Dice first.
    analysis
        Tables of the failure analysis; of one without rows title and notes alone.
    features
        Its figure.
    missing
        What is not there.
    """

    worst: tuple[CaseCard, ...]
    best: tuple[CaseCard, ...]
    all_cases: Table
    analysis: tuple[Table, ...]
    features: Picture | None
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class Viewing:
    """What section 5 shows.

    Attributes
    ----------
    html
        Of the viewer; empty without one.
    missing
        Why there is none.
    """

    html: str
    missing: tuple[Missing, ...] = ()


def failing_section(
    content: StudyContent, *, pictures: Mapping[str, Pictures], no_pictures: str, viewer: bool
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
    features = None
    if failures is None:
        missing.append(Missing("The failure analysis was not made.", (_failures_command(content),)))
    else:
        features = read_picture(
            failures / "failure_features.png",
            alt="Box plots of the features of the reference in the worst and the best segmented tenth of the cases; "
            "the table above has their medians, quartiles and p-values.",
            caption="Features of the tumours in the worst and in the best segmented tenth.",
        )
        if content.failure_tables is None:
            why = "The failure analysis was made by an earlier version, which wrote no tables for this page."
            missing.append(Missing(why, (_failures_command(content),)))
    failing = Failing(
        worst=case_cards(content, worst_cases(content), pictures),
        best=case_cards(content, best_cases(content), pictures),
        all_cases=_all_cases(content, viewer),
        analysis=tuple(table for table in content.failure_tables or () if table.title != _LEFT_OUT),
        features=features,
        missing=tuple(missing),
    )
    return Section("failures", "Where it fails", "failing.html.j2", failing)


def viewing_section(content: StudyContent, *, html: str, why_not: str) -> Section:
    """Put the viewer in, or say why there is none."""
    again = content.command("report", ".", "-o", "report.html")
    missing = () if html else (Missing(why_not, (again,)),)
    return Section("cases", "Look at the cases", "viewing.html.j2", Viewing(html, missing))


def _failures_command(content: StudyContent) -> str:
    evaluation = content.study.evaluation
    output = content.study.failures or evaluation.path.with_name(f"{evaluation.path.name}_failures")
    predictions, references = evaluation.predictions or "PREDICTIONS", evaluation.references or "REFERENCES"
    images = content.study.images
    more = () if images is None else ("--images", images)
    return content.command("failures", predictions, references, "-o", output, *more)


def _all_cases(content: StudyContent, viewer: bool) -> Table:
    rows = tuple(_case_row(case, content.tested.get(case.case_id, {}), viewer) for case in content.cases)
    columns = ("Dice", "Outcome", "Tumour", "Reference", "Prediction", "Lesions found", "False positives", "Diagnosis")
    notes = (
        "Tumour: largest axial diameter. Lesions found and false positives: at IoU > 0.1. Success: Dice above "
        f"{paper.SUCCESSFUL_DICE:.2f}; a success may have false positives too.",
    )
    words = frozenset({columns.index("Outcome"), columns.index("Diagnosis")})
    return Table(f"All {len(rows)} cases, lowest Dice first", "Case", columns, rows, notes, words)


def _case_row(case: EvaluatedCase, about: CohortRow, viewer: bool) -> Row:
    cells = (
        value_text(case.dice, digits=2),
        failure_kind(case),
        size_text(case.size_mm),
        "–" if case.size_mm is None else sized(case.reference_ml),
        sized(case.prediction_ml),
        f"{case.found_01} of {case.reference_lesions}",
        str(len(case.false_positives)),
        about.get("histology", "") or "–",
    )
    return Row(case.case_id, cells, link=f"#view-{case.case_id}" if viewer else "")
