"""Overlays of the worst and best cases, in three planes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from nnunet_amt.errors import BadInputError
from nnunet_amt.overlays import CaseCrop, overlay_png
from nnunet_amt.progress import Progress, silent
from nnunet_amt.report.evaluated_cases import EvaluatedCase
from nnunet_amt.report.failure_story import case_story
from nnunet_amt.report.pictures import Picture, png_picture
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.study import read_study_cases, study_crop

__all__ = ["case_pictures"]

Plane = Literal["axial", "coronal", "sagittal"]
_MARGIN_MM, _LEAST_MM = 25.0, 100.0


def case_pictures(
    content: StudyContent, cases: Iterable[EvaluatedCase], report: Progress = silent
) -> tuple[dict[str, tuple[Picture, ...]], str]:
    """Draw the overlays of some cases.

    Returns
    -------
    dict of tuple of Picture
        Axial, coronal and sagittal of each case.
    str
        Why there are none, if the label maps are gone or are others than those evaluated; else empty.
    """
    wanted = list({case.case_id: case for case in cases}.values())
    rows = {row.case_id: row for row in read_study_cases(content.study.evaluation)}
    foreground = content.summary.settings.foreground
    pictures = {}
    for done, case in enumerate(wanted):
        report(done, len(wanted), "drawing cases")
        try:
            crop = study_crop(content.study, rows[case.case_id], _MARGIN_MM, foreground, _LEAST_MM)
        except BadInputError as error:
            return {}, _reason(error)
        pictures[case.case_id] = tuple(_picture(crop, case, plane) for plane in get_args(Plane))
    report(len(wanted), len(wanted), "drawing cases")
    return pictures, ""


def _picture(crop: CaseCrop, case: EvaluatedCase, plane: Plane) -> Picture:
    what = case_story(case).sentences[0]
    seen = "CT" if crop.image is not None else "masks on black, for want of a CT"
    alt = f"{plane.capitalize()} slice of case {case.case_id}, {seen}, reference and prediction outlined. {what}"
    return png_picture(overlay_png(crop, plane), alt, plane.capitalize())


def _reason(error: BadInputError) -> str:
    """Leave the folders of this machine out of the page."""
    return f"There are no pictures of cases: {str(error).rpartition('/')[2]}."
