"""How two masks of one CT differ: before and after an edit, or of two readers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.cohort.reviews import MaskDifference
from nnunet_amt.evaluation.measure.case import count_masks, voxel_metrics
from nnunet_amt.evaluation.measure.distances import surface_distances
from nnunet_amt.evaluation.measure.lesions import label_components
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground, Spacing

_ALL_LESIONS = EvaluationSettings(minimum_predicted_voxels=0)
_MM3_PER_CM3 = 1000.0


def mask_difference(first: NDArray[np.uint8], second: NDArray[np.uint8], spacing: Spacing) -> MaskDifference:
    """Measure two masks on one grid as the evaluation does, no lesion left out.

    Parameters
    ----------
    first, second
        (z, y, x); 1 is tumour, all else is not.
    spacing
        Voxel edge lengths (x, y, z) in mm.
    """
    one, other = (Foreground.of((mask == 1).astype(np.uint8), spacing) for mask in (first, second))
    counts = count_masks("", other, one, settings=_ALL_LESIONS)
    distances = surface_distances(one.boxes, other.boxes, spacing)
    volume = counts.voxel_volume_mm3 / _MM3_PER_CM3
    return MaskDifference(
        dice=voxel_metrics(counts.tp, counts.fp, counts.fn).dice,
        volumes_cm3=((counts.tp + counts.fn) * volume, (counts.tp + counts.fp) * volume),
        lesions=(len(counts.reference_voxels), len(counts.prediction_voxels)),
        largest_distance_mm=None if distances is None else distances.hausdorff,
    )


def mask_size(mask: NDArray[np.uint8], spacing: Spacing) -> tuple[float, int]:
    """Measure the volume of a mask, (z, y, x), in cm³, and count its lesions; 1 is tumour, all else is not."""
    found = Foreground.of((mask == 1).astype(np.uint8), spacing)
    voxels = sum(int(np.count_nonzero(box.mask)) for box in found.boxes)
    lesions = label_components(found, connectivity=_ALL_LESIONS.connectivity)
    return voxels * float(np.prod(spacing)) / _MM3_PER_CM3, len(lesions)
