"""Covariances of AUCs, against published software on published ratings and against DeLong's variance."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.errors import TooFewCasesError
from nnunet_amt.statistics.reader_covariances import ErrorCovariances, auc_covariances
from nnunet_amt.statistics.roc import auc, delong, delong_test
from tests.statistics.van_dyke import HIGH, RATINGS


def test_jackknife_covariances_of_each_reader() -> None:
    """OR-DBM MRMC 2.51, see test_readers.py, analysis 2 d: error variance, and covariance of the conditions."""
    _, covariances = auc_covariances(RATINGS, HIGH, method="jackknife")
    errors = [(covariances[0, r, 0, r] + covariances[1, r, 1, r]) / 2 for r in range(5)]
    assert errors == pytest.approx([0.00069890, 0.00110605, 0.00084234, 0.00015058, 0.00121357], abs=5e-9)
    between = [covariances[0, r, 1, r] for r in range(5)]
    assert between == pytest.approx([0.00037347, 0.00076016, 0.00035532, 0.00000108, 0.00024304], abs=5e-9)


def test_delong_covariances_are_those_of_its_test() -> None:
    """The variance of a difference is that of both less twice their covariance; the AUCs are those one by one."""
    aucs, covariances = auc_covariances(RATINGS, HIGH)
    assert aucs[1, 3] == auc(RATINGS[1, 3], HIGH)
    assert covariances[1, 3, 1, 3] == pytest.approx(delong(RATINGS[1, 3], HIGH).variance)
    variance = covariances[0, 2, 0, 2] + covariances[1, 2, 1, 2] - 2 * covariances[0, 2, 1, 2]
    found = delong_test(RATINGS[0, 2], RATINGS[1, 2], HIGH)
    assert found.interval is not None
    assert (found.interval[1] - found.interval[0]) / 2 == pytest.approx(1.959964 * np.sqrt(variance))


def test_the_jackknife_leaves_each_case_out() -> None:
    """By the definition: (n - 1) / n times the sum of squares of the AUCs of all cases but one."""
    left_out = np.array([auc(np.delete(RATINGS[0, 0], k), np.delete(HIGH, k)) for k in range(114)])
    _, covariances = auc_covariances(RATINGS, HIGH, method="jackknife")
    assert covariances[0, 0, 0, 0] == pytest.approx(113 / 114 * np.square(left_out - left_out.mean()).sum())


def test_averages_on_paper() -> None:
    """Two readers in two conditions, rows and columns 1 and 2 without, 1 and 2 with: each pair is put where it is."""
    table = np.array([[4, 1, 2, 0], [1, 6, 0, 3], [2, 0, 5, 2], [0, 3, 2, 7]], float)
    found = ErrorCovariances.of(table.reshape(2, 2, 2, 2))
    assert (found.error, found.covariance_1) == (5.5, 2.5)  # of 4, 6, 5 and 7; of 2 and 3
    assert (found.covariance_2, found.covariance_3) == (1.5, 0.0)  # of 1 and 2; of 0 and 0
    assert (found.error_of.tolist(), found.covariance_2_of.tolist()) == ([5.0, 6.0], [1.0, 2.0])
    assert found.between_readers == 1.5


def test_too_few_cases_are_refused() -> None:
    with pytest.raises(TooFewCasesError, match=r"1 high-risk and 2 low-risk.*2 of each"):
        auc_covariances(np.ones((2, 2, 3)), [True, False, False])
