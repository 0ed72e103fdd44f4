"""The model against readers on the same patients: against the mean of each level, and against each reader."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.risk.fusion.reading.right_answers import ALL_READERS, RightAlone, right_alone
from nnunet_amt.risk.reading.reader_analysis import ReaderAnalysis
from nnunet_amt.statistics.reader_groups import compare_with_model
from nnunet_amt.statistics.reader_means import MeanComparison
from nnunet_amt.statistics.roc import AucDifference, delong_test
from nnunet_amt.statistics.tests import holm


@dataclass(frozen=True)
class AgainstGroup:
    """The model's AUC less the mean of readers in a condition; `random` if it holds for readers like these."""

    group: str
    condition: str
    readers: int
    random: bool
    comparison: MeanComparison
    p_holm: float | None = None


@dataclass(frozen=True)
class AgainstReader:
    """The model's AUC less that of a reader in a condition (DeLong), and which cases one of the two has right alone.

    `sensitivity` is of the cases of which the right answer is yes, `specificity` of the others, the reader being the
    first; None where the model has no threshold.
    """

    reader: str
    condition: str
    auc: float
    difference: AucDifference
    p_holm: float | None = None
    sensitivity: RightAlone | None = None
    specificity: RightAlone | None = None


@dataclass(frozen=True)
class ModelComparison:
    """Against groups and single readers; `few` if intervals and p-values of AUCs are to be withheld."""

    groups: tuple[AgainstGroup, ...]
    readers: tuple[AgainstReader, ...]
    few: bool


def compare_model(result: ReaderAnalysis, *, threshold: float | None) -> ModelComparison | None:
    """Compare the model of a reader study with its readers in either condition; None without a model.

    Holm corrects over the groups, and over the single readers for each test.

    Parameters
    ----------
    threshold
        From which on the model says yes; None if there is none.
    """
    if result.model_scores is None:
        return None
    return ModelComparison(_groups(result), _readers(result, threshold), result.few)


def _groups(result: ReaderAnalysis) -> tuple[AgainstGroup, ...]:
    assert result.model_scores is not None
    members = {ALL_READERS: [one.name for one in result.readers]}
    if len(result.levels) > 1:
        members |= {level: [one.name for one in result.readers if one.level == level] for level in result.levels}
    model, found = (result.question.model, result.model_scores), []
    for group, names in members.items():
        for condition in result.readings.conditions:
            both = compare_with_model(result.readings, (condition, names), model)
            is_random = both.answer is both.random_readers
            found.append(AgainstGroup(group, condition, len(names), is_random, both.answer))
    corrected = _holm([one.comparison.p for one in found])
    return tuple(replace(one, p_holm=p) for one, p in zip(found, corrected, strict=True))


def _readers(result: ReaderAnalysis, threshold: float | None) -> tuple[AgainstReader, ...]:
    assert result.model_scores is not None
    readings, high = result.readings, result.readings.high
    keys = [(one.name, condition) for one in result.readers for condition in readings.conditions]
    ratings = [readings.in_condition(condition, [name])[0] for name, condition in keys]
    found = []
    for (name, condition), of_reader in zip(keys, ratings, strict=True):
        own = next(one for one in result.readers if one.name == name).comparison
        area = (own.first if condition == readings.conditions[0] else own.second).auc
        found.append(AgainstReader(name, condition, area, delong_test(of_reader, result.model_scores, high)))
    corrected = _holm([one.difference.p for one in found])
    found = [replace(one, p_holm=p) for one, p in zip(found, corrected, strict=True)]
    if threshold is None:
        return tuple(found)
    called = result.model_scores >= threshold
    said = [of_reader >= result.high_from for of_reader in ratings]
    sensitivities, specificities = (_right_alone(said, called, high, answer) for answer in (True, False))
    return tuple(
        replace(one, sensitivity=sensitivity, specificity=specificity)
        for one, sensitivity, specificity in zip(found, sensitivities, specificities, strict=True)
    )


def _right_alone(
    said: list[NDArray[np.bool_]], called: NDArray[np.bool_], high: NDArray[np.bool_], answer: bool
) -> tuple[RightAlone, ...]:
    """Compare who is right in the cases of one class: each reader and the model."""
    of_class = high == answer
    return right_alone([(one[of_class] == answer, called[of_class] == answer) for one in said])


def _holm(p_values: list[float | None]) -> list[float | None]:
    """Correct those that there are."""
    corrected = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(corrected) for p in p_values]
