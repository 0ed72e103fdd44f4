"""What is counted in a case: everything that any metric of it is computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nnunet_amt.evaluation.measure.components import intersection_table, label_components
from nnunet_amt.evaluation.measure.diameter import largest_diameters
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair
from nnunet_amt.evaluation.measure.surface_distance import SurfaceDistances, surface_distances
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground, MaskBox, Spacing
from nnunet_amt.images.mask_file import read_foreground


@dataclass(frozen=True, eq=False)
class CaseCounts:
    """The counts of one case; no metric needs its images again.

    Attributes
    ----------
    case_id
        Name of the case.
    voxel_volume_mm3
        Volume of one voxel.
    tp, fp, fn
        Voxels in both masks, in the prediction only, in the reference only; nothing is dropped here.
    reference_voxels : numpy.ndarray of int64, (references,)
        Voxels of each reference lesion.
    prediction_voxels : numpy.ndarray of int64, (predictions,)
        Voxels of each predicted lesion that is large enough to count.
    intersections : numpy.ndarray of int64, (references, predictions)
        Voxels that a reference lesion and a predicted lesion share.
    reference_diameters_mm, prediction_diameters_mm : numpy.ndarray of float
        Largest in-plane diameter of each lesion.
    reference_maximum_diameters_mm, prediction_maximum_diameters_mm : numpy.ndarray of float
        Largest diameter of each lesion in space.
    dropped_predictions
        Predicted components that were too small to count.
    surface_distances
        Between the whole masks; None if not asked for, or one of them is empty.
    lesion_surface_distances
        Between each reference and the predicted lesion it shares most with, and each predicted lesion and the
        reference it shares most with, by their numbers (reference, prediction).
    """

    case_id: str
    voxel_volume_mm3: float
    tp: int
    fp: int
    fn: int
    reference_voxels: np.ndarray
    prediction_voxels: np.ndarray
    intersections: np.ndarray
    reference_diameters_mm: np.ndarray
    prediction_diameters_mm: np.ndarray
    reference_maximum_diameters_mm: np.ndarray
    prediction_maximum_diameters_mm: np.ndarray
    dropped_predictions: int
    surface_distances: SurfaceDistances | None = None
    lesion_surface_distances: Mapping[tuple[int, int], SurfaceDistances] = field(default_factory=dict)

    @property
    def ious(self) -> np.ndarray:
        """IoU of each pair of lesions, (references, predictions)."""
        unions = self.reference_voxels[:, None] + self.prediction_voxels[None, :] - self.intersections
        ious: np.ndarray = self.intersections / unions
        return ious

    @property
    def size_mm(self) -> float | None:
        """Tumour size of the case: the diameter of its largest reference lesion; None without a lesion."""
        return float(self.reference_diameters_mm.max()) if len(self.reference_diameters_mm) else None


def count_case(pair: LabelMapPair, settings: EvaluationSettings) -> CaseCounts:
    """Read a pair of label maps, whose geometry has been checked, and count it.

    Raises
    ------
    ImageReadError, LabelValueError
        If one of the two files is damaged or holds other values than 0 and that of tumour.
    """
    reference = read_foreground(pair.reference, case_id=pair.case_id, foreground=settings.foreground)
    if pair.prediction is None:
        prediction = Foreground((), reference.spacing)
    else:
        prediction = read_foreground(pair.prediction, case_id=pair.case_id, foreground=settings.foreground)
    return count_masks(pair.case_id, prediction, reference, settings)


def count_masks(
    case_id: str, prediction: Foreground, reference: Foreground, settings: EvaluationSettings
) -> CaseCounts:
    """Count two masks on one grid.

    Parameters
    ----------
    case_id
        Name of the case.
    prediction, reference
        The masks.
    settings
        Connectivity and the smallest predicted lesion.
    """
    references = label_components(reference, settings.connectivity)
    predictions = label_components(prediction, settings.connectivity)
    reference_voxels, prediction_voxels = _voxels(references), _voxels(predictions)
    table = intersection_table(references, predictions)
    overlap = int(table.sum())
    kept = np.flatnonzero(prediction_voxels >= settings.minimum_predicted_voxels)
    reference_axial, reference_maximum = _diameters(references, reference.spacing)
    kept_predictions = [predictions[index] for index in kept]
    prediction_axial, prediction_maximum = _diameters(kept_predictions, reference.spacing)
    counts = CaseCounts(
        case_id=case_id,
        voxel_volume_mm3=float(np.prod(reference.spacing)),
        tp=overlap,
        fp=int(prediction_voxels.sum()) - overlap,
        fn=int(reference_voxels.sum()) - overlap,
        reference_voxels=reference_voxels,
        prediction_voxels=prediction_voxels[kept],
        intersections=table[:, kept],
        reference_diameters_mm=reference_axial,
        prediction_diameters_mm=prediction_axial,
        reference_maximum_diameters_mm=reference_maximum,
        prediction_maximum_diameters_mm=prediction_maximum,
        dropped_predictions=len(predictions) - len(kept),
    )
    if not settings.surface_distances:
        return counts
    return replace(
        counts,
        surface_distances=surface_distances(reference.boxes, prediction.boxes, reference.spacing),
        lesion_surface_distances=_lesion_distances(counts.ious, references, kept_predictions, reference.spacing),
    )


def _lesion_distances(
    ious: np.ndarray, references: Sequence[MaskBox], predictions: Sequence[MaskBox], spacing: Spacing
) -> dict[tuple[int, int], SurfaceDistances]:
    if not ious.size:
        return {}
    best = {(i, int(j)) for i, j in enumerate(ious.argmax(axis=1))}
    best |= {(int(i), j) for j, i in enumerate(ious.argmax(axis=0))}
    measured = {(i, j): surface_distances([references[i]], [predictions[j]], spacing) for i, j in best if ious[i, j]}
    return {pair: distances for pair, distances in measured.items() if distances is not None}


def _voxels(components: Sequence[MaskBox]) -> np.ndarray:
    return np.array([np.count_nonzero(component.mask) for component in components], dtype=np.int64)


def _diameters(components: Sequence[MaskBox], spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    found = [largest_diameters(component.mask, spacing) for component in components]
    return np.array([each.axial for each in found], float), np.array([each.maximum for each in found], float)
