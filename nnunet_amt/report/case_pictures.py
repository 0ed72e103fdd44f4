"""The pictures of a case: slices through its tumour, and through the parts of the error that these do not show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.pictures import CaseCrop, Voxel, case_panel, focused, shown_voxel
from nnunet_amt.report.case_story import case_story, sized
from nnunet_amt.report.page_parts import Picture, png_picture
from nnunet_amt.report.study_content import StudyContent
from nnunet_amt.report.viewer import viewer_cases
from nnunet_amt.writing.numbers import counted, share_text

Pictures = tuple[Picture, ...]

_MOST_VIEWS = 3
_PANEL_PIXELS = 480  # of the longest edge: sharp in print at a third of the page's width
_MM3_PER_CM3 = 1000.0


@dataclass(frozen=True)
class ErrorView:
    """A voxel of a crop that the slices of a picture go through, and what of the error is told with it.

    The error is what is added (predicted and not in the reference) or missed; its parts are connected components.

    Attributes
    ----------
    at
        (z, y, x).
    shown, error
        Voxels of the parts that this picture or one before it cuts, and of all parts.
    added, missed
        Voxels of the part that it is laid through; both 0 of a picture through the tumour.
    left
        Parts that no picture up to this one cuts.
    """

    at: Voxel
    shown: int
    error: int
    added: int
    missed: int
    left: int


def case_pictures(
    content: StudyContent, cases: Iterable[EvaluatedCase], *, progress: Progress = silent
) -> tuple[dict[str, Pictures], str]:
    """Draw the overlays of some cases: through the tumour, and through the error until most of it is shown.

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
            pictures[case.case_id] = tuple(_pictures(case, viewed.load().crop))
    except BadInputError as error:
        return {}, f"There are no pictures of cases: {content.without_folders(str(error))}."
    progress(len(wanted), len(wanted), "drawing cases")
    return pictures, ""


def error_views(crop: CaseCrop) -> tuple[ErrorView, ...]:
    """Choose where to look: through the tumour, then through the largest part of the error that is not shown yet.

    There are no more than it takes to cut parts that hold more than half of the error, and three at most.
    """
    import cc3d

    labels = cc3d.connected_components(crop.reference ^ crop.prediction, connectivity=26)
    left = np.bincount(labels.ravel())  # voxels of each part, of those that are shown 0
    left[0] = 0
    error, at, part = int(left.sum()), shown_voxel(crop), np.zeros_like(crop.reference)
    views: list[ErrorView] = []
    while True:
        left[_cut(crop, labels, at)] = 0
        added, missed = (int(np.count_nonzero(part & mask)) for mask in (crop.prediction, crop.reference))
        shown = error - int(left.sum())
        views.append(ErrorView(at, shown, error, added, missed, int(np.count_nonzero(left))))
        if 2 * shown > error or not left.any() or len(views) == _MOST_VIEWS:
            return tuple(views)
        part = labels == left.argmax()
        at = shown_voxel(crop, of=part)


def _cut(crop: CaseCrop, labels: np.ndarray, at: Voxel) -> np.ndarray:
    """Give the parts that the picture through a voxel cuts, in its three planes and within its edges."""
    smaller, _ = focused(crop, at=at)
    box = tuple(
        slice(inner - outer, inner - outer + size)
        for inner, outer, size in zip(smaller.lower, crop.lower, smaller.reference.shape, strict=True)
    )
    planes = (labels[tuple(at[axis] if axis == cut else box[axis] for axis in range(3))] for cut in range(3))
    return np.unique(np.concatenate([plane.ravel() for plane in planes]))


def _pictures(case: EvaluatedCase, crop: CaseCrop) -> Iterator[Picture]:
    views = error_views(crop)
    for number, view in enumerate(views):
        where = part_words(view, crop) if number else _first_words(crop)
        caption = f"Slices through {where}, all to one scale.{share_words(views[: number + 1])}"
        yield _picture(case, crop, view.at, where, caption)


def _first_words(crop: CaseCrop) -> str:
    if crop.reference.any():
        return "the tumour"
    return "the prediction" if crop.prediction.any() else "the middle of the CT"


def part_words(view: ErrorView, crop: CaseCrop) -> str:
    """Name the part of the error that a picture is laid through, with its size."""
    volume = sized((view.added + view.missed) * float(np.prod(crop.spacing)) / _MM3_PER_CM3)
    what = "added" if not view.missed else "missed" if not view.added else "added or missed"
    return f"the largest part of the error that is not shown yet ({volume} {what})"


def share_words(views: Sequence[ErrorView]) -> str:
    """Say of how much of the error the pictures up to this one show something."""
    last = views[-1]
    if not last.error or (len(views) == 1 and not last.left):
        return ""
    error, seen = "the error (voxels added or missed)", "here" if len(views) == 1 else "so far"
    if not last.shown:
        return f" None of {error} is seen {seen}: it lies in {counted(last.left, 'spot')} elsewhere."
    rest = f"; {counted(last.left, 'more spot')} {'lies' if last.left == 1 else 'lie'} elsewhere" if last.left else ""
    return f" Spots with {share_text(last.shown, last.error)} of {error} are seen {seen}{rest}."


def _picture(case: EvaluatedCase, crop: CaseCrop, at: Voxel, where: str, caption: str) -> Picture:
    seen = "CT" if crop.image is not None else "Masks on black, for want of a CT,"
    alt = (
        f"{seen} of case {case.case_id} in an axial, a coronal and a sagittal slice through {where}, with the outlines "
        f"of reference and prediction. {case_story(case).sentences[0]}"
    )
    return png_picture(case_panel(crop, size=_PANEL_PIXELS, at=at), alt=alt, caption=caption)
