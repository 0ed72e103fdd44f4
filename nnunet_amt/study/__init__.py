"""A study as it lies on disk: dataset, predictions, evaluations, failure analysis, comparison and their run records."""

from nnunet_amt.study.case_files import study_crop
from nnunet_amt.study.find_study import find_study
from nnunet_amt.study.study import EvaluationFolder, Study, StudyRun

__all__ = [
    "EvaluationFolder",
    "Study",
    "StudyRun",
    "find_study",
    "study_crop",
]
