"""A study as it lies on disk: dataset, predictions, evaluations, failure analysis, comparison and their run records."""

from nnunet_amt.study.find_study import find_study
from nnunet_amt.study.study import EvaluationFolder, Study, StudyRun, study_crop

__all__ = ["EvaluationFolder", "Study", "StudyRun", "find_study", "study_crop"]
