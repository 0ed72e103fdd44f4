"""The paper's tables, checked and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt import paper
from nnunet_amt.cli.commands import app
from nnunet_amt.evaluation.summary.subgroups import AverageCheck, published_checks

runner = CliRunner()


def check_of(table: int, group: str, metric: str) -> AverageCheck:
    return next(c for c in published_checks() if (c.table, c.group, c.metric) == (table, group, metric))


def test_only_the_manufacturer_rows_of_table_3_do_not_average_to_the_overall_row() -> None:
    wrong = {(check.table, check.group) for check in published_checks() if not check.consistent}
    assert wrong == {(3, "manufacturer")}
    assert len(published_checks()) == 2 * 3 * 4


def test_the_manufacturer_average_on_paper() -> None:
    """(80 * 0.89 + 37 * 0.81 + 35 * 0.82 + 6 * 0.88 + 6 * 0.85) / 164 = 140.25 / 164 = 0.8552, not 0.82."""
    check = check_of(3, "manufacturer", "Dice")
    assert check.average == pytest.approx((140.25 / 164, 140.25 / 164))
    assert (check.overall, check.consistent) == (0.82, False)
    assert check.difference == pytest.approx(140.25 / 164 - 0.82)


def test_sensitivity_need_only_lie_between_the_rows() -> None:
    check = check_of(4, "manufacturer", "sens., IoU 0.5")
    assert (check.average, check.difference, check.consistent) == ((0.84, 1.0), 0.0, True)


@pytest.mark.parametrize(("dice", "consistent"), [(0.83, True), (0.81, True), (0.84, False), (0.80, False)])
def test_the_bound_is_one_unit_of_the_last_decimal(
    monkeypatch: pytest.MonkeyPatch, dice: float, consistent: bool
) -> None:
    """Half a unit of the rows and half a unit of the overall row; 0.01 itself is allowed, exactly."""
    estimate = paper.Estimate(0.82, 0.1, 0.8, 0.9)
    rows = [paper.PublishedVoxelRow("overall", "overall", 10, *[estimate] * 4)]
    other = paper.Estimate(dice, 0.1, 0.8, 0.9)
    rows += [paper.PublishedVoxelRow("sex", sex, 5, other, *[estimate] * 3) for sex in "FM"]
    monkeypatch.setattr(paper, "TABLE_3", tuple(rows))
    assert check_of(3, "sex", "Dice").consistent is consistent
    assert check_of(3, "sex", "IoU").consistent


def test_the_command_shows_all_four_tables() -> None:
    result = runner.invoke(app, ["published"])
    assert result.exit_code == 0
    for words in ("Table 1", "58.0 (21–85)", "Table 2", "Fujifilm", "Table 3", "0.82±0.15", "Table 4"):
        assert words in result.output


def test_the_check_ends_with_0_and_names_the_rows() -> None:
    result = runner.invoke(app, ["published", "--check"])
    assert result.exit_code == 0
    assert "The manufacturer rows of Table 3 do not average to the overall row" in result.output
    assert result.output.count("beyond") == 4


def test_the_tables_are_in_the_package_as_json() -> None:
    tables = json.loads(Path(paper.__file__).with_name("published_tables.json").read_text(encoding="utf-8"))
    assert tables["table_3"][0]["dice"] == [0.82, 0.15, 0.79, 0.84]
    assert tuple(tables["table_1"]["cases"].values()) == (485, 62, 164)
