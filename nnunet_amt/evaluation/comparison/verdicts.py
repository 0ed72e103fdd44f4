"""Case by case: which model has the better Dice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnunet_amt.evaluation.results.evaluated_model import EvaluatedModel

Verdict = Literal["win", "tie", "loss"]
VERDICTS: tuple[Verdict, ...] = ("win", "tie", "loss")
_ROUNDING = 1e-12  # 0.81 - 0.80 is 0.01 on paper, and a little more in binary


@dataclass(frozen=True)
class CaseVerdict:
    """A case for the other model, against the first.

    Attributes
    ----------
    case_id
        Name of the case.
    dice_first, dice_other
        None where undefined: neither tumour nor prediction.
    difference
        Other minus first; None if one of them is undefined.
    verdict
        ``win``: the other model is the better one.
    """

    case_id: str
    dice_first: float | None
    dice_other: float | None
    difference: float | None
    verdict: Verdict


def case_verdicts(first: EvaluatedModel, other: EvaluatedModel, tie_margin: float) -> tuple[CaseVerdict, ...]:
    """Compare the Dice scores of every case.

    Differences under `tie_margin` are ties (with a margin of 0, equal scores). In a case without tumour a model that
    rightly predicts nothing has no Dice: it wins against one that predicts something, and ties with its like.
    """
    pairs = zip(first.case_ids, _or_none(first.dice), _or_none(other.dice), strict=True)
    return tuple(_verdict(case_id, one, two, tie_margin) for case_id, one, two in pairs)


def _verdict(case_id: str, first: float | None, other: float | None, tie_margin: float) -> CaseVerdict:
    if first is None or other is None:
        better: Verdict = "tie" if first == other else "win" if other is None else "loss"
        return CaseVerdict(case_id, first, other, None, better)
    difference = other - first
    tied = abs(difference) < tie_margin - _ROUNDING or abs(difference) <= _ROUNDING
    return CaseVerdict(case_id, first, other, difference, "tie" if tied else "win" if difference > 0 else "loss")


def _or_none(values: np.ndarray) -> Sequence[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
