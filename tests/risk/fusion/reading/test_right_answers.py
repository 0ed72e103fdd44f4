"""Right and wrong answers, and their tests, that can be counted on fingers."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.risk.fusion.reading.lesion_questions import MANAGEMENT
from nnunet_amt.risk.fusion.reading.right_answers import RightAnswers, compare_shares, count_right, right_alone
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.statistics.reader_table import gather_readings
from tests.risk.fusion.reading.made_up import WITH, WITHOUT, named

REFERENCES = [0.0] * 12 + [1.0] * 12  # surgery, follow-up


def counted(table: ReaderTable, model: np.ndarray | None = None) -> RightAnswers:
    readings = gather_readings(table.rows, high={f"x{at:02}": at < 12 for at in range(24)}, conditions=(WITHOUT, WITH))
    patients = [f"p{at}" for at in range(24)]
    return count_right(MANAGEMENT, table, readings, np.array(REFERENCES), patients, model=model)


def test_mcnemar_is_of_the_cases_that_one_has_right_alone() -> None:
    """Five and none: 2 / 2^5 = .0625, by Holm twice that; one and one: 1."""
    five, none = np.arange(6) < 5, np.zeros(6, bool)
    first, second = np.array([1, 0, 1], bool), np.array([0, 1, 1], bool)
    found = right_alone([(none, five), (first, second)])
    assert [(one.first, one.second) for one in found] == [(0, 5), (1, 1)]
    assert [one.p for one in found] == pytest.approx([0.0625, 1.0])
    assert [one.p_holm for one in found] == pytest.approx([0.125, 1.0])


def test_shares_are_compared_by_patient() -> None:
    """Of 20 patients five gain: p is 2 / 2^5; ten patients of two cases each are too few."""
    gained = (np.arange(20) < 5).astype(float)
    found = compare_shares({"one": (np.zeros(20), gained)}, [str(at) for at in range(20)])["one"]
    assert (found.shares, found.difference, found.p, found.p_holm) == ((0.0, 0.25), 0.25, 0.0625, 0.0625)
    assert found.interval is not None and found.interval[0] < 0.25 < found.interval[1]
    few = compare_shares({"one": (np.zeros(20), gained)}, [str(at // 2) for at in range(20)])["one"]
    assert (few.difference, few.interval, few.p) == (0.25, None, None)


def test_readers_are_counted_without_and_with() -> None:
    """Residents are right in 12 and 14, then in 18 and 20 of 24; the chief in 20 and 20."""
    table = named({"Resident 1": (12, 18), "Resident 2": (14, 20), "Chief 1": (20, 20)}, REFERENCES, wrong=2.0)
    found = counted(table)
    assert [(one.name, one.rates[0].k, one.rates[1].k) for one in found.readers] == [
        ("Resident 1", 12, 18),
        ("Resident 2", 14, 20),
        ("Chief 1", 20, 20),
    ]
    assert [(one.change.first, one.change.second) for one in found.readers] == [(0, 6), (0, 6), (0, 0)]
    assert list(found.groups) == ["all readers", "resident", "chief"]
    assert found.groups["resident"].shares == pytest.approx((13 / 24, 19 / 24))
    assert found.groups["all readers"].difference == pytest.approx(12 / 72)
    assert (found.groups["chief"].difference, found.groups["chief"].p) == (0.0, 1.0)
    assert found.model is None


def test_the_model_is_the_second_of_each_pair() -> None:
    """It is right in the first 18 of 24: six that a resident without CTC has not, two fewer than the chief."""
    table = named({"Resident 1": (12, 18), "Chief 1": (20, 20)}, REFERENCES, wrong=2.0)
    found = counted(table, np.where(np.arange(24) < 18, REFERENCES, 2.0)).model
    assert found is not None
    assert (found.rate.k, found.rate.n) == (18, 24)
    pairs = {key: (one.first, one.second) for key, one in found.readers.items()}
    assert pairs == {
        ("Resident 1", WITHOUT): (0, 6),
        ("Resident 1", WITH): (0, 0),
        ("Chief 1", WITHOUT): (2, 0),
        ("Chief 1", WITH): (2, 0),
    }
    assert found.groups["chief", WITH].difference == pytest.approx(-2 / 24)
    assert found.groups["all readers", WITHOUT].shares == pytest.approx((16 / 24, 18 / 24))
