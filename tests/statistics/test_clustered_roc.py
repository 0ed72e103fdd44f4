"""Paired comparison of AUCs with several cases a patient."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.clustered_roc import clustered_delong_test
from nnunet_amt.statistics.roc import delong_test

RANDOM = np.random.default_rng(0)
HIGH = np.arange(30) % 3 > 0
FIRST, SECOND = RANDOM.normal(size=30) + HIGH, RANDOM.normal(size=30) + 2 * HIGH
PATIENTS = [f"p{number}" for number in range(30)]


def test_one_case_a_patient_is_delongs_test() -> None:
    ours, theirs = clustered_delong_test(FIRST, SECOND, HIGH, PATIENTS), delong_test(FIRST, SECOND, HIGH)
    assert ours.difference == theirs.difference
    assert ours.p == pytest.approx(theirs.p)
    assert ours.interval == pytest.approx(theirs.interval)


def test_a_second_copy_of_every_case_tells_nothing_new() -> None:
    """Twice the cases of the same patients: the p-value stays, where DeLong's falls."""
    first, second, high = (np.repeat(values, 2) for values in (FIRST, SECOND, HIGH))
    ours = clustered_delong_test(first, second, high, np.repeat(PATIENTS, 2))
    once, unaware = delong_test(FIRST, SECOND, HIGH), delong_test(first, second, high)
    assert ours.p == pytest.approx(once.p)
    assert ours.interval == pytest.approx(once.interval)
    assert unaware.p is not None and once.p is not None
    assert unaware.p < once.p


def test_equal_orders_do_not_differ() -> None:
    found = clustered_delong_test(FIRST, 2 * FIRST, HIGH, PATIENTS)
    assert (found.difference, found.interval, found.p) == (0.0, None, 1.0)


def test_a_patient_of_both_classes_counts_in_both() -> None:
    """Placements of the high cases rise by 1 and 0.5, of the low ones by 0.5 and 1: in each patient they add up to 1.5.

    So patients do not differ, and there is no variance; of four independent cases there would be.
    """
    first, second, high = [0.1, 0.2, 0.3, 0.4], [0.4, 0.2, 0.3, 0.1], [True, False, True, False]
    found = clustered_delong_test(first, second, high, ["a", "a", "b", "b"])
    assert (found.difference, found.interval, found.p) == (0.75, None, None)
    assert delong_test(first, second, high).interval is not None


def test_bad_input_is_refused() -> None:
    with pytest.raises(BadInputError, match="there are 29 patients for 30 cases"):
        clustered_delong_test(FIRST, SECOND, HIGH, PATIENTS[1:])
    with pytest.raises(TooFewCasesError, match="1 patients have a high-risk and 10 a low-risk case"):
        same = np.where(HIGH, "one", PATIENTS)
        clustered_delong_test(FIRST, SECOND, HIGH, same)
