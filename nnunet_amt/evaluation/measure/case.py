"""One case, evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnunet_amt.evaluation.measure.counts import CaseCounts, count_case
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair
from nnunet_amt.evaluation.measure.lesion import LesionCounts, count_lesions
from nnunet_amt.evaluation.measure.voxel import VoxelMetrics, voxel_metrics
from nnunet_amt.evaluation.settings import EvaluationSettings


@dataclass(frozen=True, eq=False)
class CaseEvaluation:
    """The counts of one case and the metrics that follow from them.

    Attributes
    ----------
    counts
        Of voxels and lesions.
    voxel, lesions
        What follows from them.
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


def evaluate_case(pair: LabelMapPair, settings: EvaluationSettings) -> CaseEvaluation:
    """Read, count and measure one pair of label maps whose geometry has been checked.

    Raises
    ------
    ImageReadError, LabelValueError
        If one of the two files is damaged or holds other values than 0 and 1.
    """
    return evaluate_counts(count_case(pair, settings), settings)


def evaluate_counts(counts: CaseCounts, settings: EvaluationSettings) -> CaseEvaluation:
    """Measure one case from its counts."""
    return CaseEvaluation(
        counts=counts,
        voxel=voxel_metrics(counts.tp, counts.fp, counts.fn),
        lesions=count_lesions(counts, settings.false_positive_rule),
    )
