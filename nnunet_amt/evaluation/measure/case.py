"""One case: what is counted in it, and the metrics that follow from the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from nnunet_amt import paper
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import AMTError, WorkFailedError
from nnunet_amt.evaluation.measure.distances import SurfaceDistances, largest_diameters, surface_distances
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, read_mask_pair
from nnunet_amt.evaluation.measure.lesions import (
    UNMATCHED,
    intersection_table,
    iou_levels,
    label_components,
    match_sweep,
)
from nnunet_amt.evaluation.measure.surface_dice import surface_dice
from nnunet_amt.evaluation.settings import EvaluationSettings, FalsePositiveRule
from nnunet_amt.images.foreground import Foreground, MaskBox, Spacing

VOXEL_METRICS = ("dice", "iou", "precision", "recall")
# A process takes about a second to start, in which this one evaluates as many cases.
_CASES_WORTH_A_PROCESS = 50


@dataclass(frozen=True)
class VoxelMetrics:
    """The four metrics of the paper's "Voxel-wise segmentation performance metrics"; None where undefined."""

    dice: float | None
    iou: float | None
    precision: float | None
    recall: float | None


def voxel_metrics(tp: int, fp: int, fn: int) -> VoxelMetrics:
    """Compute Dice, IoU, precision and recall (the paper's equations 1 to 4) from voxel counts.

    A ratio of nothing to nothing is undefined, not 0 and not 1: all four of a case with neither tumour nor
    prediction; the precision of an empty prediction; the recall of an empty reference. Dice and IoU of a
    case with only one of the two masks empty are 0.
    """
    return VoxelMetrics(
        dice=_ratio(2 * tp, 2 * tp + fp + fn),
        iou=_ratio(tp, tp + fp + fn),
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


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
        Largest diameter of each lesion in an axial slice of the patient, whatever the order of the array's axes.
    reference_maximum_diameters_mm, prediction_maximum_diameters_mm : numpy.ndarray of float
        Largest diameter of each lesion in space.
    dropped_predictions
        Predicted components that were too small to count.
    surface_distances
        Between the whole masks; None if not asked for, or one of them is empty.
    surface_dice
        Of the whole masks, see `surface_dice`; None if not asked for, or both are empty.
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
    surface_dice: float | None = None
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


def count_masks(
    case_id: str, prediction: Foreground, reference: Foreground, *, settings: EvaluationSettings
) -> CaseCounts:
    """Count two masks on one grid.

    Connectivity and the smallest predicted lesion are those of `settings`.
    """
    references = label_components(reference, connectivity=settings.connectivity)
    predictions = label_components(prediction, connectivity=settings.connectivity)
    reference_voxels, prediction_voxels = _voxels(references), _voxels(predictions)
    table = intersection_table(references, predictions)
    overlap = int(table.sum())
    kept = np.flatnonzero(prediction_voxels >= settings.minimum_predicted_voxels)
    kept_predictions = [predictions[index] for index in kept]
    reference_axial, reference_maximum = _diameters(references, reference)
    prediction_axial, prediction_maximum = _diameters(kept_predictions, reference)
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
        surface_dice=surface_dice(reference.boxes, prediction.boxes, reference.spacing),
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


def _diameters(components: Sequence[MaskBox], grid: Foreground) -> tuple[np.ndarray, np.ndarray]:
    found = [largest_diameters(*grid.axial(component.mask)) for component in components]
    return np.array([each.axial for each in found], float), np.array([each.maximum for each in found], float)


@dataclass(frozen=True, eq=False)
class LesionCounts:
    """The lesions of one case, matched at the thresholds of `THRESHOLDS`.

    Attributes
    ----------
    tp, fp, fn : numpy.ndarray of int, (thresholds,)
        Matched reference lesions, false positive predictions, missed reference lesions.
    partners : numpy.ndarray of int, (thresholds, references)
        Number of the predicted lesion, from 0, that a reference is matched to; -1 for none.
    """

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    partners: np.ndarray


def count_lesions(counts: CaseCounts, *, false_positive_rule: FalsePositiveRule) -> LesionCounts:
    """Sweep the IoU threshold from 0.05 to 0.95 over the lesions of a case.

    The paper's "Lesion-wise detection performance metrics"; a match needs an IoU above the threshold.
    """
    levels = iou_levels(counts.intersections, counts.reference_voxels, counts.prediction_voxels)
    partners = match_sweep(levels, paper.IOU_THRESHOLD_TWENTIETHS)
    tp = (partners != UNMATCHED).sum(axis=1)
    if false_positive_rule == "unmatched":
        fp = len(counts.prediction_voxels) - tp
    else:
        apart = (counts.intersections == 0).all(axis=0)  # (predictions,)
        fp = np.full_like(tp, apart.sum())
    return LesionCounts(tp=tp, fp=fp, fn=len(counts.reference_voxels) - tp, partners=partners)


@dataclass(frozen=True, eq=False)
class CaseEvaluation:
    """The counts of one case and the metrics that follow from them.

    Attributes
    ----------
    triage
        A reader's decision on each candidate false positive, by the lesion's number from 1; those accepted are out of
        `lesions.fp`. None without decisions.
    """

    counts: CaseCounts
    voxel: VoxelMetrics
    lesions: LesionCounts
    triage: Mapping[int, str] | None = None

    @property
    def case_id(self) -> str:
        """Name of the case."""
        return self.counts.case_id


def evaluate_case(pair: LabelMapPair, *, settings: EvaluationSettings) -> CaseEvaluation:
    """Read, count and measure one pair of label maps whose geometry has been checked.

    Raises
    ------
    ImageReadError, LabelValueError
        If one of the two files is damaged or holds other values than 0 and that of tumour.
    """
    masks = read_mask_pair(pair, tumour=settings.foreground)
    counts = count_masks(pair.case_id, masks.prediction, masks.reference, settings=settings)
    return evaluate_counts(counts, settings=settings)


def evaluate_counts(counts: CaseCounts, *, settings: EvaluationSettings) -> CaseEvaluation:
    """Measure one case from its counts."""
    return CaseEvaluation(
        counts=counts,
        voxel=voxel_metrics(counts.tp, counts.fp, counts.fn),
        lesions=count_lesions(counts, false_positive_rule=settings.false_positive_rule),
    )


def evaluate_cases(
    pairs: Sequence[LabelMapPair],
    *,
    settings: EvaluationSettings,
    jobs: int = 1,
    executor: str | None = None,
    progress: Progress = silent,
) -> tuple[CaseEvaluation, ...]:
    """Evaluate pairs of label maps whose geometry has been checked, in this process, in several, or on a cluster.

    Parameters
    ----------
    pairs
        The cases; their evaluations come in the same order.
    settings
        Of the evaluation.
    jobs
        Processes at most; so few cases that a process would not pay are evaluated in this one.
    executor
        ``dask://HOST:PORT`` for the workers of that scheduler; None for `jobs`.
    progress
        Told after every case.

    Raises
    ------
    BadInputError
        Of the first case that cannot be evaluated, or if no scheduler answers.
    WorkFailedError
        If a worker was killed.
    """
    what, work = "evaluating cases", partial(evaluate_case, settings=settings)
    jobs = min(jobs, len(pairs) // _CASES_WORTH_A_PROCESS)
    if executor is None and jobs < 2:
        cases = []
        for pair in pairs:
            cases.append(work(pair))
            progress(len(cases), len(pairs), what)
        return tuple(cases)
    from nnunet_amt.base.workers import open_workers  # not needed for most evaluations

    # paths that workers in other folders understand
    absolute = [
        replace(pair, prediction=pair.prediction and pair.prediction.absolute(), reference=pair.reference.absolute())
        for pair in pairs
    ]
    with open_workers(jobs=jobs, executor=executor, progress=progress) as workers:
        results = workers.each(work, absolute, what)
    failed = [(pair, result) for pair, result in zip(pairs, results, strict=True) if isinstance(result, AMTError)]
    if failed:
        pair, error = failed[0]
        name = f"case {pair.case_id}: " if isinstance(error, WorkFailedError) else ""
        more = f" ({len(failed) - 1} more cases cannot be evaluated)" if len(failed) > 1 else ""
        raise type(error)(f"{name}{error}{more}") from error
    return tuple(result for result in results if isinstance(result, CaseEvaluation))
