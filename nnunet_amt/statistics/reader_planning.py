"""Reader studies that are yet to be: how many readers and cases they take, and readers that are simulated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import BadInputError
from nnunet_amt.statistics.reader_table import Readings
from nnunet_amt.statistics.readers import VarianceComponents
from nnunet_amt.statistics.roc import Z_95

_NORMAL = NormalDist()
_ERROR = 0.05  # of the first kind
_MOST_CASES = 2000
# Shares of a rating's variance, of structure HH of Roe and Metz (1997): the case, the case in a condition, the case for
# a reader, the rest.
_SHARES = (0.3, 0.3, 0.2, 0.2)
_WIDEST = 20.0  # standard deviations between the classes, of which no AUC is short of 1


@dataclass(frozen=True)
class PlannedStudy:
    """So many readers of so many cases reach this power; both None where even 2000 cases do not."""

    readers: int
    cases: int | None
    power: float | None


def study_power(
    components: VarianceComponents, *, difference: float, readers: int, cases: int, random_readers: bool = True
) -> float:
    """Compute the power of a planned study, two-sided at 0.05 (Hillis, Obuchowski and Berbaum 2011).

    Parameters
    ----------
    components
        Of a study of like readers and cases, see `nnunet_amt.statistics.readers.analyse_readers`. The share of
        high-risk cases is taken to be the same.
    difference
        Of the mean AUCs, that is to be found.
    readers, cases
        Of the planned study, in which every reader reads every case in both conditions.
    random_readers
        Whether the answer is to hold for other readers too.

    Raises
    ------
    BadInputError
        If there are fewer than two random readers, or the components leave no variance.
    """
    if readers < (least := 2 if random_readers else 1):
        raise BadInputError(
            f"a study of {readers} reader{'s' if readers != 1 else ''} is planned; give {least} or more"
        )
    scale = components.cases / cases
    alone = scale * (components.error - components.covariance_1)
    shared = scale * max(components.covariance_2 - components.covariance_3, 0.0)
    spread = max(components.condition_by_reader, 0.0) if random_readers else 0.0
    term = spread + alone + (readers - 1) * shared
    if term <= 0:
        raise BadInputError("the readings that are planned with have no variance; take those of readers who differ")
    distance = difference**2 * readers / 2 / term  # noncentrality
    if not distance:
        return _ERROR  # scipy's noncentral F is wrong at 0
    if not random_readers:
        root = math.sqrt(distance)
        return _NORMAL.cdf(root - Z_95) + _NORMAL.cdf(-root - Z_95)
    from scipy.stats import f, ncf  # slow to import

    between = spread + alone - shared  # the expected mean square of condition by reader
    degrees = (readers - 1) * (term / between) ** 2 if between > 0 else 1e9
    return float(ncf.sf(f.ppf(1 - _ERROR, 1, degrees), 1, degrees, distance))


def plan_study(
    components: VarianceComponents,
    *,
    difference: float,
    readers: int,
    power: float = 0.8,
    random_readers: bool = True,
) -> PlannedStudy:
    """Find the fewest cases, up to 2000, with which so many readers reach a power; see `study_power`.

    Raises
    ------
    BadInputError
        As `study_power`; if the power is not between 0.05 and 1, or there is no difference to be found.
    """
    if not _ERROR < power < 1:
        raise BadInputError(f"a power of {power:g} is asked for; it must be between 0.05 and 1, such as 0.8")
    if difference == 0:
        raise BadInputError("a difference of 0 is to be found; give that of two AUCs, such as 0.05")

    def reached(cases: int) -> float:
        return study_power(
            components, difference=difference, readers=readers, cases=cases, random_readers=random_readers
        )

    if reached(_MOST_CASES) < power:
        return PlannedStudy(readers, None, None)
    too_few, enough = 0, _MOST_CASES
    while enough - too_few > 1:  # power rises with the cases
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if reached(middle) >= power else (middle, enough)
    return PlannedStudy(readers, enough, reached(enough))


def simulate_readings(
    high: Mapping[str, bool],
    aucs: Mapping[str, tuple[float, float]],
    *,
    seed: int,
    levels: int | None = None,
    conditions: tuple[str, str] = ("without AI", "with AI"),
) -> Readings:
    """Simulate readers of given AUCs, to whom the same cases are hard (Roe and Metz 1997).

    A rating is normal, with more variance shared by readers of a case than not (structure HH); the AUC of a reader sets
    how far apart the classes are.

    Parameters
    ----------
    high
        Of each case, whether it is high risk.
    aucs
        Of each reader in either condition, over all cases that there could be. That of these cases varies about it.
    seed
        Of the draws.
    levels
        None: ratings as they are. 2: no and yes as 0 and 1, with a sensitivity that is the specificity; others: 1 to
        `levels`. The AUC is that of the levels.
    conditions
        Their names.

    Raises
    ------
    BadInputError
        If an AUC is not between 0 and 1, or there are fewer than two levels.
    """
    if levels is not None and levels < 2:
        raise BadInputError(f"ratings of {levels} level are asked for; give 2 or more")
    for reader, both in aucs.items():
        if not all(0 < auc < 1 for auc in both):
            raise BadInputError(
                f"reader {reader} is to have AUCs of {both[0]:g} and {both[1]:g}; give some between 0 and 1"
            )
    generator = np.random.default_rng(seed)
    is_high = np.array([bool(each) for each in high.values()])
    shape = len(conditions), len(aucs), len(high)
    ratings = np.zeros(shape)  # (conditions, readers, cases)
    for share, (over_conditions, over_readers) in zip(_SHARES, ((1, 1), (0, 1), (1, 0), (0, 0)), strict=True):
        drawn = generator.normal(size=(1 if over_conditions else shape[0], 1 if over_readers else shape[1], shape[2]))
        ratings += math.sqrt(share) * drawn
    for at, both in enumerate(aucs.values()):
        for condition, auc in enumerate(both):
            apart = _distance(auc, levels)
            ratings[condition, at] += apart * is_high
            if levels is not None:
                ratings[condition, at] = np.searchsorted(_cuts(levels) + apart / 2, ratings[condition, at]) + (
                    levels > 2
                )
    return Readings(conditions, tuple(aucs), tuple(high), ratings, is_high)


def _distance(auc: float, levels: int | None) -> float:
    """Give the distance of two normal classes, in standard deviations, whose ratings have this AUC."""
    if levels is None:
        return math.sqrt(2) * _NORMAL.inv_cdf(auc)
    from scipy.optimize import brentq  # slow to import

    cuts = _cuts(levels)
    return float(brentq(lambda apart: _auc_of_levels(cuts, apart) - auc, -_WIDEST, _WIDEST))


def _cuts(levels: int) -> NDArray[np.float64]:
    """Give where ratings are cut into levels, about the middle between the classes."""
    return np.array([_NORMAL.inv_cdf(level / levels) for level in range(1, levels)])


def _auc_of_levels(cuts: NDArray[np.float64], apart: float) -> float:
    """Give the AUC of ratings in levels of two normal classes, `apart` from each other and about zero."""
    low, high = (np.diff([0.0, *(_NORMAL.cdf(cut - mean) for cut in cuts), 1.0]) for mean in (-apart / 2, apart / 2))
    return float(high @ (np.cumsum(low) - low / 2))
