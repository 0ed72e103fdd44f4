"""metrics.csv."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nnunet_amt.evaluation.results.csv_files import METRICS_COLUMNS, write_metrics_csv
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from tests.evaluation.builders import evaluated, row_mask

SETTINGS = EvaluationSettings(bootstrap_resamples=100)
FOUND = evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20)))
MISSED = evaluated(row_mask(60), row_mask(60, (0, 20)))


def test_metrics_csv_has_every_metric_threshold_and_group(tmp_path: Path) -> None:
    write_metrics_csv(
        tmp_path / "metrics.csv",
        overall=summarise([FOUND, MISSED], settings=SETTINGS),
        subgroups=[("sex", "F", summarise([FOUND], settings=SETTINGS))],
    )
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open(encoding="utf-8")))
    assert tuple(rows[0]) == METRICS_COLUMNS
    assert len(rows) == 2 * (4 + 19 + 19)
    dice, sensitivity = rows[0], next(row for row in rows if (row["metric"], row["subgroup"]) == ("sensitivity", "F"))
    # Dice 1 and 0: mean, SD sqrt(1/2), quartiles a quarter of the way between the two.
    expected = {"group": "overall", "cases": "2", "metric": "dice", "n": "2", "mean": "0.5", "median": "0.5"}
    assert expected.items() <= dice.items()
    assert float(dice["sd"]) == pytest.approx(0.5**0.5)
    assert (dice["q1"], dice["q3"], dice["iou_threshold"], dice["ci95_low"]) == ("0.25", "0.75", "", "")
    assert (sensitivity["iou_threshold"], sensitivity["mean"], sensitivity["wilson95_high"]) == ("0.05", "1.0", "1.0")
    assert float(sensitivity["wilson95_low"]) == pytest.approx(1 / (1 + 1.959964**2), abs=1e-6)
