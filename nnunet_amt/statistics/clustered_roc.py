"""Comparing two AUCs where patients have several cases, which are alike (Obuchowski 1997)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.intervals import with_width
from nnunet_amt.statistics.roc import Z_95, AucDifference, placements


def clustered_delong_test(
    first: ArrayLike, second: ArrayLike, high: ArrayLike, patients: Iterable[object]
) -> AucDifference:
    """Compare two AUCs on the same cases by Obuchowski's (1997) extension of DeLong's test, two-sided.

    Where every patient has one case it is DeLong's test.

    Parameters
    ----------
    first, second, high
        As `nnunet_amt.statistics.roc.delong_test`.
    patients
        Of each case.

    Returns
    -------
    AucDifference
        Of the second's AUC less the first's.

    Raises
    ------
    BadInputError
        As `delong_test`; if there are not as many patients as cases.
    TooFewCasesError
        If there are not two patients with a high-risk case and two with a low-risk one.
    """
    pairs = zip(placements(first, high, least=2), placements(second, high, least=2), strict=True)
    of_high, of_low = (other - one for one, other in pairs)
    is_high = np.asarray(high, bool)
    names = [str(patient) for patient in patients]
    if len(names) != is_high.size:
        raise BadInputError(f"there are {len(names)} patients for {is_high.size} cases; give the patient of each case")
    _, patient = np.unique(names, return_inverse=True)
    difference = float(of_high.mean())
    error = math.sqrt(_variance(of_high, of_low, patient[is_high], patient[~is_high], difference))
    if not error:
        return AucDifference(difference, None, None if difference else 1.0)
    limits = with_width((difference - Z_95 * error, difference + Z_95 * error))
    return AucDifference(difference, limits, math.erfc(abs(difference) / error / math.sqrt(2)))


def _variance(
    of_high: NDArray[np.float64],
    of_low: NDArray[np.float64],
    high_patient: NDArray[np.intp],
    low_patient: NDArray[np.intp],
    mean: float,
) -> float:
    """Sum placements up over each patient: those of high-risk cases, of low-risk ones, and both together."""
    patients = int(max(high_patient.max(), low_patient.max())) + 1
    sums = [
        np.bincount(patient, weights=values - mean, minlength=patients)
        for values, patient in ((of_high, high_patient), (of_low, low_patient))
    ]
    with_high, with_low = np.unique(high_patient).size, np.unique(low_patient).size
    if min(with_high, with_low) < 2:
        raise TooFewCasesError(
            f"{with_high} patients have a high-risk and {with_low} a low-risk case: the variance of an AUC takes 2 of "
            "each; give more patients, or leave this group out"
        )
    high_sums, low_sums = (one / size for one, size in zip(sums, (of_high.size, of_low.size), strict=True))
    variance = with_high / (with_high - 1) * np.square(high_sums).sum()
    variance += with_low / (with_low - 1) * np.square(low_sums).sum()
    variance += 2 * patients / (patients - 1) * (high_sums * low_sums).sum()
    return max(0.0, float(variance))
