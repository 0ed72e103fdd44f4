"""What the panels of Figures 5 and 6 show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

import numpy as np

from nnunet_amt.base.progress import Progress
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.pictures import CaseCrop, Plane, PlaneView, Voxel, plane_view, shown_voxel
from nnunet_amt.report.print_figures.selection import FailedCases, error_of
from nnunet_amt.study import Study, study_crop

# Wide enough that the field of view of a panel is filled with CT, where there is CT.
_MARGIN_MM, _MINIMUM_MM = 50.0, 130.0
_NO_TUMOUR = "no tumour"


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


def success_panels(
    study: Study, cases: Sequence[EvaluatedCase], foreground: int, progress: Progress
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


def failure_panels(study: Study, cases: FailedCases, foreground: int, progress: Progress) -> tuple[Panel, ...]:
    """Give the axial slice of each case with most of what is wrong: falsely positive, or missing."""
    panels = []
    every = (*cases.over, *cases.under)
    for number, case in enumerate(every):
        crop = _crop(study, case, foreground)
        wrong = crop.prediction & ~crop.reference if case in cases.over else crop.reference & ~crop.prediction
        at = shown_voxel(crop, of=wrong)
        panel = _panel(case, crop, "axial", at)
        pointed = _middle(wrong[at[0]], crop.spacing)
        panels.append(replace(panel, lines=(*panel.lines, _wrong(case)), pointed=pointed))
        progress(number + 1, len(every), "reading cases of figure 6")
    return _lettered(panels)


def _crop(study: Study, case: EvaluatedCase, foreground: int) -> CaseCrop:
    return study_crop(study, case, _MARGIN_MM, foreground, _MINIMUM_MM)


def _panel(case: EvaluatedCase, crop: CaseCrop, plane: Plane, at: Voxel) -> Panel:
    axis = {"axial": 0, "coronal": 1, "sagittal": 2}[plane]
    title = case.case_id if plane == "axial" else f"{case.case_id}, {plane}"
    lines = (title, f"Dice {case.dice or 0.0:.2f}, {_size(case)}")  # cases without a Dice are in no figure
    return Panel("", case, plane_view(crop, plane, at=at), lines, None, crop.lower[axis] + at[axis] + 1)


def _size(case: EvaluatedCase) -> str:
    return _NO_TUMOUR if case.size_mm is None else f"{case.size_mm / 10:.1f} cm, {_ml(case.reference_ml)}"


def _wrong(case: EvaluatedCase) -> str:
    if error_of(case) == "over":
        return f"over: {_ml(case.prediction_ml * case.fp / (case.tp + case.fp))} too much"
    if not case.tp:
        return "under: nothing of it found"
    return f"under: {_ml(case.reference_ml * case.fn / (case.tp + case.fn))} missing"


def _ml(volume: float) -> str:
    return f"{volume:.{0 if volume >= 10 else 1 if volume >= 1 else 2}f} ml"


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
