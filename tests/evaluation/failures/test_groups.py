"""The tenth of lowest and the tenth of highest Dice."""

from __future__ import annotations

import pytest

from nnunet_amt import paper
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.failures.groups import extreme_groups


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


def test_undefined_dice_is_in_no_group_and_named() -> None:
    groups = extreme_groups({"d": None, "a": 0.1, "b": None, "c": 0.9})
    assert (groups.bottom, groups.top, groups.undefined) == (("a",), ("c",), ("b", "d"))
    assert [groups.group_of(case_id) for case_id in "abcd"] == ["bottom", None, "top", None]


def test_one_defined_case_cannot_be_compared_with_itself() -> None:
    with pytest.raises(BadInputError, match=r"Dice is defined in 1 of 2 cases; comparing .* takes 2 or more"):
        extreme_groups({"a": 0.5, "b": None})
