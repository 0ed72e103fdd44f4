"""The tenth of lowest and the tenth of highest Dice, and how their features differ."""

from __future__ import annotations

from itertools import combinations

import pytest

from nnunet_amt import paper
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.failures.groups import DiceTie, FeatureComparison, compare_features, extreme_groups
from nnunet_amt.evaluation.measure.features import FEATURES, Feature

VOLUME = next(feature for feature in FEATURES if feature.name == "volume_cm3")


@pytest.mark.parametrize(("cases", "size"), [(164, paper.FAILURE_GROUP_SIZE), (160, 16), (161, 17), (10, 1), (2, 1)])
def test_a_tenth_is_rounded_up(cases: int, size: int) -> None:
    """164 cases give the paper's 17; 160 give 16, which 0.1 in floating point would make 17 or 16 by luck."""
    groups = extreme_groups({f"case_{i:03d}": i / 1000 for i in range(cases)})
    assert groups.bottom == tuple(f"case_{i:03d}" for i in range(size))
    assert groups.top == tuple(f"case_{cases - 1 - i:03d}" for i in range(size))
    assert set(groups.bottom).isdisjoint(groups.top)


def test_equal_dice_is_taken_in_the_order_of_the_ids_whatever_the_order_of_the_cases() -> None:
    dice = dict.fromkeys("dacb", 0.0) | dict.fromkeys("hgfekjil", 0.9)
    groups = extreme_groups(dice)
    assert groups == extreme_groups(dict(reversed(dice.items())))
    assert groups.bottom == ("a", "b")  # two of twelve
    assert groups.top == ("l", "k")


def test_cases_of_equal_dice_that_a_group_tells_apart_are_counted() -> None:
    """30 cases, 7 of them without any overlap: three make the bottom group, by their ids; the top has no such tie."""
    dice = {f"c{i:02d}": 0.0 if i < 7 else i / 100 for i in range(30)}
    groups = extreme_groups(dice)
    assert groups.ties == (DiceTie("bottom", 0.0, cases=7, in_group=3),)
    assert groups.without_overlap == 7
    assert extreme_groups({**dice, "c28": 0.29, "c27": 0.29, "c26": 0.29}).ties[1] == DiceTie("top", 0.29, 4, 3)


def test_ties_within_a_group_are_none() -> None:
    """Two of 30 without overlap are both in the bottom group."""
    groups = extreme_groups({f"c{i:02d}": 0.0 if i < 2 else i / 100 for i in range(30)})
    assert (groups.ties, groups.without_overlap) == ((), 2)


def test_undefined_dice_is_in_no_group_and_named() -> None:
    groups = extreme_groups({"d": None, "a": 0.1, "b": None, "c": 0.9})
    assert (groups.bottom, groups.top, groups.undefined) == (("a",), ("c",), ("b", "d"))
    assert [groups.group_of(case_id) for case_id in "abcd"] == ["bottom", None, "top", None]


def test_one_defined_case_cannot_be_compared_with_itself() -> None:
    with pytest.raises(BadInputError, match=r"Dice is defined in 1 of 2 cases; comparing .* takes 2 or more"):
        extreme_groups({"a": 0.5, "b": None})


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


def test_undefined_features_do_not_count_in_the_correction() -> None:
    """Two features of which one is undefined: the other's p stays as it is."""
    other = Feature("other", "Other", "", "shape")
    low, high = [{"volume_cm3": v, "other": None} for v in (1.0, 2.0)], [{"volume_cm3": v} for v in (3.0, 4.0)]
    first, second = compare_features([VOLUME, other], low, high)
    assert first.p == first.p_holm == pytest.approx(1 / 3)
    assert second.p is None


def test_what_is_not_independent_is_not_tested() -> None:
    low, high = [{"volume_cm3": v} for v in (1.0, 2.0)], [{"volume_cm3": v} for v in (3.0, 4.0)]
    (result,) = compare_features([VOLUME], low, high, tested=False)
    assert (result.p, result.p_holm, result.top_is_larger) == (None, None, 1.0)
