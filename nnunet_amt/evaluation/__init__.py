"""From predicted and reference label maps to voxel metrics, lesion FROC, intervals, subgroups, tables and figures."""

from nnunet_amt.evaluation.evaluate import RESULT_FILES, EvaluationResult, evaluate
from nnunet_amt.evaluation.measure.case import CaseCounts, CaseEvaluation
from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import GroupSummary, LesionSummary, MetricSummary, SpecificitySummary

__all__ = [
    "RESULT_FILES",
    "CaseCounts",
    "CaseEvaluation",
    "EvaluationResult",
    "EvaluationSettings",
    "GroupSummary",
    "LesionSummary",
    "MetricSummary",
    "SpecificitySummary",
    "evaluate",
    "threshold_index",
]
