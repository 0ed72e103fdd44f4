"""Single cases: what happened, what stands out, and how it looks in three planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.report.circumstances import circumstances
from nnunet_amt.report.failure_story import CaseStory, case_story
from nnunet_amt.report.pictures import Picture
from nnunet_amt.report.study_content import StudyContent

WORST_CASES, BEST_CASES = 5, 3


@dataclass(frozen=True)
class CaseCard:
    """A case to look at.

    Attributes
    ----------
    story
        What happened.
    circumstances
        What stands out, in sentences; may be empty.
    looked_at
        What was compared for that, in words.
    pictures
        Slices through the tumour, and through a false positive that matters; none where they could not be made.
    about
        Diagnosis and scanner, as far as known.
    """

    story: CaseStory
    circumstances: tuple[str, ...]
    looked_at: str
    pictures: tuple[Picture, ...]
    about: str

    @property
    def link(self) -> str:
        """Where the viewer shows the case."""
        return f"#view-{self.story.case_id}"


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
    content: StudyContent, cases: Sequence[EvaluatedCase], pictures: Mapping[str, tuple[Picture, ...]]
) -> tuple[CaseCard, ...]:
    """Make the cards of some cases."""
    return tuple(
        CaseCard(
            story=case_story(case, content.failed.get(case.case_id)),
            circumstances=circumstances(case, content.background),
            looked_at=_looked_at(content, case),
            pictures=pictures.get(case.case_id, ()),
            about=_about(content.tested.get(case.case_id, {})),
        )
        for case in cases
    )


def _looked_at(content: StudyContent, case: EvaluatedCase) -> str:
    features = content.failed[case.case_id].features if case.case_id in content.failed else {}
    names = []
    if case.size_mm is not None:
        names.append("size")
    if "mean_hu" in features:
        names.append("density")
    if "sphericity" in features:
        names.append("shape")
    if content.background.training and case.case_id in content.tested:
        row = content.tested[case.case_id]
        stated = (("histology", "diagnosis"), ("manufacturer", "scanner"), ("slice_thickness_mm", "slice thickness"))
        names += [what for column, what in stated if row.get(column)]
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _about(row: Mapping[str, str]) -> str:
    parts = [row[column] for column in ("histology", "manufacturer") if row.get(column)]
    if row.get("slice_thickness_mm"):
        parts.append(f"slices of {row['slice_thickness_mm']} mm")
    return ", ".join(parts)
