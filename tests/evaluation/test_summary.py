"""Metrics of groups of cases."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.evaluation.case import CaseEvaluation
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary import summarise
from tests.evaluation.builders import evaluated, row_mask

SETTINGS = EvaluationSettings(bootstrap_resamples=2000)


def found() -> CaseEvaluation:
    """Dice 1, one lesion found, none invented."""
    return evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20)))


def missed() -> CaseEvaluation:
    """Dice 0, one lesion missed, one invented."""
    return evaluated(row_mask(60, (40, 55)), row_mask(60, (0, 20)))


def empty() -> CaseEvaluation:
    """Neither tumour nor prediction."""
    return evaluated(row_mask(60), row_mask(60))


def test_means_pools_and_deviations() -> None:
    summary = summarise([found(), found(), found(), missed()], SETTINGS)
    dice = summary.voxel["dice"]
    assert (dice.mean, dice.n) == (0.75, 4)
    assert dice.sd == pytest.approx(0.5)  # sqrt((3 * 0.25^2 + 0.75^2) / 3)
    assert summary.lesion.tp == (3,) * 19
    assert summary.lesion.fp == (1,) * 19
    assert summary.lesion.fn == (1,) * 19
    assert [metric.mean for metric in summary.lesion.sensitivity] == [0.75] * 19
    assert [metric.mean for metric in summary.lesion.fp_per_scan] == [0.25] * 19
    # FP/scan of a resample is a count of draws with probability 1/4 among 4: SD sqrt(4 * 3/16) / 4.
    assert summary.lesion.fp_per_scan[0].sd == pytest.approx(np.sqrt(0.75) / 4, rel=0.06)
    assert summary.lesion.sensitivity[0].ci95 == (0.25, 1.0)  # P(0 of 4 found) = 0.4%, P(all) = 32%


def test_one_resample_serves_all_metrics() -> None:
    # Sensitivity and FP/scan of these cases add up to 1 in each resample, so their limits mirror each other.
    lesion = summarise([found()] * 5 + [missed()] * 3, SETTINGS).lesion
    low, high = lesion.sensitivity[0].ci95 or (np.nan, np.nan)
    assert lesion.fp_per_scan[0].ci95 == pytest.approx((1 - high, 1 - low))


def test_a_case_without_lesions_counts_as_a_scan_but_not_as_a_lesion() -> None:
    summary = summarise([found(), missed(), empty(), empty()], SETTINGS)
    assert summary.lesion.references == 2
    assert summary.lesion.sensitivity[0].mean == 0.5
    assert summary.lesion.fp_per_scan[0].mean == 0.25
    # The case with the false positive is drawn three times or more in 5% of the resamples, four times in 0.4%.
    assert summary.lesion.fp_per_scan[0].ci95 == (0.0, 0.75)
    assert summary.voxel["dice"].mean == 0.5
    assert [summary.voxel[name].n for name in ("dice", "iou", "precision", "recall")] == [2, 2, 2, 2]


def test_no_lesion_anywhere_is_undefined_not_zero() -> None:
    summary = summarise([empty(), empty()], SETTINGS)
    assert summary.voxel["dice"] == summary.voxel["recall"]
    assert (summary.voxel["dice"].mean, summary.voxel["dice"].ci95, summary.voxel["dice"].n) == (None, None, 0)
    assert (summary.lesion.sensitivity[0].mean, summary.lesion.sensitivity[0].ci95) == (None, None)
    assert summary.lesion.fp_per_scan[0].mean == 0.0


def test_a_single_case_has_no_interval() -> None:
    summary = summarise([found()], SETTINGS)
    assert summary.voxel["dice"].mean == 1.0
    assert summary.voxel["dice"].sd is None
    assert summary.voxel["dice"].ci95 is None
    assert summary.lesion.fp_per_scan[0].ci95 is None


def test_the_order_of_the_cases_changes_no_estimate() -> None:
    cases = [found(), missed(), empty(), found()]
    forwards, backwards = summarise(cases, SETTINGS), summarise(cases[::-1], SETTINGS)
    assert backwards.voxel["dice"].mean == forwards.voxel["dice"].mean
    assert backwards.lesion.tp == forwards.lesion.tp
