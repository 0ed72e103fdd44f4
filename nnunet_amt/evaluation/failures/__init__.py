"""What sets the worst segmented tumours apart from the best, and how each case fails."""

from nnunet_amt.evaluation.failures.analyse import FAILURE_FILES, FailureAnalysis, analyse_failures
from nnunet_amt.evaluation.failures.failure_case import FailureCase, FailureMode, failure_mode, reference_features
from nnunet_amt.evaluation.failures.groups import ExtremeGroups, FeatureComparison, compare_features, extreme_groups
from nnunet_amt.evaluation.measure.features import FEATURES, Feature

__all__ = [
    "FAILURE_FILES",
    "FEATURES",
    "ExtremeGroups",
    "FailureAnalysis",
    "FailureCase",
    "FailureMode",
    "Feature",
    "FeatureComparison",
    "analyse_failures",
    "compare_features",
    "extreme_groups",
    "failure_mode",
    "reference_features",
]
