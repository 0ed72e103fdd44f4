"""Mann-Whitney's U and Holm's correction."""

from __future__ import annotations

from itertools import combinations

import pytest

from nnunet_amt import paper
from nnunet_amt.evaluation.failures.comparison import FeatureComparison, compare_features, holm
from nnunet_amt.evaluation.measure.features import FEATURES, Feature

VOLUME = next(feature for feature in FEATURES if feature.name == "volume_cm3")


def compared(bottom: list[float | None], top: list[float | None]) -> FeatureComparison:
    (result,) = compare_features([VOLUME], [{"volume_cm3": v} for v in bottom], [{"volume_cm3": v} for v in top])
    return result


def test_apart() -> None:
    """3 against 3 without overlap: 2 of the 20 ways to draw 3 of 6 are as extreme, so p = 0.1."""
    result = compared([1, 2, 3], [4, 5, 6])
    assert result.p == pytest.approx(2 / len(list(combinations(range(6), 3))))
    assert result.top_is_larger == 1
    assert (result.bottom.median, result.bottom.q1, result.bottom.q3, result.bottom.n) == (2, 1.5, 2.5, 3)


def test_one_out_of_order() -> None:
    """Of the 9 pairs 8 have the larger value in the top group; 4 of 20 draws are as extreme."""
    result = compared([1, 2, 4], [3, 5, 6])
    assert result.top_is_larger == pytest.approx(8 / 9)
    assert result.p == pytest.approx(4 / 20)


def test_ties_count_half_and_all_equal_is_no_difference() -> None:
    assert compared([1, 2], [2, 3]).top_is_larger == pytest.approx(3.5 / 4)
    same = compared([7, 7, 7], [7, 7])
    assert (same.p, same.p_holm, same.top_is_larger) == (1.0, 1.0, 0.5)


def test_undefined_values_are_left_out_and_counted() -> None:
    result = compared([1, None, 2, 3], [4, 5, 6])
    assert (result.bottom.n, result.p) == (3, pytest.approx(0.1))
    nothing = compared([None, None], [1, 2])
    assert (nothing.bottom.n, nothing.bottom.median, nothing.p, nothing.p_holm) == (0, None, None, None)


def test_the_paper_stands_beside_its_five_features() -> None:
    published = {result.feature.name: result.published_p for result in compare_features(FEATURES, [{}], [{}])}
    given = {name: p for name, p in published.items() if p is not None}
    assert given == {
        "volume_cm3": 0.003,
        "maximum_3d_diameter_mm": 0.025,
        "total_energy_hu2_mm3": 0.009,
        "mean_hu": 0.42,
        "median_hu": 0.33,
    }
    assert sorted(given.values()) == sorted(paper.FAILURE_P_VALUES.values())


def test_holm() -> None:
    """The smallest of three is tripled, the next doubled, none below its forerunner, none above 1."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_is_that_of_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = [0.003, 0.025, 0.009, 0.42, 0.33, 0.025]
    assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1].tolist())


def test_undefined_features_do_not_count_in_the_correction() -> None:
    """Two features of which one is undefined: the other's p stays as it is."""
    other = Feature("other", "Other", "", "shape")
    low, high = [{"volume_cm3": v, "other": None} for v in (1.0, 2.0)], [{"volume_cm3": v} for v in (3.0, 4.0)]
    first, second = compare_features([VOLUME, other], low, high)
    assert first.p == first.p_holm == pytest.approx(1 / 3)
    assert second.p is None
