"""Mean AUCs of readers, and two of them compared, from variances that are known and degrees of freedom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import TooFewCasesError
from nnunet_amt.statistics.intervals import with_width

_NO_VARIANCE = 1e-18  # what rounding can leave of none


@dataclass(frozen=True)
class ConditionMean:
    """The AUC averaged over the readers of a condition, or of a group, with its 95% interval; None without a width."""

    condition: str
    auc: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class MeanComparison:
    """Two conditions, or two groups of readers, compared: second less first.

    `f` has 1 and `ddf` degrees of freedom; with fixed readers it is chi-squared and `ddf` infinite. `f`, the interval
    and `p` are None where nothing varies, unless the difference is zero too: then `p` is 1.
    """

    means: tuple[ConditionMean, ConditionMean]
    difference: float
    interval: tuple[float, float] | None
    f: float | None
    ddf: float
    p: float | None


def told_answer(random: MeanComparison | None, fixed: MeanComparison) -> MeanComparison:
    """Give the comparison to be told: of random readers, but not where it is surer than that of the very same readers.

    Two or three readers can agree by chance, so that others seem to agree too. Of 1000 studies without a difference
    (`simulate_readings`, 90 cases, yes and no) the answer of random readers is significant at 0.05 in 6.4% with two
    readers, 6.5% with three and 4.1% with six; this one in 2.1%, 3.7% and 3.3%: it is on the safe side.
    """

    def width(one: MeanComparison) -> float:
        return 0.0 if one.interval is None else one.interval[1] - one.interval[0]

    return random if random is not None and width(random) >= width(fixed) else fixed


def require_readers(readers: Sequence[str]) -> None:
    """Refuse no readers; TooFewCasesError."""
    if not readers:
        raise TooFewCasesError("there is no reader to analyse; give the readings of one at least")


def degrees_of_sum(total: float, part: float, degrees: int) -> float:
    """Degrees of freedom of a sum of which one part is a mean square and the rest is known (Hillis 2007)."""
    return degrees * (total / part) ** 2 if part > 0 else math.inf


def condition_mean(condition: str, aucs: NDArray[np.float64], variance: float, degrees: float) -> ConditionMean:
    """Average AUCs, (readers,); the interval is of a mean of this variance, by Student's t of so many degrees."""
    mean = float(aucs.mean())
    half = _t_quantile(degrees) * math.sqrt(max(variance, 0.0))  # rounding can leave less than none
    return ConditionMean(condition, mean, with_width((max(0.0, mean - half), min(1.0, mean + half))))


def compare_means(means: list[ConditionMean], variance: float, degrees: float) -> MeanComparison:
    """Compare two means whose difference has this variance, by Student's t of so many degrees."""
    from scipy.stats import t  # slow to import

    first, second = means
    difference = second.auc - first.auc
    if variance < _NO_VARIANCE:
        return MeanComparison((first, second), difference, None, None, degrees, None if difference else 1.0)
    half = _t_quantile(degrees) * math.sqrt(variance)
    p = 2 * float(t.sf(abs(difference) / math.sqrt(variance), degrees))
    limits = with_width((max(-1.0, difference - half), min(1.0, difference + half)))  # as AUCs can differ
    return MeanComparison((first, second), difference, limits, difference**2 / variance, degrees, p)


def _t_quantile(degrees: float) -> float:
    from scipy.stats import t  # slow to import

    return float(t.ppf(0.975, degrees))
