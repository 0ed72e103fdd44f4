"""Overlays of the worst and best cases, in three planes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.pictures import Voxel, case_panel
from nnunet_amt.report.failure_story import case_story, sized
from nnunet_amt.report.pictures import Picture, png_picture
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.report.viewer import FalsePositive, LoadedCase, viewer_cases

Pictures = tuple[Picture, ...]

_SIZE = 480  # pixels of the longest edge: sharp in print at a third of the page's width
_PATH = re.compile(r"(?<!\S)(?:[A-Za-z]:)?[/\\](?:[^\s/\\:]+[/\\])*")  # the folders before a name


def case_pictures(
    content: StudyContent, cases: Iterable[EvaluatedCase], progress: Progress = silent
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
        loaders = {case.case_id: case.load for case in viewer_cases(content.study)}
        for done, case in enumerate(wanted):
            progress(done, len(wanted), "drawing cases")
            pictures[case.case_id] = tuple(_pictures(case, loaders[case.case_id]()))
    except BadInputError as error:
        return {}, f"There are no pictures of cases: {without_folders(error, content)}."
    progress(len(wanted), len(wanted), "drawing cases")
    return pictures, ""


def without_folders(error: BadInputError, content: StudyContent) -> str:
    """Give an error's text as a page may tell it: of every path the last name alone."""
    text, evaluation = str(error), content.study.evaluation
    known = (content.study.folder, evaluation.path, evaluation.predictions, evaluation.references, content.study.images)
    folders: set[Path] = {folder for path in known if path is not None for folder in (path, path.resolve())}
    for folder in sorted(folders, key=lambda folder: -len(str(folder))):
        text = text.replace(str(folder), folder.name)
    return _PATH.sub("", text)


def _pictures(case: EvaluatedCase, loaded: LoadedCase) -> Iterator[Picture]:
    where = "the tumour" if loaded.crop.reference.any() else "the prediction"
    yield _picture(case, loaded, None, where if loaded.crop.prediction.any() or case.fn else "the middle of the CT")
    largest = max(loaded.false_positives, key=lambda found: found.voxels, default=None)
    apart = {lesion.lesion for lesion in case.false_positives if not lesion.overlaps}
    if largest is not None and largest.lesion in apart and case.tp + case.fn and 2 * largest.voxels > case.fp + case.fn:
        what = f"the largest false positive ({sized(largest.volume_ml)})"
        yield _picture(case, loaded, _voxel(largest, loaded), what)


def _picture(case: EvaluatedCase, loaded: LoadedCase, at: Voxel | None, where: str) -> Picture:
    seen = "CT" if loaded.crop.image is not None else "Masks on black, for want of a CT,"
    alt = (
        f"{seen} of case {case.case_id} in an axial, a coronal and a sagittal slice through {where}, with the outlines "
        f"of reference and prediction. {case_story(case).sentences[0]}"
    )
    return png_picture(case_panel(loaded.crop, size=_SIZE, at=at), alt, f"Slices through {where}, all to one scale.")


def _voxel(found: FalsePositive, loaded: LoadedCase) -> Voxel:
    x, y, z = found.where
    sizes = loaded.crop.reference.shape
    return int(z * sizes[0]), int(y * sizes[1]), int(x * sizes[2])
