"""Pictures of one tuning case as its outline improves: which there are, and each drawn as the report draws cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_amt.models.tuning_pictures import (
    PICTURES_FOLDER,
    read_shown_prediction,
    read_shown_slice,
    shown_epochs,
)

_SIZE = 420  # pixels of the longer edge


@dataclass(frozen=True)
class ShownPicture:
    """A picture: its epoch, the Dice of the case after it, whether the model of this epoch is the best, its version."""

    epoch: int
    dice: float | None
    is_best: bool
    version: str


@dataclass(frozen=True)
class ShownPictures:
    """The pictures of a training, first to last, and the pseudonym of the case that they show."""

    case_id: str
    pictures: tuple[ShownPicture, ...]


def shown_pictures(fold_folder: Path, *, best_epoch: int | None) -> ShownPictures | None:
    """List the pictures of a training; None where none was kept."""
    shown = read_shown_slice(fold_folder)
    if shown is None:
        return None
    found = []
    for epoch in shown_epochs(fold_folder):
        kept = read_shown_prediction(fold_folder, epoch, shown)
        if kept is not None:
            made = _time_of(fold_folder, epoch)
            found.append(ShownPicture(epoch, kept.dice, epoch == best_epoch, f"{made:x}"))
    return ShownPictures(shown.case_id, tuple(found)) if found else None


def picture_png(fold_folder: Path, epoch: int) -> bytes | None:
    """Draw the slice with the reference and what was predicted after an epoch; None where that was not kept."""
    from nnunet_amt.pictures.case_crop import CaseCrop
    from nnunet_amt.pictures.overlay import overlay_png

    shown = read_shown_slice(fold_folder)
    kept = None if shown is None else read_shown_prediction(fold_folder, epoch, shown)
    if shown is None or kept is None:
        return None
    crop = CaseCrop(
        case_id=shown.case_id,
        image=shown.image[np.newaxis],  # (z, y, x) of one slice
        reference=shown.reference[np.newaxis],
        prediction=kept.prediction[np.newaxis],
        spacing=shown.spacing,
    )
    return overlay_png(crop, "axial", size=_SIZE, focus=False)


def _time_of(fold_folder: Path, epoch: int) -> int:
    return (fold_folder / PICTURES_FOLDER / f"epoch_{epoch:04d}.npz").stat().st_mtime_ns
