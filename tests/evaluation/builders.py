"""Tiny label maps and counts for the tests of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nnunet_amt.evaluation.measure.case import CaseCounts, CaseEvaluation, count_masks, evaluate_counts
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground

SPACING = (1.0, 2.0, 5.0)  # mm, (x, y, z)


def row_mask(length: int, *runs: tuple[int, int]) -> np.ndarray:
    """A mask of one row of voxels, (1, 1, length), set from start to stop of each run."""
    mask = np.zeros((1, 1, length), dtype=np.uint8)
    for start, stop in runs:
        mask[0, 0, start:stop] = 1
    return mask


def count(
    prediction: np.ndarray, reference: np.ndarray, settings: EvaluationSettings | None = None, case_id: str = "case"
) -> CaseCounts:
    settings = settings or EvaluationSettings()
    return count_masks(
        case_id, Foreground.of(prediction, SPACING), Foreground.of(reference, SPACING), settings=settings
    )


def evaluated(
    prediction: np.ndarray, reference: np.ndarray, settings: EvaluationSettings | None = None, case_id: str = "case"
) -> CaseEvaluation:
    settings = settings or EvaluationSettings()
    return evaluate_counts(count(prediction, reference, settings, case_id), settings=settings)


def write_label_map(
    path: Path,
    voxels: np.ndarray,
    spacing: Sequence[float] = SPACING,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    direction: Sequence[float] = (1, 0, 0, 0, 1, 0, 0, 0, 1),
) -> Path:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path


def write_pair(folder: Path, case_id: str, prediction: np.ndarray, reference: np.ndarray) -> None:
    write_label_map(folder / "predictions" / f"{case_id}.nii.gz", prediction)
    write_label_map(folder / "references" / f"{case_id}.nii.gz", reference)
