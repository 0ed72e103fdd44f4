"""The predicted lesions of a case with their confidences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from nnunet_amt.evaluation.measure.label_maps import LabelMapPair
from nnunet_amt.evaluation.measure.lesions import (
    UNMATCHED,
    intersection_table,
    iou_levels,
    label_components,
    match_sweep,
)
from nnunet_amt.evaluation.pair_analysis import read_mask_pair
from nnunet_amt.evaluation.score_froc.probability_map import (
    piece_probabilities,
    read_probabilities,
    require_same_prediction,
)
from nnunet_amt.evaluation.settings import EvaluationSettings

Confidence = Literal["mean", "max"]
CONFIDENCES: tuple[Confidence, ...] = get_args(Confidence)
HIT_TWENTIETHS = 2  # IoU above 0.1, as exact twentieths


@dataclass(frozen=True, eq=False)
class CaseCandidates:
    """The lesions of a case.

    Attributes
    ----------
    case_id
        Name of the case.
    levels : numpy.ndarray of int, (references, predictions)
        The highest twentieth that the IoU of each pair exceeds, as `iou_levels` gives it.
    voxels : numpy.ndarray of int, (predictions,)
        Size of each predicted lesion.
    confidences : dict of numpy.ndarray, (predictions,)
        Mean and largest tumour probability of the voxels of each predicted lesion.
    """

    case_id: str
    levels: np.ndarray
    voxels: np.ndarray
    confidences: dict[Confidence, np.ndarray]

    @property
    def apart(self) -> np.ndarray:
        """Whether each predicted lesion shares no voxel with any reference lesion, (predictions,)."""
        return np.asarray((self.levels < 0).all(axis=0))


def case_candidates(
    pair: LabelMapPair, probabilities_file: Path | None, settings: EvaluationSettings
) -> CaseCandidates:
    """Read a case and its probabilities, and give a confidence to each predicted lesion.

    A case without a prediction needs no probabilities: None.

    Raises
    ------
    ImageReadError, LabelValueError, GeometryMismatchError
        If a file is damaged, or the probabilities are not of this prediction.
    """
    masks = read_mask_pair(pair, settings.foreground)
    references = label_components(masks.reference, settings.connectivity)
    predictions = [
        piece
        for piece in label_components(masks.prediction, settings.connectivity)
        if np.count_nonzero(piece.mask) >= settings.minimum_predicted_voxels
    ]
    values: list[np.ndarray] = []
    if probabilities_file is not None:
        probabilities = read_probabilities(probabilities_file, pair)
        require_same_prediction(probabilities, masks.prediction, probabilities_file, pair)
        values = [piece_probabilities(probabilities, piece) for piece in predictions]
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

    Parameters
    ----------
    levels : numpy.ndarray of int, (references, predictions)
        Of `CaseCandidates`.
    confidence : numpy.ndarray of float, (predictions,)
        Of each prediction; equal ones are taken in the order of their numbers.

    Returns
    -------
    numpy.ndarray of bool, (predictions,)
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
