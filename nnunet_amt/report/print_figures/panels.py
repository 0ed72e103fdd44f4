"""Which cases stand in Figures 5 and 6, by a rule that leaves nothing to taste, and what their panels show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

import numpy as np

from nnunet_amt import paper
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.failures.failure_case import SegmentationError, failure_mode
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.pictures import CaseCrop, Plane, PlaneView, Voxel, plane_view, shown_voxel
from nnunet_amt.study import Study, study_crop

MOST_SUCCESSES, MOST_OVER, MOST_UNDER = 6, 3, 5  # as in the paper: panels a-f; a-c and d-h
# Wide enough that the field of view of a panel is filled with CT, where there is CT.
_MARGIN_MM, _MINIMUM_MM = 50.0, 130.0


@dataclass(frozen=True)
class FailedCases:
    """Cases of Figure 6; `over` with more voxels falsely positive than falsely negative, `under` all others."""

    over: tuple[EvaluatedCase, ...]
    under: tuple[EvaluatedCase, ...]


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture of a figure.

    Attributes
    ----------
    letter
        Its name in the figure.
    case
        What it shows.
    view
        The slice.
    lines
        What stands below it.
    pointed : tuple of float or None
        (row, column) in pixels of the view that an arrowhead points at, in the middle of what is wrong.
    slice_number
        Of the slice in the CT, from 1 on, along the axis that is not shown; slices count from the feet, the front
        or the right.
    """

    letter: str
    case: EvaluatedCase
    view: PlaneView
    lines: tuple[str, ...]
    pointed: tuple[float, float] | None
    slice_number: int


def successful_cases(cases: Sequence[EvaluatedCase], *, asked: Sequence[str] = ()) -> tuple[EvaluatedCase, ...]:
    """Choose up to six cases with a Dice above 0.70, of all sizes, and neither the best nor the worst of them.

    The cases are ranked by the volume of the reference and divided into six groups of (nearly) equal number; each
    group gives the case of its middle Dice, the lower one of two.

    Parameters
    ----------
    cases
        Of the evaluation.
    asked
        Case ids to take instead, those of them with such a Dice, in that order.

    Returns
    -------
    tuple of EvaluatedCase
        The smallest tumour first, or in the order of `asked`.

    Raises
    ------
    BadInputError
        If there are more of `asked` than panels.
    """
    good = [case for case in cases if case.dice is not None and case.dice > paper.SUCCESSFUL_DICE]
    if asked:
        return _asked(good, asked, MOST_SUCCESSES, f"Figure 5, Dice above {paper.SUCCESSFUL_DICE:g}")
    good.sort(key=lambda case: (case.reference_cm3, case.case_id))
    groups = min(MOST_SUCCESSES, len(good))
    chosen = []
    for number in range(groups):
        group = good[len(good) * number // groups : len(good) * (number + 1) // groups]
        ranked = sorted(group, key=lambda case: (case.dice or 0.0, case.case_id))
        chosen.append(ranked[(len(ranked) - 1) // 2])
    return tuple(chosen)


def failed_cases(cases: Sequence[EvaluatedCase], *, asked: Sequence[str] = ()) -> FailedCases:
    """Choose the cases of lowest Dice, none of them above 0.70: up to three with too much and five with too little.

    Parameters
    ----------
    cases
        Of the evaluation.
    asked
        Case ids to take instead, those of them with such a Dice.

    Returns
    -------
    FailedCases
        Too much: the worst first. Too little: those of which most was found first, a missed tumour last, as in the
        paper.

    Raises
    ------
    BadInputError
        If there are more of `asked` than panels.
    """
    bad = [case for case in cases if case.dice is not None and case.dice <= paper.SUCCESSFUL_DICE]
    bad.sort(key=lambda case: (case.dice, case.case_id))
    over = [case for case in bad if error_of(case) == "over"]
    under = [case for case in bad if error_of(case) != "over"]
    if asked:
        limit = f"Dice up to {paper.SUCCESSFUL_DICE:g}"
        return FailedCases(
            _asked(over, asked, MOST_OVER, f"over-segmentation in Figure 6, {limit}"),
            _asked(under, asked, MOST_UNDER, f"under-segmentation in Figure 6, {limit}"),
        )
    worst_under = sorted(under[:MOST_UNDER], key=lambda case: (-(case.recall or 0.0), case.case_id))
    return FailedCases(tuple(over[:MOST_OVER]), tuple(worst_under))


def error_of(case: EvaluatedCase) -> SegmentationError | None:
    """Say whether a case has too much or too little; see `nnunet_amt.evaluation.failures.failure_case`."""
    return failure_mode(case.tp, case.fp, case.fn).segmentation


def success_panels(
    study: Study, cases: Sequence[EvaluatedCase], *, foreground: int, progress: Progress = silent
) -> tuple[Panel, ...]:
    """Give the axial slice of each case with most of the reference, then the last case's sagittal and coronal one."""
    panels = []
    for number, case in enumerate(cases):
        crop = _crop(study, case, foreground)
        at = shown_voxel(crop)
        planes: tuple[Plane, ...] = ("axial", "sagittal", "coronal") if case is cases[-1] else ("axial",)
        panels += [_panel(case, crop, plane, at) for plane in planes]
        progress(number + 1, len(cases), "reading cases of figure 5")
    return _lettered(panels)


def failure_panels(
    study: Study, cases: FailedCases, *, foreground: int, progress: Progress = silent
) -> tuple[Panel, ...]:
    """Give the axial slice of each case with most of what is wrong: falsely positive, or missing."""
    panels = []
    every = (*cases.over, *cases.under)
    for number, case in enumerate(every):
        crop = _crop(study, case, foreground)
        wrong = crop.prediction & ~crop.reference if case in cases.over else crop.reference & ~crop.prediction
        at = shown_voxel(crop, of=wrong)
        panel = _panel(case, crop, "axial", at)
        pointed = _middle(wrong[at[0]], crop.spacing)
        panels.append(replace(panel, lines=(*panel.lines, _what_is_wrong(case)), pointed=pointed))
        progress(number + 1, len(every), "reading cases of figure 6")
    return _lettered(panels)


def _asked(able: Sequence[EvaluatedCase], asked: Sequence[str], most: int, what: str) -> tuple[EvaluatedCase, ...]:
    by_id = {case.case_id: case for case in able}
    chosen = tuple(by_id[case_id] for case_id in dict.fromkeys(asked) if case_id in by_id)
    if len(chosen) > most:
        names = ", ".join(case.case_id for case in chosen)
        raise BadInputError(f"--cases: {len(chosen)} are for {what} ({names}); it has room for {most}")
    return chosen


def _crop(study: Study, case: EvaluatedCase, foreground: int) -> CaseCrop:
    return study_crop(study, case, foreground=foreground, margin_mm=_MARGIN_MM, minimum_mm=_MINIMUM_MM)


def _panel(case: EvaluatedCase, crop: CaseCrop, plane: Plane, at: Voxel) -> Panel:
    axis = {"axial": 0, "coronal": 1, "sagittal": 2}[plane]
    title = case.case_id if plane == "axial" else f"{case.case_id}, {plane}"
    size = "no tumour" if case.size_mm is None else f"{case.size_mm / 10:.1f} cm, {_cm3(case.reference_cm3)}"
    lines = (title, f"Dice {case.dice or 0.0:.2f}, {size}")  # cases without a Dice are in no figure
    return Panel("", case, plane_view(crop, plane, at=at), lines, None, crop.lower[axis] + at[axis] + 1)


def _what_is_wrong(case: EvaluatedCase) -> str:
    if case.fn and not case.tp:
        return "missed completely"
    if error_of(case) == "over":
        return f"{_cm3(case.prediction_cm3 * case.fp / (case.tp + case.fp))} added"
    return f"{_cm3(case.reference_cm3 * case.fn / (case.tp + case.fn))} missed"


def _cm3(volume: float) -> str:
    return f"{volume:.{0 if volume >= 10 else 1 if volume >= 1 else 2}f} cm³"


def _middle(wrong: np.ndarray, spacing: tuple[float, float, float]) -> tuple[float, float] | None:
    """Give the voxel of the largest wrong area of a slice that is nearest to its middle."""
    from scipy.ndimage import label

    areas, count = label(wrong)
    if not count:
        return None
    sizes = np.bincount(areas.ravel())[1:]
    inside = np.argwhere(areas == 1 + int(np.argmax(sizes)))
    distance = np.linalg.norm((inside - inside.mean(axis=0)) * spacing[1:], axis=1)
    row, column = inside[np.argmin(distance)].tolist()
    return row + 0.5, column + 0.5


def _lettered(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    return tuple(replace(panel, letter=letter) for panel, letter in zip(panels, ascii_lowercase, strict=False))
