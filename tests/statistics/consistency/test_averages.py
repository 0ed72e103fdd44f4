"""Rows that average to the row of all, or do not."""

from __future__ import annotations

import pytest

from nnunet_amt.statistics.consistency.averages import Average, AverageCheck, Part, check_average
from nnunet_amt.statistics.consistency.papers import takemura_tables
from nnunet_amt.statistics.consistency.printed import printed


def published_checks() -> tuple[AverageCheck, ...]:
    return tuple(map(check_average, takemura_tables().averages))


def check_of(table: str, group: str, metric: str) -> AverageCheck:
    return next(c for c in published_checks() if (c.table, c.group, c.metric) == (table, group, metric))


def test_only_the_manufacturer_rows_of_table_3_do_not_average_to_the_overall_row() -> None:
    wrong = {(check.table, check.group) for check in published_checks() if not check.consistent}
    assert wrong == {("Table 3", "manufacturer")}
    assert len(published_checks()) == 2 * 3 * 4


def test_the_manufacturer_average_on_paper() -> None:
    """(80 * 0.89 + 37 * 0.81 + 35 * 0.82 + 6 * 0.88 + 6 * 0.85) / 164 = 140.25 / 164 = 0.8552, not 0.82."""
    check = check_of("Table 3", "manufacturer", "Dice")
    assert check.average == pytest.approx((140.25 / 164, 140.25 / 164))
    assert (check.overall, check.consistent) == (0.82, False)
    assert check.difference == pytest.approx(140.25 / 164 - 0.82)


def test_sensitivity_need_only_lie_between_the_rows() -> None:
    check = check_of("Table 4", "manufacturer", "sens., IoU 0.5")
    assert (check.average, check.difference, check.consistent) == ((0.84, 1.0), 0.0, True)


@pytest.mark.parametrize(("dice", "consistent"), [("0.83", True), ("0.81", True), ("0.84", False), ("0.80", False)])
def test_the_bound_is_one_unit_of_the_last_decimal(dice: str, consistent: bool) -> None:
    """Half a unit of the rows and half a unit of the overall row; 0.01 itself is allowed, exactly."""
    parts = tuple(Part(sex, printed(dice), 5) for sex in "FM")
    average = Average("Table 3", "sex", "Dice", (Part("overall", printed("0.82")),), parts)
    assert check_average(average).consistent is consistent


def test_the_coarser_figures_set_the_bound() -> None:
    """Of 0.5 and 0.54 printed with one decimal, 0.55 may be the mean: 0.05 apart is less than the unit of 0.1."""
    whole = (Part("overall", printed("0.55")),)
    for text, consistent in (("0.5", True), ("0.44", False)):
        average = Average("", "sex", "Dice", whole, (Part("F", printed(text), 3), Part("M", printed(text), 4)))
        assert check_average(average).consistent is consistent
