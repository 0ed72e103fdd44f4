"""The probabilities that nnU-Net writes beside a prediction when it is asked to save them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunet_amt.base.files import require_folder
from nnunet_amt.errors import GeometryMismatchError, ImageReadError, LabelValueError, UnmatchedCasesError
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, named_cases
from nnunet_amt.images.foreground import Foreground, MaskBox
from nnunet_amt.images.mask_file import read_geometry

_KEY = "probabilities"
_TUMOUR = 1  # the label's class; 0 is the background
# A tumour voxel has the larger of two probabilities; half-precision files round it.
_LOWEST_OF_TUMOUR = 0.5 - 1e-3


def find_probabilities(folder: Path, pairs: Sequence[LabelMapPair]) -> dict[str, Path]:
    """Find ``<case id>.npz`` of each case that has a prediction.

    Raises
    ------
    BadInputError
        If the folder does not exist.
    UnmatchedCasesError
        If a case has none.
    """
    require_folder(folder, "give the folder of nnU-Net's <case id>.npz")
    paths = {pair.case_id: folder / f"{pair.case_id}.npz" for pair in pairs if pair.prediction is not None}
    missing = [case_id for case_id, path in paths.items() if not path.is_file()]
    if missing:
        raise UnmatchedCasesError(
            f"{folder}: no probabilities for {named_cases(missing)}; predict with --save_probabilities, "
            "which writes <case id>.npz beside each prediction"
        )
    return paths


def read_probabilities(path: Path, pair: LabelMapPair) -> np.ndarray:
    """Read the probability of tumour of every voxel.

    nnU-Net stores an array (classes, z, y, x) on the grid of the prediction, not of the resampled image. The
    ``.pkl`` beside it holds that grid too, but unpickling a file can run code: the grid is the prediction's.

    Parameters
    ----------
    path
        ``<case id>.npz``.
    pair
        The case.

    Returns
    -------
    numpy.ndarray of float, (z, y, x)
        Between 0 and 1.

    Raises
    ------
    ImageReadError
        If the file is damaged or not nnU-Net's.
    GeometryMismatchError
        If it has another size than the prediction.
    LabelValueError
        If there are other classes than background and tumour, or values that are no probabilities.
    """
    everything = _array(path)
    if everything.ndim != 4 or everything.dtype.kind != "f":
        raise ImageReadError(
            f"{path}: holds an array of {everything.ndim} dimensions and type {everything.dtype}; nnU-Net's "
            "probabilities have 4 (classes, z, y, x) and are floating point"
        )
    size = read_geometry(pair.reference).size  # (x, y, z), the same as of the prediction
    if everything.shape[1:] != size[::-1]:
        raise GeometryMismatchError(
            f"case {pair.case_id}: {path} against {pair.prediction}: size {everything.shape[:0:-1]} against {size} "
            "(x, y, z); both must be of one prediction"
        )
    if everything.shape[0] != 2:
        raise LabelValueError(f"{path}: holds {everything.shape[0]} classes; background and tumour are 2")
    tumour: np.ndarray = everything[_TUMOUR]
    lowest, highest = float(tumour.min()), float(tumour.max())
    if not (lowest >= 0 and highest <= 1):  # also where one is NaN
        raise LabelValueError(f"{path}: holds values from {lowest:g} to {highest:g}; a probability is from 0 to 1")
    return tumour


def piece_probabilities(probabilities: np.ndarray, piece: MaskBox) -> np.ndarray:
    """Give the probabilities of the voxels of a component, (voxels,)."""
    z, y, x = (slice(low, high) for low, high in zip(piece.lower, piece.upper, strict=True))
    values: np.ndarray = probabilities[z, y, x][piece.mask]
    return values.astype(np.float64)


def require_same_prediction(probabilities: np.ndarray, prediction: Foreground, path: Path, pair: LabelMapPair) -> None:
    """Refuse probabilities that another prediction was made from, or that lie in another order of axes.

    Raises
    ------
    LabelValueError
        If a predicted tumour voxel has a probability under one half.
    """
    lowest = min((float(piece_probabilities(probabilities, piece).min()) for piece in prediction.boxes), default=1.0)
    if lowest < _LOWEST_OF_TUMOUR:
        raise LabelValueError(
            f"case {pair.case_id}: {path} against {pair.prediction}: the tumour probability is {lowest:.3g} at a voxel "
            "predicted as tumour, where it must be 0.5 or more; the two files are not of one prediction"
        )


def _array(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if _KEY not in archive:
                found = ", ".join(archive.files) or "nothing"
                raise ImageReadError(f"{path}: has no array {_KEY!r} (it holds: {found}); give nnU-Net's own file")
            array: np.ndarray = archive[_KEY]
            return array
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, TypeError) as error:
        raise ImageReadError(f"{path}: is damaged or no file of nnU-Net's; predict this case again") from error
