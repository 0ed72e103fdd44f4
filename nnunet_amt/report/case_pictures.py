"""Overlays of the worst and best cases, in three planes."""

from __future__ import annotations

from collections.abc import Iterable

from nnunet_amt.errors import BadInputError
from nnunet_amt.overlays import case_panel
from nnunet_amt.progress import Progress, silent
from nnunet_amt.report.evaluated_cases import EvaluatedCase
from nnunet_amt.report.failure_story import case_story
from nnunet_amt.report.pictures import Picture, png_picture
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.study import StudyCase, read_study_cases, study_crop

__all__ = ["case_pictures"]

_SIZE = 480  # pixels of the longest edge: sharp in print at a third of the page's width
_MARGIN_MM, _LEAST_MM = 20.0, 100.0


def case_pictures(
    content: StudyContent, cases: Iterable[EvaluatedCase], report: Progress = silent
) -> tuple[dict[str, Picture], str]:
    """Draw the overlays of some cases.

    Returns
    -------
    dict of Picture
        Axial, coronal and sagittal side by side, by case.
    str
        Why there are none, if the label maps are gone or are others than those evaluated; else empty.
    """
    wanted = list({case.case_id: case for case in cases}.values())
    rows = {row.case_id: row for row in read_study_cases(content.study.evaluation)}
    pictures = {}
    for done, case in enumerate(wanted):
        report(done, len(wanted), "drawing cases")
        try:
            pictures[case.case_id] = _picture(content, case, rows[case.case_id])
        except BadInputError as error:
            return {}, _reason(error)
    report(len(wanted), len(wanted), "drawing cases")
    return pictures, ""


def _picture(content: StudyContent, case: EvaluatedCase, row: StudyCase) -> Picture:
    crop = study_crop(content.study, row, _MARGIN_MM, content.summary.settings.foreground, _LEAST_MM)
    seen = "CT" if crop.image is not None else "Masks on black, for want of a CT,"
    alt = (
        f"{seen} of case {case.case_id} in an axial, a coronal and a sagittal slice with the outlines of reference and "
        f"prediction. {case_story(case).sentences[0]}"
    )
    return png_picture(case_panel(crop, _SIZE), alt, "Axial, coronal and sagittal, all to one scale.")


def _reason(error: BadInputError) -> str:
    """Leave the folders of this machine out of the page."""
    return f"There are no pictures of cases: {str(error).rpartition('/')[2]}."
