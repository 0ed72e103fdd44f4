"""The cases of lowest and of highest Dice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nnunet_amt import paper
from nnunet_amt.errors import BadInputError

GroupName = Literal["bottom", "top"]


@dataclass(frozen=True)
class ExtremeGroups:
    """Case ids of both groups and of those that belong to none because their Dice is undefined.

    Attributes
    ----------
    bottom
        Lowest Dice first.
    top
        Highest Dice first; as many as in `bottom`.
    undefined
        Cases with neither tumour nor prediction, in the order of their ids.
    """

    bottom: tuple[str, ...]
    top: tuple[str, ...]
    undefined: tuple[str, ...]

    def group_of(self, case_id: str) -> GroupName | None:
        """Name the group of a case; None for one in between or undefined."""
        if case_id in self.bottom:
            return "bottom"
        return "top" if case_id in self.top else None


def extreme_groups(dice: Mapping[str, float | None]) -> ExtremeGroups:
    """Take the tenth of the cases with the lowest and the tenth with the highest Dice.

    The paper's "Quantitative analysis of failure modes". A tenth is rounded up: 17 of 164. Cases of equal Dice are
    taken in the order of their ids, the first of them as the lowest.

    Parameters
    ----------
    dice
        Dice of each case, None where it is undefined.

    Raises
    ------
    BadInputError
        If Dice is defined in fewer than two cases.
    """
    undefined = tuple(sorted(case_id for case_id, value in dice.items() if value is None))
    ranked = sorted((value, case_id) for case_id, value in dice.items() if value is not None)
    if len(ranked) < 2:
        raise BadInputError(
            f"Dice is defined in {len(ranked)} of {len(dice)} cases; "
            "comparing the worst with the best takes 2 or more, with a tumour or a prediction in each"
        )
    size = -(-len(ranked) * paper.FAILURE_GROUP_PERCENT // 100)  # ceil, in whole numbers
    case_ids = [case_id for _, case_id in ranked]
    return ExtremeGroups(tuple(case_ids[:size]), tuple(reversed(case_ids[-size:])), undefined)
