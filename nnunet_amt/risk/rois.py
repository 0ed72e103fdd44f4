"""The ROIs of a cohort in a folder: written, found again by a later run, read back. See `nnunet_amt.risk.cut_roi`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.risk.cases import RiskCase, RiskCohort
from nnunet_amt.risk.cut_roi import WINDOW_LEVEL_HU, WINDOW_WIDTH_HU, Roi, cut_roi
from nnunet_amt.risk.roi_folder import (
    ROI_FILE,
    Arrays,
    RoiSummary,
    read_roi_arrays,
    reasons_without_roi,
    write_roi_folder,
)
from nnunet_amt.risk.tumour_planes import RoiNote

__all__ = ["ROI_FILE", "Roi", "RoiNote", "RoiSummary", "cut_roi", "read_rois", "reasons_without_roi", "write_rois"]

_SETTINGS = {"window_level_hu": WINDOW_LEVEL_HU, "window_width_hu": WINDOW_WIDTH_HU}
_ARRAYS = ("largest", "adjacent", "mask_largest", "mask_adjacent")
_COLUMNS: dict[str, Callable[[RiskCase], str]] = {
    "split": lambda case: case.split,
    "who_type": lambda case: case.who_type,
    "risk": lambda case: "high" if case.high else "low",
}


def write_rois(
    cohort: RiskCohort,
    *,
    output: Path,
    masks: Path | None = None,
    foreground: int = 1,
    jobs: int = 1,
    executor: str | None = None,
    progress: Progress = silent,
) -> RoiSummary:
    """Cut the ROI of every case of a cohort into a folder; see `nnunet_amt.risk.roi_folder.write_roi_folder`."""
    return write_roi_folder(
        cohort.cases,
        output=output,
        cut=_cut_arrays,
        settings=_SETTINGS,
        columns=_COLUMNS,
        masks=masks,
        foreground=foreground,
        jobs=jobs,
        executor=executor,
        progress=progress,
    )


def read_rois(folder: Path) -> dict[str, Roi]:
    """Read the ROIs that `write_rois` left in a folder, by case, in the order of ``rois.csv``.

    Cases without a ROI are not among them. Raises BadInputError if the table or one of the files is not there, or
    damaged.
    """
    rois = {}
    for case_id, arrays in read_roi_arrays(folder, *_ARRAYS, "spacing").items():
        y, x = arrays.pop("spacing").tolist()
        rois[case_id] = Roi(case_id, **arrays, spacing=(y, x))
    return rois


def _cut_arrays(image: Path, mask: Path, *, case_id: str, foreground: int) -> tuple[Arrays | None, RoiNote]:
    roi, note = cut_roi(image, mask, case_id=case_id, foreground=foreground)
    if roi is None:
        return None, note
    return {name: getattr(roi, name) for name in _ARRAYS} | {"spacing": np.array(roi.spacing)}, note
