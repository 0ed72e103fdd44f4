"""Whether the features of the worst segmented tumours differ from those of the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_amt import paper
from nnunet_amt.evaluation.measure.features import Feature

_PUBLISHED = {
    "volume_cm3": "voxel volume",
    "maximum_3d_diameter_mm": "maximum 3-D diameter",
    "total_energy_hu2_mm3": "total energy",
    "mean_hu": "mean",
    "median_hu": "median",
}


@dataclass(frozen=True)
class GroupValues:
    """A feature in one group: cases where it is defined, median and quartiles; None where there is none."""

    n: int
    median: float | None
    q1: float | None
    q3: float | None


@dataclass(frozen=True)
class FeatureComparison:
    """A feature of the references in both groups.

    Attributes
    ----------
    feature
        Which.
    bottom, top
        Its values in the cases of lowest and of highest Dice.
    p
        Two-sided Mann-Whitney U test; None if one group has no value.
    p_holm
        `p` after Holm's correction for all features compared.
    top_is_larger
        Probability that a case drawn from the top group has the larger value, ties counted half: U / (n1 n2).
    published_p
        The paper's p-value of this feature, where it gives one.
    """

    feature: Feature
    bottom: GroupValues
    top: GroupValues
    p: float | None
    p_holm: float | None
    top_is_larger: float | None
    published_p: float | None


def compare_features(
    features: Sequence[Feature], bottom: Sequence[Mapping[str, float | None]], top: Sequence[Mapping[str, float | None]]
) -> tuple[FeatureComparison, ...]:
    """Test each feature with the Mann-Whitney U test, two-sided.

    The p-value is exact if one group has 8 values or fewer and no two values are equal, and asymptotic, with
    corrections for ties and continuity, otherwise.

    Parameters
    ----------
    features
        What to compare; Holm's correction is for all of these.
    bottom, top
        Values of the cases of both groups.
    """
    pairs = [(_defined(feature.name, bottom), _defined(feature.name, top)) for feature in features]
    tests = [_mann_whitney(low, high) for low, high in pairs]
    corrected = iter(holm([p for p, _ in tests if p is not None]))
    return tuple(
        FeatureComparison(
            feature=feature,
            bottom=_described(low),
            top=_described(high),
            p=p,
            p_holm=None if p is None else next(corrected),
            top_is_larger=probability,
            published_p=_published_p(feature),
        )
        for feature, (low, high), (p, probability) in zip(features, pairs, tests, strict=True)
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number by Holm's step-down method."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    stepped = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors))
    corrected = np.empty(len(order))
    corrected[order] = stepped
    return [float(p) for p in corrected]


def _mann_whitney(bottom: np.ndarray, top: np.ndarray) -> tuple[float | None, float | None]:
    """Give the p-value and U / (n1 n2) of the top group."""
    if not (bottom.size and top.size):
        return None, None
    if np.ptp(np.concatenate([bottom, top])) == 0:  # no order at all, which the asymptotic test cannot divide by
        return 1.0, 0.5
    from scipy.stats import mannwhitneyu  # slow to import

    result = mannwhitneyu(top, bottom, alternative="two-sided", method="auto")
    return float(result.pvalue), float(result.statistic) / (bottom.size * top.size)


def _defined(name: str, cases: Sequence[Mapping[str, float | None]]) -> np.ndarray:
    return np.array([value for case in cases if (value := case.get(name)) is not None], dtype=float)


def _described(values: np.ndarray) -> GroupValues:
    if not values.size:
        return GroupValues(0, None, None, None)
    q1, median, q3 = np.percentile(values, (25, 50, 75)).tolist()
    return GroupValues(int(values.size), median, q1, q3)


def _published_p(feature: Feature) -> float | None:
    return paper.FAILURE_P_VALUES.get(_PUBLISHED.get(feature.name, ""))
