"""The predicted lesions of a case with their confidences, from the probabilities that were written with them."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, get_args

import numpy as np

from nnunet_amt.base.files import require_folder
from nnunet_amt.errors import (
    BadInputError,
    GeometryMismatchError,
    ImageReadError,
    LabelValueError,
    UnmatchedCasesError,
)
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, alike_names, named_cases, read_mask_pair
from nnunet_amt.evaluation.measure.lesions import (
    UNMATCHED,
    intersection_table,
    iou_levels,
    label_components,
    match_sweep,
)
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground, MaskBox
from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.images.probability_file import FOLDER, HIGHEST_LEVEL, probability_file
from nnunet_amt.images.probability_file import read_probabilities as read_levels

Confidence = Literal["mean", "max"]
CONFIDENCES: tuple[Confidence, ...] = get_args(Confidence)
HIT_TWENTIETHS = 2  # IoU above 0.1, as exact twentieths
# A tumour voxel has the larger of two probabilities; half-precision files round it.
_LOWEST_OF_TUMOUR = 0.5 - 1e-3
_MEMBER = "probabilities.npy"
_SHOWN = 5
# What zipfile, zlib and NumPy, which parses a head as Python, raise of a file that is none of theirs.
_DAMAGE = (
    *(OSError, ValueError, EOFError, RuntimeError, LookupError, TypeError, SyntaxError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)


@dataclass(frozen=True, eq=False)
class CaseCandidates:
    """The lesions of a case."""

    case_id: str
    # (references, predictions): the highest twentieth that the IoU of each pair exceeds, as `iou_levels` gives it
    levels: np.ndarray
    voxels: np.ndarray  # (predictions,): size of each predicted lesion
    # (predictions,): mean and largest tumour probability of the voxels of each predicted lesion
    confidences: dict[Confidence, np.ndarray]

    @property
    def apart(self) -> np.ndarray:
        """Whether each predicted lesion shares no voxel with any reference lesion, (predictions,)."""
        return np.asarray((self.levels < 0).all(axis=0))


def find_probabilities(folder: Path, pairs: Sequence[LabelMapPair]) -> dict[str, Path]:
    """Find the probabilities of each case that has a prediction.

    They are nnU-Net's ``<case id>.npz``, or ours, see `nnunet_amt.images.probability_file`.

    Raises
    ------
    BadInputError
        If the folder does not exist.
    UnmatchedCasesError
        If a case has none.
    """
    require_folder(folder, f"give the folder that holds <case id>.npz, or {FOLDER}/<case id>.nii.gz")
    paths = {pair.case_id: _probabilities_of(folder, pair.case_id) for pair in pairs if pair.prediction is not None}
    missing = [case_id for case_id, path in paths.items() if not path.is_file()]
    if missing:
        there = [path.stem for path in folder.glob("*.npz")]
        there += [path.name.removesuffix(".nii.gz") for path in (folder / FOLDER).glob("*.nii.gz")]
        raise UnmatchedCasesError(
            f"{folder}: no probabilities for {named_cases(missing)}; {alike_names(missing, there)}"
            f"predict with --probabilities, which writes {FOLDER}/<case id>.nii.gz beside the predictions, or with "
            "nnU-Net's --save_probabilities (<case id>.npz)"
        )
    return paths


def _probabilities_of(folder: Path, case_id: str) -> Path:
    of_nnunet = folder / f"{case_id}.npz"
    return of_nnunet if of_nnunet.is_file() else probability_file(folder, case_id)


def case_candidates(
    pair: LabelMapPair, probabilities_file: Path | None, *, settings: EvaluationSettings
) -> CaseCandidates:
    """Read a case and its probabilities, and give a confidence to each predicted lesion.

    A case without a prediction needs no probabilities: None.

    Raises
    ------
    ImageReadError, LabelValueError, GeometryMismatchError
        If a file is damaged, or the probabilities are not of this prediction.
    """
    masks = read_mask_pair(pair, tumour=settings.foreground)
    references = label_components(masks.reference, connectivity=settings.connectivity)
    predictions = [
        piece
        for piece in label_components(masks.prediction, connectivity=settings.connectivity)
        if np.count_nonzero(piece.mask) >= settings.minimum_predicted_voxels
    ]
    values: list[np.ndarray] = []
    if probabilities_file is not None:
        probabilities = read_probabilities(probabilities_file, pair)
        require_same_prediction(probabilities, masks.prediction, probabilities_file, pair)
        values = [_piece_probabilities(probabilities, piece) for piece in predictions]
    voxels = np.array([piece.size for piece in values], dtype=np.int64)
    reference_voxels = np.array([np.count_nonzero(piece.mask) for piece in references], dtype=np.int64)
    return CaseCandidates(
        case_id=pair.case_id,
        levels=iou_levels(intersection_table(references, predictions), reference_voxels, voxels),
        voxels=voxels,
        confidences={
            "mean": np.array([piece.mean() for piece in values], dtype=float),
            "max": np.array([piece.max() for piece in values], dtype=float),
        },
    )


def hits(levels: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Say which predictions are hits when they are taken in the order of falling confidence.

    A prediction is a hit if with it one reference more can be matched one to one at IoU > 0.1 than with the more
    confident ones alone. So among the predictions above any confidence there are as many hits as can be
    matched, and each reference counts once; a second prediction of the same reference is a false positive.
    Predictions of equal confidence are taken in the order of their numbers.

    Parameters
    ----------
    levels : numpy.ndarray of int, (references, predictions)
        Of `CaseCandidates`.
    confidence : numpy.ndarray of float, (predictions,)
    """
    order = np.argsort(-confidence, kind="stable")
    found = np.zeros(len(confidence), dtype=bool)
    matched = 0
    for taken in range(1, len(order) + 1):
        partners = match_sweep(levels[:, order[:taken]], (HIT_TWENTIETHS,))[0]
        now = int((partners != UNMATCHED).sum())
        found[order[taken - 1]] = now > matched
        matched = now
    return found


def read_probabilities(path: Path, pair: LabelMapPair) -> np.ndarray:
    """Read the probability of tumour of every voxel.

    nnU-Net stores an array (classes, z, y, x) on the grid of the prediction, not of the resampled image. The
    ``.pkl`` beside it holds that grid too, but unpickling a file can run code: the grid is the prediction's. Our own
    files, ``.nii.gz``, hold a crop; what they leave out is 0.

    Returns
    -------
    numpy.ndarray of float, (z, y, x)
        Between 0 and 1.

    The head of the array is read first: a few bytes of a damaged or foreign file can promise more than fits into the
    memory.

    Raises
    ------
    ImageReadError
        If the file is damaged or not nnU-Net's.
    GeometryMismatchError
        If it has another size than the prediction.
    LabelValueError
        If there are other classes than background and tumour, or values that are no probabilities.
    """
    if path.name.endswith(".nii.gz"):
        return (read_levels(path, read_geometry(pair.reference)) / np.float32(HIGHEST_LEVEL)).astype(np.float32)
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(path, archive)
            with archive.open(member) as head:
                shape, dtype = _head(head)
                behind_head = member.file_size - head.tell()
            _require_probabilities(path, pair, shape, dtype)
            if behind_head != math.prod(shape) * dtype.itemsize:
                raise ValueError("another size than its head says")
            with archive.open(member) as file:
                everything: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    except BadInputError:
        raise
    except _DAMAGE as error:
        raise ImageReadError(f"{path}: is damaged or no file of nnU-Net's; predict this case again") from error
    tumour: np.ndarray = everything[1]  # the label's class; 0 is the background
    lowest, highest = float(tumour.min()), float(tumour.max())
    if not (lowest >= 0 and highest <= 1):  # also where one is NaN
        raise LabelValueError(f"{path}: holds values from {lowest:g} to {highest:g}; a probability is from 0 to 1")
    return tumour


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if member.filename == _MEMBER]
    if len(members) != 1:
        found = ", ".join(name.removesuffix(".npy") for name in archive.namelist()[:_SHOWN]) or "nothing"
        raise ImageReadError(f"{path}: has no array 'probabilities' (it holds: {found}); give nnU-Net's own file")
    return members[0]


def _head(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Read shape and type of an array, whose values follow."""
    read_head = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(file)]
    shape, _, dtype = read_head(file)
    return shape, dtype


def _require_probabilities(path: Path, pair: LabelMapPair, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Refuse an array of anything but two probabilities a voxel of the prediction."""
    if len(shape) != 4 or dtype.kind != "f":
        raise ImageReadError(
            f"{path}: holds an array of {len(shape)} dimensions and type {dtype}; nnU-Net's "
            "probabilities have 4 (classes, z, y, x) and are floating point"
        )
    size = read_geometry(pair.reference).size  # (x, y, z), the same as of the prediction
    if shape[1:] != size[::-1]:
        raise GeometryMismatchError(
            f"case {pair.case_id}: {path} against {pair.prediction}: size {shape[:0:-1]} against {size} "
            "(x, y, z); both must be of one prediction"
        )
    if shape[0] != 2:
        raise LabelValueError(f"{path}: holds {shape[0]} classes; background and tumour are 2")


def require_same_prediction(probabilities: np.ndarray, prediction: Foreground, path: Path, pair: LabelMapPair) -> None:
    """Refuse probabilities that another prediction was made from, or that lie in another order of axes.

    Raises
    ------
    LabelValueError
        If a predicted tumour voxel has a probability under one half.
    """
    lowest = min((float(_piece_probabilities(probabilities, piece).min()) for piece in prediction.boxes), default=1.0)
    if lowest < _LOWEST_OF_TUMOUR:
        raise LabelValueError(
            f"case {pair.case_id}: {path} against {pair.prediction}: the tumour probability is {lowest:.3g} at a voxel "
            "predicted as tumour, where it must be 0.5 or more; the two files are not of one prediction, or the label "
            "map is of an operating point"
        )


def _piece_probabilities(probabilities: np.ndarray, piece: MaskBox) -> np.ndarray:
    """Give the probabilities of the voxels of a component, (voxels,)."""
    z, y, x = (slice(low, high) for low, high in zip(piece.lower, piece.upper, strict=True))
    values: np.ndarray = probabilities[z, y, x][piece.mask]
    return values.astype(np.float64)
