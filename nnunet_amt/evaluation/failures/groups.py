"""The cases of lowest and of highest Dice, and whether the features of their tumours differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnunet_amt import paper
from nnunet_amt.errors import TooFewCasesError
from nnunet_amt.evaluation.measure.features import Feature
from nnunet_amt.statistics.tests import holm, mann_whitney

GroupName = Literal["bottom", "top"]
_PUBLISHED = {
    "volume_cm3": "voxel volume",
    "maximum_3d_diameter_mm": "maximum 3-D diameter",
    "total_energy_hu2_mm3": "total energy",
    "mean_hu": "mean",
    "median_hu": "median",
}


@dataclass(frozen=True)
class DiceTie:
    """Cases of equal Dice of which a group holds some and not others, chosen by their ids."""

    group: GroupName
    dice: float
    cases: int
    in_group: int


@dataclass(frozen=True)
class ExtremeGroups:
    """Case ids of both groups, lowest and highest Dice first, and of those that belong to none.

    A group has as many as the other; `undefined` are the cases without a tumour. `without_overlap` is the number of
    cases with a Dice of 0, in any group or none; there is a tie where a group ends between cases of equal Dice.
    """

    bottom: tuple[str, ...]
    top: tuple[str, ...]
    undefined: tuple[str, ...]
    without_overlap: int = 0
    ties: tuple[DiceTie, ...] = ()

    def group_of(self, case_id: str) -> GroupName | None:
        """Name the group of a case; None for one in between or undefined."""
        if case_id in self.bottom:
            return "bottom"
        return "top" if case_id in self.top else None


@dataclass(frozen=True)
class GroupValues:
    """A feature in one group: cases where it is defined, median and quartiles; None where there is none."""

    n: int
    median: float | None
    q1: float | None
    q3: float | None


@dataclass(frozen=True)
class FeatureComparison:
    """A feature of the references in both groups."""

    feature: Feature
    # bottom, top: its values in the cases of lowest and of highest Dice
    bottom: GroupValues
    top: GroupValues
    p: float | None  # two-sided Mann-Whitney U test; None if one group has no value, or it is not tested
    p_holm: float | None  # `p` after Holm's correction for all features compared
    # probability that a case drawn from the top group has the larger value, ties counted half: U / (n1 n2)
    top_is_larger: float | None
    published_p: float | None  # the paper's p-value of this feature, where it gives one


def extreme_groups(dice: Mapping[str, float | None]) -> ExtremeGroups:
    """Take the tenth of the cases with the lowest and the tenth with the highest Dice.

    The paper's "Quantitative analysis of failure modes". A tenth is rounded up: 17 of 164. Cases of equal Dice are
    taken in the order of their ids, the first of them as the lowest. `dice` is None where it is undefined.

    Raises
    ------
    TooFewCasesError
        If Dice is defined in fewer than two cases.
    """
    undefined = tuple(sorted(case_id for case_id, value in dice.items() if value is None))
    ranked = sorted((value, case_id) for case_id, value in dice.items() if value is not None)
    if len(ranked) < 2:
        raise TooFewCasesError(
            f"Dice is defined in {len(ranked)} of {len(dice)} cases; "
            "comparing the worst with the best takes 2 or more, with a tumour in each"
        )
    size = -(-len(ranked) * paper.FAILURE_GROUP_PERCENT // 100)  # ceil, in whole numbers
    case_ids = [case_id for _, case_id in ranked]
    values = [value for value, _ in ranked]
    ties = [_tie("bottom", values[size - 1], values, values[:size]), _tie("top", values[-size], values, values[-size:])]
    return ExtremeGroups(
        bottom=tuple(case_ids[:size]),
        top=tuple(reversed(case_ids[-size:])),
        undefined=undefined,
        without_overlap=values.count(0.0),
        ties=tuple(tie for tie in ties if tie.in_group < tie.cases),
    )


def _tie(group: GroupName, last: float, values: Sequence[float], members: Sequence[float]) -> DiceTie:
    return DiceTie(group, last, values.count(last), members.count(last))


def compare_features(
    features: Sequence[Feature],
    bottom: Sequence[Mapping[str, float | None]],
    top: Sequence[Mapping[str, float | None]],
    *,
    tested: bool = True,
) -> tuple[FeatureComparison, ...]:
    """Test each feature with the Mann-Whitney U test, two-sided; Holm's correction is for all of `features`.

    `bottom` and `top` are the values of the cases of both groups. If not `tested`, no p-value is given: the test takes
    cases for independent.
    """
    pairs = [(_defined(feature.name, bottom), _defined(feature.name, top)) for feature in features]
    tests = [mann_whitney(low, high) for low, high in pairs]
    if not tested:
        tests = [(None, probability) for _, probability in tests]
    corrected = iter(holm([p for p, _ in tests if p is not None]))
    return tuple(
        FeatureComparison(
            feature=feature,
            bottom=_described(low),
            top=_described(high),
            p=p,
            p_holm=None if p is None else next(corrected),
            top_is_larger=probability,
            published_p=paper.FAILURE_P_VALUES.get(_PUBLISHED.get(feature.name, "")),
        )
        for feature, (low, high), (p, probability) in zip(features, pairs, tests, strict=True)
    )


def _defined(name: str, cases: Sequence[Mapping[str, float | None]]) -> np.ndarray:
    return np.array([value for case in cases if (value := case.get(name)) is not None], dtype=float)


def _described(values: np.ndarray) -> GroupValues:
    if not values.size:
        return GroupValues(0, None, None, None)
    q1, median, q3 = np.percentile(values, (25, 50, 75)).tolist()
    return GroupValues(int(values.size), median, q1, q3)
