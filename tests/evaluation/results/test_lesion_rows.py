"""What is told of single lesions."""

from __future__ import annotations

import pytest

from nnunet_amt.evaluation.results.csv_files import lesion_rows
from nnunet_amt.evaluation.settings import EvaluationSettings
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
    assert [row[name] for name in ("voxels", "volume_ml", "diameter_mm")] == [10, 0.1, 10.0]
    assert row["maximum_diameter_mm"] == pytest.approx((81 + 25) ** 0.5, abs=5e-4)
    assert [row[name] for name in ("best_iou", "best_partner", "hausdorff_mm")] == [0.0, None, None]


def test_surface_distances_are_those_to_the_best_partner() -> None:
    case = evaluated(row_mask(40, (0, 18)), row_mask(40, (0, 20)), EvaluationSettings(surface_distances=True))
    assert [row["hausdorff_mm"] for row in lesion_rows(case)] == [2.0, 2.0]
