"""What is true of a study, read from its files."""

from nnunet_amt.study.facts.facts import (
    DatasetFacts,
    EvaluationFacts,
    FailureFacts,
    ModelFacts,
    RunFacts,
    SetFacts,
    StudyFacts,
)
from nnunet_amt.study.facts.read_facts import facts_of

__all__ = [
    "DatasetFacts",
    "EvaluationFacts",
    "FailureFacts",
    "ModelFacts",
    "RunFacts",
    "SetFacts",
    "StudyFacts",
    "facts_of",
]
