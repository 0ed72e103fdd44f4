"""The choices of an evaluation, all of them recorded in its results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from nnunet_amt import paper
from nnunet_amt.errors import BadInputError

Connectivity = Literal[6, 18, 26]
FalsePositiveRule = Literal["unmatched", "no_overlap"]
ResamplingUnit = Literal["case", "institution"]


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
        Measure how far apart surfaces lie, which takes longer than all the rest.
    bootstrap_resamples
        Resamples of cases for intervals and for the SD of lesion metrics.
    seed
        Seed of the resamples.
    cluster
        What a resample draws: cases, or whole institutions with all of their cases.
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
        for name, choices in (
            ("connectivity", get_args(Connectivity)),
            ("false_positive_rule", get_args(FalsePositiveRule)),
            ("cluster", get_args(ResamplingUnit)),
        ):
            if getattr(self, name) not in choices:
                allowed = ", ".join(str(choice) for choice in choices)
                raise BadInputError(f"{name} is {getattr(self, name)!r}; choose one of {allowed}")
        for name, lowest in (
            ("minimum_predicted_voxels", 0),
            ("foreground", 1),
            ("bootstrap_resamples", 1),
            ("seed", 0),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or value < lowest:
                raise BadInputError(f"{name} is {value!r}; give a whole number, {lowest} or more")
