"""Groups of readers on the same cases: two of them compared, and one with a model that reads alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError
from nnunet_amt.statistics.reader_covariances import Covariance, auc_covariances
from nnunet_amt.statistics.reader_means import (
    MeanComparison,
    compare_means,
    condition_mean,
    degrees_of_sum,
    require_readers,
    told_answer,
)
from nnunet_amt.statistics.reader_table import Readings


@dataclass(frozen=True)
class GroupComparison:
    """Two groups of readers compared; `random_readers` is None where a group is of one."""

    random_readers: MeanComparison | None
    fixed_readers: MeanComparison

    @property
    def answer(self) -> MeanComparison:
        """The one to be told, see `told_answer`."""
        return told_answer(self.random_readers, self.fixed_readers)


def compare_groups(
    readings: Readings,
    first: tuple[str, Sequence[str]],
    second: tuple[str, Sequence[str]],
    *,
    covariance: Covariance = "delong",
) -> GroupComparison:
    """Compare the mean AUC of two groups of readers on the same cases, such as juniors and seniors with the model.

    The model is that of Obuchowski and Rockette (1995) with other readers in each group (Hillis 2014). The spread of
    readers is that of their own group, so degrees of freedom are Satterthwaite's (1946).

    Parameters
    ----------
    first, second
        The condition that a group read in, and its readers. No reader is in both: one reader in two conditions is what
        `nnunet_amt.statistics.readers.analyse_readers` compares.
    covariance
        As of `nnunet_amt.statistics.readers.analyse_readers`.

    Raises
    ------
    BadInputError
        If a condition or reader is not in the study, or a reader is in both groups.
    TooFewCasesError
        As `nnunet_amt.statistics.readers.analyse_readers`.
    """
    if both := sorted(set(first[1]) & set(second[1])):
        raise BadInputError(f"reader {both[0]} is in both groups; put each reader into one of them")
    for _, readers in (first, second):
        require_readers(readers)
    ratings = readings.in_condition(*first), readings.in_condition(*second)
    several = min(len(first[1]), len(second[1])) > 1
    return _compare(ratings, (first[0], second[0]), readings.high, covariance, random=several)


def compare_with_model(
    readings: Readings,
    group: tuple[str, Sequence[str]],
    model: tuple[str, NDArray[np.float64]],
    *,
    covariance: Covariance = "delong",
) -> GroupComparison:
    """Compare the mean AUC of readers with that of a model that read the same cases alone: the model's less theirs.

    As `compare_groups`, but the model is the one that it is: readers alone vary beyond the sample of cases.

    Parameters
    ----------
    group
        The condition that the readers read in, and the readers.
    model
        Its name, and its scores in the order of the cases, (cases,).
    covariance
        As of `nnunet_amt.statistics.readers.analyse_readers`.

    Raises
    ------
    BadInputError
        If the condition or a reader is not in the study, or there is not a score for each case.
    TooFewCasesError
        As `nnunet_amt.statistics.readers.analyse_readers`.
    """
    name, scores = model
    if scores.shape != readings.high.shape:
        raise BadInputError(
            f"{scores.size} scores of the model are given for {readings.high.size} cases; give each one"
        )
    require_readers(group[1])
    ratings = readings.in_condition(*group), scores[None]
    return _compare(ratings, (group[0], name), readings.high, covariance, random=len(group[1]) > 1)


def _compare(
    ratings: tuple[NDArray[np.float64], NDArray[np.float64]],
    names: tuple[str, str],
    high: NDArray[np.bool_],
    covariance: Covariance,
    *,
    random: bool,
) -> GroupComparison:
    """Compare two groups by their ratings, (readers, cases) each."""
    aucs, covariances = auc_covariances(np.concatenate(ratings)[None], high, method=covariance)
    parts = slice(0, len(ratings[0])), slice(len(ratings[0]), None)
    groups = [_Group(name, aucs[0, at], covariances[0, at, 0, at]) for name, at in zip(names, parts, strict=True)]
    across = float(covariances[0, parts[0], 0, parts[1]].mean())
    means = [condition_mean(group.condition, group.aucs, float(group.covariances.mean()), math.inf) for group in groups]
    fixed = compare_means(means, sum(float(group.covariances.mean()) for group in groups) - 2 * across, math.inf)
    return GroupComparison(_random_groups(groups, across) if random else None, fixed)


@dataclass(frozen=True)
class _Group:
    """Readers in one condition, or a model: AUCs, (readers,), and the covariances of these, (readers, readers)."""

    condition: str
    aucs: NDArray[np.float64]
    covariances: NDArray[np.float64]

    @property
    def spread(self) -> float:
        """The variance of their mean over other readers; a model has no others."""
        return 0.0 if self.aucs.size == 1 else float(self.aucs.var(ddof=1)) / self.aucs.size

    @property
    def shared(self) -> float:
        """The covariance of two of them, or the variance of the one."""
        if self.aucs.size == 1:
            return float(self.covariances[0, 0])
        pairs = self.aucs.size * (self.aucs.size - 1)
        return float(self.covariances.sum() - self.covariances.trace()) / pairs


def _random_groups(groups: list[_Group], across: float) -> MeanComparison:
    means = []
    for group in groups:
        total = group.spread + max(group.shared, 0.0)
        means.append(
            condition_mean(group.condition, group.aucs, total, degrees_of_sum(total, group.spread, group.aucs.size - 1))
        )
    total = sum(group.spread for group in groups) + max(sum(group.shared for group in groups) - 2 * across, 0.0)
    squares = sum(group.spread**2 / (group.aucs.size - 1) for group in groups if group.aucs.size > 1)
    return compare_means(means, total, total**2 / squares if squares > 0 else math.inf)
