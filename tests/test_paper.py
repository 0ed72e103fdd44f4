"""The paper's numbers, against themselves and against sentences of the paper."""

from __future__ import annotations

import math

from nnunet_amt import paper


def test_cases_add_up() -> None:
    assert paper.IDENTIFIED_CASES - paper.EXCLUDED_CASES == paper.INCLUDED_CASES
    assert paper.TRAINING_CASES + paper.TUNING_CASES + paper.EXTERNAL_CASES == paper.INCLUDED_CASES
    splits = (paper.TRAINING_CASES, paper.TUNING_CASES, paper.EXTERNAL_CASES)
    assert tuple(sum(counts) for counts in zip(*paper.DIAGNOSES.values(), strict=True)) == splits
    assert sum(paper.MANUFACTURERS.values()) == paper.EXTERNAL_CASES


def test_external_institutions_fit_only_if_training_and_tuning_share_some() -> None:
    """13 + 4 + 121 is 138, two more than the 136 institutions: at least two are in training and in tuning."""
    institutions = paper.TRAINING_INSTITUTIONS + paper.TUNING_INSTITUTIONS + paper.EXTERNAL_INSTITUTIONS
    assert institutions - paper.INSTITUTIONS == 2


def test_tables_were_read_whole() -> None:
    """Abstract: Dice 0.82; results: sensitivity 0.87 (0.81-0.92), 0.61 FP per scan (SD 0.08) at IoU 0.5."""
    assert len(paper.TABLE_3) == len(paper.TABLE_4) == 14
    for table in (paper.TABLE_3, paper.TABLE_4):
        for group in ("manufacturer", "tumour_size", "histology"):
            assert sum(row.cases for row in table if row.group == group) == paper.EXTERNAL_CASES
    assert paper.TABLE_3[0].dice == paper.Estimate(0.82, 0.15, 0.79, 0.84)
    assert paper.TABLE_4[0].sensitivity_05 == paper.Estimate(0.87, 0.02, 0.81, 0.92)
    assert paper.TABLE_4[0].fp_per_scan_05.sd == 0.08
    assert paper.OPERATING_POINT == paper.OperatingPoint(0.5, 0.87, 0.61)


def test_thresholds_and_rotation() -> None:
    assert [twentieth / 20 for twentieth in paper.IOU_THRESHOLD_TWENTIETHS][::9] == [0.05, 0.5, 0.95]
    assert math.degrees(paper.ROTATION_RANGE_RADIANS[1]) == 10


def test_the_failure_groups_are_a_tenth_of_the_external_cases_rounded_up() -> None:
    tenth = paper.EXTERNAL_CASES * paper.FAILURE_GROUP_PERCENT / 100
    assert math.ceil(tenth) == paper.FAILURE_GROUP_SIZE
