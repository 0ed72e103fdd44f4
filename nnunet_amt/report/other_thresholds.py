"""A case at other thresholds of probability than one half: where its outline would run, and what would count then.

Masks are made, counted and matched as the evaluation does it with the label maps; at one half both are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.case import count_masks, evaluate_counts
from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.results.read_results import EvaluatedCase
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.geometry import array_to_lps
from nnunet_amt.images.mask_file import orientation, read_foreground, read_geometry
from nnunet_amt.images.probability_file import HIGHEST_LEVEL, probability_file, read_probabilities
from nnunet_amt.pictures import CaseCrop, Voxel, case_panel, focused, shown_voxel
from nnunet_amt.report.viewer.dial import THRESHOLDS
from nnunet_amt.study import Study, study_crop
from nnunet_amt.study.study import label_map_in

USUAL_STEP = THRESHOLDS.index(0.5)
_MARGIN_MM = 40.0  # round the masks at one half: at a lower threshold more is outlined
_PANEL_PIXELS = 480
_IOU = 0.1
_MM3_PER_CM3 = 1000.0


@dataclass(frozen=True)
class Outcome:
    """What a threshold makes of a case.

    Attributes
    ----------
    lesions, volume_cm3
        Predicted lesions that are large enough to count, and their volume.
    found, false_positives
        Reference lesions with a partner, and predicted ones without, at IoU > 0.1.
    dice
        Of the whole masks; None where undefined.
    """

    threshold: float
    lesions: int
    volume_cm3: float
    found: int
    false_positives: int
    dice: float | None


@dataclass(frozen=True, eq=False)
class CaseAtThresholds:
    """A case with its probabilities.

    Attributes
    ----------
    references
        Lesions of the reference.
    outcomes
        One for each of `THRESHOLDS`.
    """

    references: int
    outcomes: tuple[Outcome, ...]
    _crop: CaseCrop
    _levels: NDArray[np.uint8]  # (z, y, x) of the crop
    _at: Voxel

    def picture(self, step: int) -> bytes:
        """Draw the outlines at one of `THRESHOLDS` as a PNG; the slices and their frame are the same at each."""
        mask = self._levels >= THRESHOLDS[step] * HIGHEST_LEVEL
        whole = max(self._crop.extent_mm) + max(self._crop.spacing)
        return case_panel(replace(self._crop, prediction=mask), size=_PANEL_PIXELS, at=self._at, minimum_mm=whole)


def cases_with_probabilities(study: Study, cases: Sequence[EvaluatedCase]) -> tuple[EvaluatedCase, ...]:
    """Give those cases whose probabilities were kept beside the predictions."""
    folder = study.evaluation.predictions
    if folder is None:
        return ()
    return tuple(case for case in cases if probability_file(folder, case.case_id).is_file())


def case_at_thresholds(study: Study, case: EvaluatedCase, *, settings: EvaluationSettings) -> CaseAtThresholds:
    """Read a case, and count it at each of `THRESHOLDS`.

    Raises
    ------
    BadInputError
        If no probabilities of it were kept, or its files are others than those evaluated, see `study_crop`.
    """
    crop = study_crop(study, case, foreground=settings.foreground, margin_mm=_MARGIN_MM)
    levels, prediction, reference = _levels_of(study, case)
    outcomes = _outcomes(case.case_id, levels, reference, settings)
    turned = array_to_lps(levels, read_geometry(prediction))
    shown = turned[tuple(slice(low, low + size) for low, size in zip(crop.lower, crop.reference.shape, strict=True))]
    framed, at = focused(
        replace(crop, prediction=shown >= THRESHOLDS[0] * HIGHEST_LEVEL), at=shown_voxel(crop), minimum_mm=80.0
    )
    box = tuple(
        slice(inner - outer, inner - outer + size)
        for inner, outer, size in zip(framed.lower, crop.lower, framed.reference.shape, strict=True)
    )
    return CaseAtThresholds(case.reference_lesions, outcomes, framed, np.ascontiguousarray(shown[box]), at)


def outcomes_of(study: Study, case: EvaluatedCase, *, settings: EvaluationSettings) -> tuple[Outcome, ...]:
    """Count a case at each of `THRESHOLDS`, without its picture; see `case_at_thresholds`."""
    levels, _, reference = _levels_of(study, case)
    return _outcomes(case.case_id, levels, reference, settings)


def _levels_of(study: Study, case: EvaluatedCase) -> tuple[NDArray[np.uint8], Path, Path]:
    """Read the probabilities of a case, (z, y, x) as they are stored, and find its label map and its reference."""
    prediction = label_map_in(study.evaluation.predictions, case.case_id)
    reference = label_map_in(study.evaluation.references, case.case_id)
    path = None if prediction is None else probability_file(prediction.parent, case.case_id)
    if prediction is None or reference is None or path is None or not path.is_file():
        raise BadInputError(
            f"case {case.case_id}: no probabilities of it were kept; predict again with probabilities = true"
        )
    return read_probabilities(path, read_geometry(prediction)), prediction, reference


def _outcomes(
    case_id: str, levels: NDArray[np.uint8], reference: Path, settings: EvaluationSettings
) -> tuple[Outcome, ...]:
    settings = replace(settings, surface_distances=False)
    referenced = read_foreground(reference, case_id=case_id, foreground=settings.foreground)
    grid, at = orientation(read_geometry(reference)), threshold_index(_IOU)
    found = []
    for threshold in THRESHOLDS:
        mask = np.ascontiguousarray(levels >= threshold * HIGHEST_LEVEL).astype(np.uint8)
        counts = count_masks(case_id, Foreground.of(mask, *grid), referenced, settings=settings)
        case = evaluate_counts(counts, settings=settings)
        found.append(
            Outcome(
                threshold=threshold,
                lesions=len(counts.prediction_voxels),
                volume_cm3=float(counts.prediction_voxels.sum()) * counts.voxel_volume_mm3 / _MM3_PER_CM3,
                found=int(case.lesions.tp[at]),
                false_positives=int(case.lesions.fp[at]),
                dice=case.voxel.dice,
            )
        )
    return tuple(found)
