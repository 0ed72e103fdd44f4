"""What a threshold makes of scores: counts of right and wrong, and their rates with Wilson's intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nnunet_amt.errors import BadInputError
from nnunet_amt.statistics.intervals import wilson_interval
from nnunet_amt.statistics.roc import checked_high, checked_scores


@dataclass(frozen=True)
class Rate:
    """A proportion by its counts: `k` of `n`."""

    k: int
    n: int

    @property
    def value(self) -> float | None:
        """The proportion; None of nothing."""
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95% interval (Wilson 1927); None of nothing."""
        return wilson_interval(self.k, self.n) if self.n else None


@dataclass(frozen=True)
class Confusion:
    """How many cases are called right and wrong; a positive is a case that is called high risk."""

    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int

    @property
    def cases(self) -> int:
        """How many there are."""
        return self.true_positives + self.false_negatives + self.false_positives + self.true_negatives

    def rates(self) -> dict[str, Rate]:
        """Give accuracy, sensitivity, specificity, ppv and npv (Altman and Bland 1994), in the order of the paper."""
        positives, negatives = self.true_positives, self.true_negatives
        return {
            "accuracy": Rate(positives + negatives, self.cases),
            "sensitivity": Rate(positives, positives + self.false_negatives),
            "specificity": Rate(negatives, negatives + self.false_positives),
            "ppv": Rate(positives, positives + self.false_positives),
            "npv": Rate(negatives, negatives + self.false_negatives),
        }


def confusion(scores: ArrayLike, high: ArrayLike, *, threshold: float) -> Confusion:
    """Count what a threshold calls right and wrong: a case is called high risk where its score is at it or above.

    Parameters
    ----------
    scores
        (cases,), finite; those of yes and no are 1 and 0, with a threshold of 0.5.
    high
        (cases,), whether each is high risk; one class alone will do.
    threshold
        See `nnunet_amt.statistics.roc.youden_threshold`.

    Raises
    ------
    BadInputError
        If the scores are not one finite number a case, or the threshold is no number.
    """
    if math.isnan(threshold):
        raise BadInputError(f"the threshold is {threshold}; give a number that scores are compared with")
    values = checked_scores(scores)
    is_high, called = checked_high(high, cases=values.size), values >= threshold
    return Confusion(
        true_positives=int(np.count_nonzero(called & is_high)),
        false_negatives=int(np.count_nonzero(~called & is_high)),
        false_positives=int(np.count_nonzero(called & ~is_high)),
        true_negatives=int(np.count_nonzero(~called & ~is_high)),
    )
