"""Planned studies."""

from __future__ import annotations

from nnunet_amt.risk.reading.simulated import plan_readers
from nnunet_amt.statistics.reader_planning import plan_study
from nnunet_amt.statistics.readers import VarianceComponents


def test_a_plan_for_each_number_of_readers() -> None:
    """More readers take fewer cases."""
    components = VarianceComponents(0.001, 0.0004, 0.002, 0.0009, 0.0008, 0.0006, cases=60)
    planned = plan_readers(components, difference=0.05, readers=(6, 12))
    assert planned[1] == plan_study(components, difference=0.05, readers=12)
    assert planned[0].cases is not None and planned[1].cases is not None
    assert planned[1].cases < planned[0].cases
