"""Single cases: what happened, what stands out, and how it looks in three planes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.pictures import Voxel, case_panel
from nnunet_amt.report.case_story import CaseStory, CohortRow, case_story, circumstances, sized
from nnunet_amt.report.page_parts import Picture, png_picture
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.report.viewer import LoadedCase, viewer_cases
from nnunet_amt.writing.numbers import joined

Pictures = tuple[Picture, ...]

_PANEL_PIXELS = 480  # of the longest edge: sharp in print at a third of the page's width
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
    pictures: Pictures
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
    content: StudyContent, cases: Sequence[EvaluatedCase], pictures: Mapping[str, Pictures]
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


def case_pictures(
    content: StudyContent, cases: Iterable[EvaluatedCase], *, progress: Progress = silent
) -> tuple[dict[str, Pictures], str]:
    """Draw the overlays of some cases: through the tumour, and through a false positive that makes most of the error.

    Returns
    -------
    dict of tuple of Picture
        By case; each has an axial, a coronal and a sagittal slice side by side.
    str
        Why there are none, if the label maps are gone or are others than those evaluated; else empty.
    """
    wanted = list({case.case_id: case for case in cases}.values())
    pictures = {}
    try:
        shown = viewer_cases(content.study, cases=wanted, settings=content.summary.settings)
        for done, (case, viewed) in enumerate(zip(wanted, shown, strict=True)):
            progress(done, len(wanted), "drawing cases")
            pictures[case.case_id] = tuple(_pictures(case, viewed.load()))
    except BadInputError as error:
        return {}, f"There are no pictures of cases: {content.without_folders(str(error))}."
    progress(len(wanted), len(wanted), "drawing cases")
    return pictures, ""


def _looked_at(content: StudyContent, case: EvaluatedCase) -> str:
    features = content.failed[case.case_id].features if case.case_id in content.failed else {}
    names = []
    if case.size_mm is not None:
        names.append("size")
    if "mean_hu" in features:
        names.append("density")
    if "sphericity" in features:
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


def _pictures(case: EvaluatedCase, loaded: LoadedCase) -> Iterator[Picture]:
    where = "the tumour" if loaded.crop.reference.any() else "the prediction"
    yield _picture(case, loaded, None, where if loaded.crop.prediction.any() or case.fn else "the middle of the CT")
    largest = max(loaded.false_positives, key=lambda found: found.voxels, default=None)
    apart = {lesion.lesion for lesion in case.false_positives if not lesion.overlaps}
    if largest is not None and largest.lesion in apart and case.tp + case.fn and 2 * largest.voxels > case.fp + case.fn:
        what = f"the largest false positive ({sized(largest.volume_ml)})"
        yield _picture(case, loaded, loaded.voxel_at(largest.where), what)


def _picture(case: EvaluatedCase, loaded: LoadedCase, at: Voxel | None, where: str) -> Picture:
    seen = "CT" if loaded.crop.image is not None else "Masks on black, for want of a CT,"
    alt = (
        f"{seen} of case {case.case_id} in an axial, a coronal and a sagittal slice through {where}, with the outlines "
        f"of reference and prediction. {case_story(case).sentences[0]}"
    )
    panel = case_panel(loaded.crop, size=_PANEL_PIXELS, at=at)
    return png_picture(panel, alt=alt, caption=f"Slices through {where}, all to one scale.")
