"""One tuning case as the model outlined it at each evaluation: a slice, kept beside the checkpoints.

The folder ``tuning_case`` of a fold holds ``case.npz``, the CT and the reference in that slice, and an
``epoch_0007.npz`` an evaluation with the prediction: some 65 kB and 1 kB each, no more than `MOST_PICTURES`.
It shows a patient, if without a name: leave it out where a model is passed on.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_amt.base.files import atomic_path

PICTURES_FOLDER = "tuning_case"
MOST_PICTURES = 24

_CASE = "case.npz"
_EPOCH = re.compile(r"epoch_(\d{4,})\.npz")


@dataclass(frozen=True, eq=False)
class ShownSlice:
    """What does not change: part of an axial slice of one tuning case, on the grid that the network sees.

    Attributes
    ----------
    case_id
        The pseudonym that the dataset has.
    slice_index
        Along z, from the feet, in the preprocessed volume.
    corner
        Row and column in it of the first pixel that is kept.
    spacing
        (z, y, x) in mm.
    image
        HU, int16, (rows, columns): rows run to posterior, columns to the patient's left.
    reference
        Bool, as `image`.
    """

    case_id: str
    slice_index: int
    corner: tuple[int, int]
    spacing: tuple[float, float, float]
    image: np.ndarray
    reference: np.ndarray

    def is_same(self, other: ShownSlice) -> bool:
        """Whether it is the same part of the same case."""
        where = ("case_id", "slice_index", "corner", "spacing")
        same = all(getattr(self, name) == getattr(other, name) for name in where)
        return same and np.array_equal(self.image, other.image) and np.array_equal(self.reference, other.reference)


@dataclass(frozen=True, eq=False)
class ShownPrediction:
    """What the model outlined after an epoch (from 1), bool (rows, columns), and the Dice of the whole case."""

    epoch: int
    dice: float | None
    prediction: np.ndarray


def write_shown_slice(fold_folder: Path, shown: ShownSlice) -> None:
    """Keep the slice of a training; what was kept of another one goes."""
    folder = fold_folder / PICTURES_FOLDER
    known = read_shown_slice(fold_folder)
    if known is not None and known.is_same(shown):
        return
    shutil.rmtree(folder, ignore_errors=True)
    with atomic_path(folder / _CASE) as partial:
        np.savez_compressed(
            partial,
            case_id=np.array(shown.case_id),
            slice_index=np.array(shown.slice_index),
            corner=np.array(shown.corner),
            spacing=np.array(shown.spacing),
            image=shown.image.astype(np.int16),
            reference=np.packbits(shown.reference),
        )


def read_shown_slice(fold_folder: Path) -> ShownSlice | None:
    """Read the slice of a training; None where none was kept, or it cannot be read."""
    try:
        with np.load(fold_folder / PICTURES_FOLDER / _CASE, allow_pickle=False) as content:
            image = content["image"]
            corner, spacing = content["corner"].tolist(), content["spacing"].tolist()
            return ShownSlice(
                case_id=str(content["case_id"]),
                slice_index=int(content["slice_index"]),
                corner=(corner[0], corner[1]),
                spacing=(spacing[0], spacing[1], spacing[2]),
                image=image,
                reference=_unpacked(content["reference"], image.shape),
            )
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        return None


def write_shown_prediction(fold_folder: Path, shown: ShownPrediction, *, best_epoch: int | None = None) -> None:
    """Keep what the model outlined after an epoch, and of later epochs, which an earlier run did, nothing.

    Where there are too many, every second is removed, but never the first, that of `best_epoch` and the last.
    """
    folder = fold_folder / PICTURES_FOLDER
    for epoch in shown_epochs(fold_folder):
        if epoch > shown.epoch:
            _file(folder, epoch).unlink(missing_ok=True)
    with atomic_path(_file(folder, shown.epoch)) as partial:
        dice = np.nan if shown.dice is None else shown.dice
        np.savez_compressed(partial, dice=np.array(dice), prediction=np.packbits(shown.prediction))
    for epoch in superfluous(shown_epochs(fold_folder), best_epoch=best_epoch):
        _file(folder, epoch).unlink(missing_ok=True)


def superfluous(epochs: Sequence[int], *, best_epoch: int | None) -> list[int]:
    """Choose which of too many epochs are not kept; none where they are no more than `MOST_PICTURES`."""
    if len(epochs) <= MOST_PICTURES:
        return []
    return [epoch for epoch in epochs[1:-1:2] if epoch != best_epoch]


def shown_epochs(fold_folder: Path) -> list[int]:
    """List the epochs of which a prediction is kept, in order."""
    found = (_EPOCH.fullmatch(path.name) for path in (fold_folder / PICTURES_FOLDER).glob("epoch_*.npz"))
    return sorted(int(name[1]) for name in found if name)


def read_shown_prediction(fold_folder: Path, epoch: int, shown: ShownSlice) -> ShownPrediction | None:
    """Read what was outlined after an epoch in a slice; None where it was not kept, or cannot be read."""
    try:
        with np.load(_file(fold_folder / PICTURES_FOLDER, epoch), allow_pickle=False) as content:
            dice = float(content["dice"])
            prediction = _unpacked(content["prediction"], shown.image.shape)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return ShownPrediction(epoch, None if np.isnan(dice) else dice, prediction)


def _file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch_{epoch:04d}.npz"


def _unpacked(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Give a packed mask; of another size than its slice it is a ValueError."""
    rows, columns = shape
    if bits.size != (rows * columns + 7) // 8:
        raise ValueError("a mask of another size")
    return np.unpackbits(bits, count=rows * columns).reshape(rows, columns).astype(bool)
