"""The candidate false positives of a case, numbered as in lesions.csv, and where they lie in its crop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunet_amt.evaluation.measure.case import count_masks, evaluate_counts
from nnunet_amt.evaluation.measure.lesions import label_components
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.triage import candidates
from nnunet_amt.images.foreground import Foreground, Piece
from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.mask_file import read_foreground, read_geometry
from nnunet_amt.pictures import CaseCrop
from nnunet_amt.pictures.case_crop import lps_array_axes
from nnunet_amt.report.viewer.viewer_case import FalsePositive, Point

_MM3_PER_ML = 1000.0


def false_positives(
    crop: CaseCrop, reference: Path, prediction: Path | None, settings: EvaluationSettings
) -> tuple[FalsePositive, ...]:
    """Find the predicted lesions of a case that have no partner at IoU 0.1.

    They are separated and numbered on the files as they are, by the code of the evaluation, and only then found in
    the crop: on turned axes lesions may come in another order.

    Parameters
    ----------
    crop
        Of the case.
    reference, prediction
        Its label maps, on one grid; None for an empty prediction.
    settings
        Of the evaluation.

    Raises
    ------
    ImageReadError, LabelValueError
        If a file is damaged, or a mask holds other values than 0 and that of tumour.
    """
    if prediction is None:
        return ()
    predicted = read_foreground(prediction, crop.case_id, settings.foreground)
    referenced = read_foreground(reference, crop.case_id, settings.foreground)
    counts = count_masks(crop.case_id, predicted, referenced, settings)
    case = evaluate_counts(counts, settings)
    lesions = _counted(predicted, settings)
    geometry = read_geometry(prediction)
    return tuple(
        FalsePositive(
            lesion=number,
            voxels=int(counts.prediction_voxels[number - 1]),
            volume_ml=float(counts.prediction_voxels[number - 1]) * counts.voxel_volume_mm3 / _MM3_PER_ML,
            diameter_mm=float(counts.prediction_maximum_diameters_mm[number - 1]),
            overlaps=bool(counts.intersections[:, number - 1].any()),
            where=_place(lesions[number - 1], geometry, crop),
        )
        for number in candidates(case)
    )


def _counted(predicted: Foreground, settings: EvaluationSettings) -> list[Piece]:
    """Give the lesions in the order of `count_masks`, without those that are too small to count."""
    found = label_components(predicted, settings.connectivity)
    return [piece for piece in found if np.count_nonzero(piece.mask) >= settings.minimum_predicted_voxels]


def _place(lesion: Piece, geometry: Geometry, crop: CaseCrop) -> Point:
    """Give the lesion's voxel that is nearest to its middle, as shares of the crop."""
    voxels = np.argwhere(lesion.mask)
    spacing = np.array(geometry.spacing[::-1])
    distances = np.linalg.norm((voxels - voxels.mean(axis=0)) * spacing, axis=1)
    index: Sequence[int] = (voxels[distances.argmin()] + lesion.lower).tolist()  # (z, y, x) of the file
    order, flips = lps_array_axes(geometry)
    turned = [index[axis] for axis in order]
    turned = [crop.whole[i] - 1 - at if i in flips else at for i, at in enumerate(turned)]
    z, y, x = ((at - low + 0.5) / size for at, low, size in zip(turned, crop.lower, crop.reference.shape, strict=True))
    return x, y, z
