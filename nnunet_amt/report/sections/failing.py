"""Sections 4 and 5: where it fails, case by case, and a look at the cases in the viewer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nnunet_amt import paper
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.report.case_pictures import Pictures
from nnunet_amt.report.case_story import (
    SHAPE_VOXELS,
    CaseStory,
    CohortRow,
    case_story,
    circumstances,
    failure_kind,
    has_failed,
    size_text,
    sized,
)
from nnunet_amt.report.page_parts import Missing, Picture, Section, read_picture
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.report.viewer import view_link
from nnunet_amt.writing.numbers import joined, value_text
from nnunet_amt.writing.table import Row, Table

WORST_CASES, BEST_CASES = 5, 3
# These cases stand as pictures on the page, so the table of them is left out.
_LEFT_OUT = "The cases of lowest Dice"


@dataclass(frozen=True)
class CaseCard:
    """A case to look at.

    Attributes
    ----------
    circumstances
        What stands out in a case that failed, in sentences; may be empty.
    looked_at
        What was compared for that, in words; empty of a case that did not fail.
    pictures
        Slices through the tumour and where most of the error is; none where they could not be made.
    about
        Diagnosis and scanner, as far as known.
    """

    story: CaseStory
    circumstances: tuple[str, ...]
    looked_at: str
    pictures: Pictures
    about: str

    @property
    def link(self) -> str:
        """Where the viewer shows the case."""
        return view_link(self.story.case_id)


@dataclass(frozen=True)
class Failing:
    """What section 4 shows.

    Attributes
    ----------
    none_failed
        That no case did, in a sentence; empty where one did.
    worst, best
        The cases of lowest and of highest Dice.
    all_cases
        Every case, the lowest Dice first.
    analysis, features
        Tables of the failure analysis, of one without rows title and notes alone; and its figure.
    """

    none_failed: str
    worst: tuple[CaseCard, ...]
    best: tuple[CaseCard, ...]
    all_cases: Table
    analysis: tuple[Table, ...]
    features: Picture | None
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class Viewing:
    """What section 5 shows: the viewer's HTML, or why there is none, and what to know of its cases; may be empty."""

    html: str
    missing: tuple[Missing, ...] = ()
    note: str = ""


def failing_section(
    content: StudyContent, *, pictures: Mapping[str, Pictures], no_pictures: str, viewer: bool
) -> Section:
    """Show the worst and best cases, every case, and the failure analysis.

    `pictures` are of the worst and best cases, `no_pictures` says why there are none, `viewer` whether the page has one
    that a case can link to.
    """
    failures = content.study.failures
    missing = [Missing(no_pictures)] if no_pictures else []
    features = None
    if failures is None:
        missing.append(Missing("The failure analysis was not made.", (content.failures_command(),)))
    else:
        features = read_picture(
            failures / "failure_features.png",
            alt="Box plots of the features of the reference in the worst and the best segmented tenth of the cases; "
            "the table above has their medians, quartiles and p-values.",
            caption="Features of the tumours in the worst and in the best segmented tenth.",
        )
        if content.failure_tables is None:
            why = "The failure analysis was made by an earlier version, which wrote no tables for this page."
            missing.append(Missing(why, (content.failures_command(),)))
    none_failed = "" if any(map(has_failed, content.cases)) else "No case failed by the definition of this page."
    failing = Failing(
        none_failed=none_failed,
        worst=case_cards(content, worst_cases(content), pictures),
        best=case_cards(content, best_cases(content), pictures),
        all_cases=_all_cases(content, viewer),
        analysis=tuple(
            content.as_it_may_stand(table) for table in content.failure_tables or () if table.title != _LEFT_OUT
        ),
        features=features,
        missing=tuple(missing),
    )
    return Section("failures", "Where it fails", "failing.html.j2", failing)


def viewing_section(content: StudyContent, *, html: str, why_not: str) -> Section:
    """Put the viewer in, or say why there is none."""
    again = content.command("report", ".", "-o", "report.html")
    missing = () if html else (Missing(why_not, (again,)),)
    exact = "The reference of a phantom is its drawing and lacks nothing: the triage here only shows how one is made."
    note = exact if html and content.facts.synthetic else ""
    return Section("cases", "Look at the cases", "viewing.html.j2", Viewing(html, missing, note))


def worst_cases(content: StudyContent) -> tuple[EvaluatedCase, ...]:
    """Take the cases of lowest Dice, the lowest first; of few cases no more than half."""
    defined = [case for case in content.cases if case.dice is not None]
    return tuple(defined[: min(WORST_CASES, max(1, len(defined) // 2))]) if defined else ()


def best_cases(content: StudyContent) -> tuple[EvaluatedCase, ...]:
    """Take the cases of highest Dice, the highest first; none that is among the worst."""
    worst = {case.case_id for case in worst_cases(content)}
    defined = [case for case in content.cases if case.dice is not None and case.case_id not in worst]
    return tuple(reversed(defined[-BEST_CASES:]))


def case_cards(
    content: StudyContent, cases: Iterable[EvaluatedCase], pictures: Mapping[str, Pictures]
) -> tuple[CaseCard, ...]:
    """Make the cards of some cases."""
    return tuple(
        CaseCard(
            story=case_story(case, content.failed.get(case.case_id)),
            circumstances=circumstances(case, content.background),
            looked_at=_looked_at(content, case) if has_failed(case) else "",
            pictures=pictures.get(case.case_id, ()),
            about=_about(content.tested.get(case.case_id, {})),
        )
        for case in cases
    )


def _all_cases(content: StudyContent, viewer: bool) -> Table:
    rows = []
    for case in content.cases:
        cells = (
            value_text(case.dice, digits=2),
            failure_kind(case),
            size_text(case.size_mm),
            "–" if case.size_mm is None else sized(case.reference_cm3),
            sized(case.prediction_cm3),
            f"{case.found_01} of {case.reference_lesions}",
            str(len(case.false_positives)),
            content.tested.get(case.case_id, {}).get("histology", "") or "–",
        )
        rows.append(Row(case.case_id, cells, link=view_link(case.case_id) if viewer else ""))
    columns = ("Dice", "Outcome", "Tumour", "Reference", "Prediction", "Lesions found", "False positives", "Diagnosis")
    notes = (
        "Tumour: largest axial diameter. Lesions found and false positives: at IoU > 0.1. Success: Dice above "
        f"{paper.SUCCESSFUL_DICE:.2f}; a success may have false positives too. Every other case with a tumour failed: "
        "it is missed completely, or under-segmented (more voxels missed than added), or over-segmented. Classes of "
        "size go by the diameter as it is, not as it is rounded here.",
    )
    words = frozenset({columns.index("Outcome"), columns.index("Diagnosis")})
    return Table(f"All {len(rows)} cases, lowest Dice first", "Case", columns, tuple(rows), notes, words)


def _looked_at(content: StudyContent, case: EvaluatedCase) -> str:
    features = content.failed[case.case_id].features if case.case_id in content.failed else {}
    names = []
    if case.size_mm is not None:
        names.append("size")
    if "mean_hu" in features:
        names.append("density")
    if "sphericity" in features and case.tp + case.fn >= SHAPE_VOXELS:
        names.append("shape")
    if content.training and case.case_id in content.tested:
        row = content.tested[case.case_id]
        stated = (("histology", "diagnosis"), ("manufacturer", "scanner"), ("slice_thickness_mm", "slice thickness"))
        names += [what for column, what in stated if row.get(column)]
    return joined(names)


def _about(row: CohortRow) -> str:
    parts = [row[column] for column in ("histology", "manufacturer") if row.get(column)]
    if row.get("slice_thickness_mm"):
        parts.append(f"slices of {row['slice_thickness_mm']} mm")
    return ", ".join(parts)
