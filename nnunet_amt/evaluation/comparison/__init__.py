"""From two or more evaluations of the same cases to paired differences, with intervals, tests, figures and costs."""

from nnunet_amt.evaluation.comparison.compare import COMPARISON_FILES, ComparisonResult, compare
from nnunet_amt.evaluation.settings import ComparisonSettings

__all__ = ["COMPARISON_FILES", "ComparisonResult", "ComparisonSettings", "compare"]
