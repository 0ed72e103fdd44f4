"""The choices of a comparison, all of them recorded in its results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.settings import EvaluationSettings, ResamplingUnit


@dataclass(frozen=True)
class ComparisonSettings:
    """How differences are resampled and when two Dice scores count as equal.

    Attributes
    ----------
    bootstrap_resamples
        Resamples of cases (or institutions) for the intervals.
    seed
        Seed of the resamples.
    cluster
        What a resample draws: cases, or whole institutions with all of their cases.
    ci_always
        Give intervals also under 20 cases; they are too narrow there.
    tie_margin
        Two Dice scores of a case are a tie if they differ by less than this.
    published
        Put the paper's own results beside the models.

    Raises
    ------
    BadInputError
        If a value is not among the allowed ones.
    """

    bootstrap_resamples: int = 10_000
    seed: int = 711
    cluster: ResamplingUnit = "case"
    ci_always: bool = False
    tie_margin: float = 0.01
    published: bool = False

    def __post_init__(self) -> None:
        if self.cluster not in get_args(ResamplingUnit):
            raise BadInputError(f"cluster is {self.cluster!r}; choose one of {', '.join(get_args(ResamplingUnit))}")
        for name, lowest in (("bootstrap_resamples", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < lowest:
                raise BadInputError(f"{name} is {value!r}; give a whole number, {lowest} or more")
        if not (math.isfinite(self.tie_margin) and 0 <= self.tie_margin < 1):
            raise BadInputError(f"tie_margin is {self.tie_margin:g}; give a number from 0 to less than 1")

    def for_groups(self, subgroup_columns: tuple[str, ...] = ()) -> EvaluationSettings:
        """Give the settings that the subgroups and institutions of the cohort file are made by."""
        return EvaluationSettings(
            bootstrap_resamples=self.bootstrap_resamples,
            seed=self.seed,
            cluster=self.cluster,
            ci_always=self.ci_always,
            subgroup_columns=subgroup_columns,
        )
