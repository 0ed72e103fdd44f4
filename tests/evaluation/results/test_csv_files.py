"""Rows of single lesions, metrics.csv."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nnunet_amt.evaluation.results.csv_files import METRICS_COLUMNS, lesion_rows, write_metrics_csv
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from tests.evaluation.builders import evaluated, row_mask


def test_one_reference_in_two_predicted_parts_is_split() -> None:
    case = evaluated(row_mask(60, (0, 14), (16, 30), (40, 50)), row_mask(60, (0, 30)))
    rows = list(lesion_rows(case))
    assert [(row["source"], row["lesion"], row["split"], row["merged"]) for row in rows] == [
        ("reference", 1, True, False),
        ("prediction", 1, True, False),
        ("prediction", 2, True, False),
        ("prediction", 3, False, False),  # it overlaps nothing
    ]
    # Both parts have IoU 14/30; the first is the partner at 0.1, and none at 0.5.
    assert [rows[0][name] for name in ("best_partner", "matched_partner_0.1", "matched_partner_0.5")] == [1, 1, None]
    assert rows[0]["matched_iou_0.1"] == pytest.approx(14 / 30)
    assert [row["matched_partner_0.1"] for row in rows[1:]] == [1, None, None]
    assert [row["matched_iou_0.5"] for row in rows] == [None] * 4


def test_two_references_under_one_prediction_are_merged() -> None:
    rows = list(lesion_rows(evaluated(row_mask(40, (0, 30)), row_mask(40, (0, 14), (16, 30)))))
    assert [(row["source"], row["split"], row["merged"]) for row in rows] == [
        ("reference", False, True),
        ("reference", False, True),
        ("prediction", False, True),
    ]


def test_measures() -> None:
    # 10 voxels of 1 x 2 x 5 mm in a row: 100 mm3, 10 mm long; in space sqrt(9^2 + 5^2), or along faces 10.
    (row,) = lesion_rows(evaluated(row_mask(20), row_mask(20, (3, 13))))
    assert [row[name] for name in ("voxels", "volume_cm3", "diameter_mm")] == [10, 0.1, 10.0]
    assert row["maximum_diameter_mm"] == pytest.approx((81 + 25) ** 0.5, abs=5e-4)
    assert [row[name] for name in ("best_iou", "best_partner", "hausdorff_mm")] == [0.0, None, None]


def test_surface_distances_are_those_to_the_best_partner() -> None:
    case = evaluated(row_mask(40, (0, 18)), row_mask(40, (0, 20)), EvaluationSettings(surface_distances=True))
    assert [row["hausdorff_mm"] for row in lesion_rows(case)] == [2.0, 2.0]


SETTINGS = EvaluationSettings(bootstrap_resamples=100)
FOUND = evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20)))
MISSED = evaluated(row_mask(60), row_mask(60, (0, 20)))


def test_metrics_csv_has_the_specificity_where_cases_have_no_tumour(tmp_path: Path) -> None:
    """Of two scans one is free of false positives; Wilson of 1 of 2 is symmetric about a half."""
    empty, marked = (evaluated(row_mask(60, *runs), row_mask(60)) for runs in ((), ((0, 20),)))
    overall = summarise([FOUND, empty, marked], settings=SETTINGS)
    write_metrics_csv(tmp_path / "metrics.csv", overall=overall, subgroups=[])
    row = list(csv.DictReader((tmp_path / "metrics.csv").open(encoding="utf-8")))[-1]
    assert [row[name] for name in ("metric", "iou_threshold", "cases", "n", "mean", "sd")] == [
        *("specificity", "", "3", "2", "0.5", "")
    ]
    assert float(row["ci95_low"]) == pytest.approx(1 - float(row["ci95_high"]))


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
    assert (sensitivity["iou_threshold"], sensitivity["mean"], sensitivity["ci95_high"]) == ("0.05", "1.0", "1.0")
    assert float(sensitivity["ci95_low"]) == pytest.approx(1 / (1 + 1.959964**2), abs=1e-6)
