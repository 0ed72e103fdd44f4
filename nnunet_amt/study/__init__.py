"""A study as it lies on disk: dataset, predictions, evaluations, failure analysis, comparison and their run records."""

from nnunet_amt.study.case_files import StudyCase, read_study_cases, study_crop, worst_first
from nnunet_amt.study.find_study import find_study
from nnunet_amt.study.study import EvaluationFolder, Study, StudyRun

__all__ = [
    "EvaluationFolder",
    "Study",
    "StudyCase",
    "StudyRun",
    "find_study",
    "read_study_cases",
    "study_crop",
    "worst_first",
]
