"""The crops of a cohort of lesions in a folder: written, found again by a later run, read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.risk.fusion.denoising import STEP, STEPS
from nnunet_amt.risk.fusion.lesion_case import BENIGN, MALIGNANT, LesionCase
from nnunet_amt.risk.fusion.lesion_crop import LESION_WINDOW_HU, PIXELS, LesionCrop, cut_with_note
from nnunet_amt.risk.roi_folder import Arrays, RoiSummary, read_roi_arrays, write_roi_folder
from nnunet_amt.risk.tumour_planes import RoiNote

_ARRAYS = ("largest", "adjacent")
_COLUMNS: dict[str, Callable[[LesionCase], str]] = {
    "split": lambda case: case.split,
    "diagnosis": lambda case: case.diagnosis,
    "class": lambda case: MALIGNANT if case.malignant else BENIGN,
}


def write_lesion_crops(
    cases: Sequence[LesionCase],
    *,
    output: Path,
    masks: Path | None = None,
    pixels: int = PIXELS,
    denoise: bool = True,
    foreground: int = 1,
    jobs: int = 1,
    executor: str | None = None,
    progress: Progress = silent,
) -> RoiSummary:
    """Cut the crop of every case into a folder; see `nnunet_amt.risk.roi_folder.write_roi_folder`.

    Parameters
    ----------
    pixels, denoise
        See `nnunet_amt.risk.fusion.lesion_crop.cut_lesion`. Crops of another side, or with other noise, are cut again.
    """
    level, width = LESION_WINDOW_HU
    noise = {"denoising_steps": STEPS, "denoising_step": STEP} if denoise else {"denoising_steps": 0}
    return write_roi_folder(
        cases,
        output=output,
        cut=partial(_cut_arrays, pixels=pixels, denoise=denoise),
        settings={"window_level_hu": level, "window_width_hu": width, "pixels": pixels, **noise},
        columns=_COLUMNS,
        masks=masks,
        foreground=foreground,
        jobs=jobs,
        executor=executor,
        progress=progress,
    )


def read_lesion_crops(folder: Path) -> dict[str, LesionCrop]:
    """Read the crops that `write_lesion_crops` left in a folder, by case, in the order of ``rois.csv``.

    Cases without a crop are not among them; `nnunet_amt.risk.roi_folder.reasons_without_roi` says why. Raises
    BadInputError if the table or one of the files is not there, or damaged.
    """
    return {case_id: LesionCrop(case_id, **arrays) for case_id, arrays in read_roi_arrays(folder, *_ARRAYS).items()}


def _cut_arrays(
    image: Path, mask: Path, *, case_id: str, foreground: int, pixels: int, denoise: bool
) -> tuple[Arrays | None, RoiNote]:
    crop, note = cut_with_note(image, mask, case_id=case_id, pixels=pixels, denoise=denoise, foreground=foreground)
    return None if crop is None else {name: getattr(crop, name) for name in _ARRAYS}, note
