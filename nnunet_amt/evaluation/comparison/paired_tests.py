"""Tests of paired differences: Wilcoxon's on cases, McNemar's on lesions, Holm's correction for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnunet_amt.evaluation.failures.comparison import holm
from nnunet_amt.evaluation.measure.case import VOXEL_METRICS
from nnunet_amt.evaluation.measure.lesions import TABLE_THRESHOLDS, threshold_index
from nnunet_amt.evaluation.results.evaluated_model import EvaluatedModel

_DECIMALS = 12  # differences that are equal on paper, such as 0.3 - 0.2 and 0.2 - 0.1, must be ties


@dataclass(frozen=True)
class LesionTable:
    """Reference lesions by who found them.

    Attributes
    ----------
    both, only_first, only_other, neither
        Numbers of lesions.
    """

    both: int
    only_first: int
    only_other: int
    neither: int


@dataclass(frozen=True)
class PairedTest:
    """A test of one metric.

    Attributes
    ----------
    metric, iou_threshold
        As in `measures.Measure`.
    test
        ``wilcoxon`` (over cases) or ``mcnemar`` (over reference lesions).
    n
        Pairs: cases in which both models have the metric, or reference lesions.
    p
        Two-sided; None without any pair.
    p_holm
        `p` after Holm's correction for all tests of the comparison.
    lesions
        The table behind McNemar's test.
    """

    metric: str
    iou_threshold: float | None
    test: str
    n: int
    p: float | None
    p_holm: float | None = None
    lesions: LesionTable | None = None


def paired_tests(first: EvaluatedModel, other: EvaluatedModel) -> tuple[PairedTest, ...]:
    """Test the voxel metrics and false positives case by case, and the detection lesion by lesion."""
    tests = []
    for column, name in enumerate(VOXEL_METRICS):
        differences = other.voxel[:, column] - first.voxel[:, column]
        differences = differences[~np.isnan(differences)]
        tests.append(PairedTest(name, None, "wilcoxon", differences.size, wilcoxon_p(differences)))
    for place, threshold in enumerate(TABLE_THRESHOLDS):
        lesions = _lesion_table(first.found[:, place], other.found[:, place])
        p = mcnemar(lesions.only_first, lesions.only_other) if len(first.lesions) else None
        tests.append(PairedTest("sensitivity", threshold, "mcnemar", len(first.lesions), p, lesions=lesions))
        at = threshold_index(threshold)
        differences = (other.fp[:, at] - first.fp[:, at]).astype(float)
        tests.append(PairedTest("fp_per_scan", threshold, "wilcoxon", differences.size, wilcoxon_p(differences)))
    return tuple(tests)


def corrected(families: Sequence[Sequence[PairedTest]]) -> list[tuple[PairedTest, ...]]:
    """Correct the p-values of all tests of all models together by Holm's method; undefined ones do not count."""
    p_values = iter(holm([test.p for tests in families for test in tests if test.p is not None]))
    return [
        tuple(replace(test, p_holm=None if test.p is None else next(p_values)) for test in tests) for tests in families
    ]


def wilcoxon_p(differences: np.ndarray) -> float | None:
    """Wilcoxon's signed rank test, two-sided; zeros are ranked, then left out (Pratt 1959).

    scipy's "auto": exact up to 50 differences if none are equal in size or zero, exact by all changes of sign up to 13
    otherwise, and else by the normal approximation with correction for ties.

    Parameters
    ----------
    differences : numpy.ndarray of float, (pairs,)
        Defined ones.

    Returns
    -------
    float or None
        The p-value: 1 if all differences are zero, None if there are none.
    """
    differences = np.round(differences, _DECIMALS)
    if not differences.size:
        return None
    if not differences.any():
        return 1.0
    from scipy.stats import wilcoxon  # slow to import

    return float(wilcoxon(differences, zero_method="pratt", method="auto").pvalue)


def mcnemar(only_first: int, only_other: int) -> float:
    """McNemar's exact test, two-sided: a binomial test of the lesions that one model alone finds.

    Without such lesions p is 1.
    """
    if not only_first + only_other:
        return 1.0
    from scipy.stats import binomtest  # slow to import

    return float(binomtest(only_first, only_first + only_other).pvalue)


def _lesion_table(first: np.ndarray, other: np.ndarray) -> LesionTable:
    return LesionTable(
        both=int((first & other).sum()),
        only_first=int((first & ~other).sum()),
        only_other=int((~first & other).sum()),
        neither=int((~first & ~other).sum()),
    )
