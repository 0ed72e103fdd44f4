"""The choices of an evaluation and of a comparison, all of them recorded in their results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from nnunet_amt import paper
from nnunet_amt.errors import BadInputError

Connectivity = Literal[6, 18, 26]
FalsePositiveRule = Literal["unmatched", "no_overlap"]
ResamplingUnit = Literal["case", "patient", "institution"]
# Metrics that comparisons test, the lesion metrics with their IoU threshold.
PRIMARY_ENDPOINTS = (
    *("dice", "iou", "precision", "recall"),
    *("sensitivity_0.1", "fp_per_scan_0.1", "sensitivity_0.5", "fp_per_scan_0.5"),
)


@dataclass(frozen=True)
class EvaluationSettings:
    """How lesions are separated and counted, and how intervals are drawn.

    Attributes
    ----------
    connectivity
        Neighbours that join two voxels into one lesion: 6 (faces), 18 (and edges), 26 (and corners).
        The paper does not state its own.
    minimum_predicted_voxels
        Predicted components of fewer voxels are dropped from the lesion counts (never from the voxel
        metrics), after labelling; reference components are never dropped.
    false_positive_rule
        ``"unmatched"``: every predicted lesion without a partner at a threshold (the rule that the paper's
        Table 4 fits). ``"no_overlap"``: only predicted lesions that share no voxel with any reference
        lesion, at every threshold the same (the rule in the last paragraph of the paper's method).
    foreground
        The value that stands for tumour where a mask does not hold 0 and 1: 255 for one of 0 and 255.
    surface_distances
        Measure how far apart surfaces lie, and the normalised surface Dice; it takes longer than all the rest.
    bootstrap_resamples
        Resamples of cases for intervals and for the SD of lesion metrics.
    seed
        Seed of the resamples.
    cluster
        What a resample draws, and a test takes for independent: cases, or whole patients or institutions with all of
        their cases.
    ci_always
        Give bootstrap intervals also under 20 cases, as the paper does; they are too narrow there.
    subgroup_columns
        Columns of the cohort file to make subgroups of besides the usual ones.

    Raises
    ------
    BadInputError
        If a value is not among the allowed ones.
    """

    connectivity: Connectivity = 26
    minimum_predicted_voxels: int = paper.MINIMUM_PREDICTED_VOXELS
    false_positive_rule: FalsePositiveRule = "unmatched"
    foreground: int = 1
    surface_distances: bool = False
    bootstrap_resamples: int = 10_000
    seed: int = 711
    cluster: ResamplingUnit = "case"
    ci_always: bool = False
    subgroup_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_choices(
            self,
            connectivity=get_args(Connectivity),
            false_positive_rule=get_args(FalsePositiveRule),
            cluster=get_args(ResamplingUnit),
        )
        _require_whole_numbers(self, minimum_predicted_voxels=0, foreground=1, bootstrap_resamples=1, seed=0)


@dataclass(frozen=True)
class ComparisonSettings:
    """How differences are resampled and when two Dice scores count as equal.

    Attributes
    ----------
    bootstrap_resamples
        Resamples of cases, or of what `cluster` says, for the intervals.
    permutations
        Random changes of sign for a test of more than 20 differences; of fewer all are gone through.
    seed
        Seed of both.
    cluster
        As in `EvaluationSettings`.
    ci_always
        Give intervals also under 20 cases; they are too narrow there.
    primary
        The one endpoint, of `PRIMARY_ENDPOINTS`, that was named before looking; the tests of the others are corrected
        for their number.
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
    permutations: int = 100_000
    seed: int = 711
    cluster: ResamplingUnit = "case"
    ci_always: bool = False
    primary: str = "dice"
    tie_margin: float = 0.01
    published: bool = False

    def __post_init__(self) -> None:
        _require_choices(self, cluster=get_args(ResamplingUnit), primary=PRIMARY_ENDPOINTS)
        _require_whole_numbers(self, bootstrap_resamples=1, permutations=1, seed=0)
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


def _require_choices(settings: object, **choices: tuple[object, ...]) -> None:
    for name, allowed in choices.items():
        if getattr(settings, name) not in allowed:
            raise BadInputError(f"{name} is {getattr(settings, name)!r}; choose one of {', '.join(map(str, allowed))}")


def _require_whole_numbers(settings: object, **lowest: int) -> None:
    for name, least in lowest.items():
        value = getattr(settings, name)
        if not isinstance(value, int) or value < least:
            raise BadInputError(f"{name} is {value!r}; give a whole number, {least} or more")
