"""Metrics of groups of cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import GroupSummary, summarise
from nnunet_amt.statistics.intervals import poisson_interval, wilson_interval
from tests.evaluation.builders import evaluated, row_mask

SETTINGS = EvaluationSettings(bootstrap_resamples=2000, ci_always=True)


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
    summary = summarise([found(), found(), found(), missed()], settings=SETTINGS)
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
    assert summary.lesion.sensitivity[0].ci95 == pytest.approx(wilson_interval(3, 4))
    # One event: Garwood's 0.0253 to 5.572 of 4 scans. The bootstrap says 0 (32% of resamples have none) to 0.75.
    assert summary.lesion.fp_per_scan[0].ci95 == pytest.approx((0.0, 5.5716 / 4), abs=1e-4)


def test_one_resample_serves_all_metrics() -> None:
    """Dice of these cases is 1 or 0 with the lesion, so both have one SD in the same resamples."""
    summary = summarise([found()] * 5 + [missed()] * 3, settings=SETTINGS)
    assert summary.lesion.sensitivity[0].sd == pytest.approx(summary.lesion.fp_per_scan[0].sd)


def test_a_case_without_lesions_counts_as_a_scan_but_not_as_a_lesion() -> None:
    summary = summarise([found(), missed(), empty(), empty()], settings=SETTINGS)
    assert summary.lesion.references == 2
    assert summary.lesion.sensitivity[0].mean == 0.5
    assert summary.lesion.fp_per_scan[0].mean == 0.25
    assert summary.lesion.fp_per_scan[0].ci95 == pytest.approx((0.0, 5.5716 / 4), abs=1e-4)
    assert summary.voxel["dice"].mean == 0.5
    assert [summary.voxel[name].n for name in ("dice", "iou", "precision", "recall")] == [2, 2, 2, 2]


def marked() -> CaseEvaluation:
    """No tumour, and two lesions invented, a third too small to count."""
    return evaluated(row_mask(60, (0, 15), (20, 35), (40, 45)), row_mask(60))


def test_specificity_is_the_share_of_scans_without_a_tumour_and_without_a_false_positive() -> None:
    """Of three such scans two are free: 2/3; Wilson's interval by hand. FP per scan is over all five scans: 3/5."""
    summary = summarise([found(), missed(), empty(), marked(), empty()], settings=SETTINGS)
    specificity = summary.specificity
    assert specificity is not None
    assert (specificity.scans, specificity.negative, specificity.false_positives) == (3, 2, 2)
    z2 = float(stats.norm.ppf(0.975)) ** 2
    middle, half = (2 / 3 + z2 / 6) / (1 + z2 / 3), np.sqrt(z2 * (2 / 27 + z2 / 36)) / (1 + z2 / 3)
    assert specificity.value == 2 / 3
    assert specificity.wilson95 == pytest.approx((middle - half, middle + half))
    assert summary.lesion.fp_per_scan[0].mean == 0.6
    assert (summary.voxel["dice"].mean, summary.voxel["dice"].n) == (1 / 3, 3)  # 1, 0, and 0 where there is nothing


def test_a_mark_that_is_too_small_to_count_is_no_false_positive() -> None:
    dot = evaluated(row_mask(60, (0, 9)), row_mask(60))
    specificity = summarise([dot], settings=SETTINGS).specificity
    assert specificity is not None
    assert (specificity.negative, specificity.wilson95[1]) == (1, 1.0)


def test_without_such_scans_there_is_no_specificity() -> None:
    assert summarise([found(), missed()], settings=SETTINGS).specificity is None


def test_no_lesion_anywhere_is_undefined_not_zero() -> None:
    summary = summarise([empty(), empty()], settings=SETTINGS)
    assert summary.voxel["dice"] == summary.voxel["recall"]
    assert summary.voxel["dice"].median is None
    assert (summary.voxel["dice"].mean, summary.voxel["dice"].ci95, summary.voxel["dice"].n) == (None, None, 0)
    assert (summary.lesion.sensitivity[0].mean, summary.lesion.sensitivity[0].ci95) == (None, None)
    assert summary.lesion.fp_per_scan[0].mean == 0.0


def test_a_single_case_has_no_bootstrap() -> None:
    """Its one lesion and its one scan are counts, which have an exact interval: of none in one scan, 0 to 3.689."""
    summary = summarise([found()], settings=SETTINGS)
    assert summary.voxel["dice"].mean == 1.0
    assert summary.voxel["dice"].sd is None
    assert summary.voxel["dice"].ci95 is None
    assert summary.lesion.fp_per_scan[0].ci95 == pytest.approx((0.0, 3.6889), abs=1e-4)
    assert summary.lesion.sensitivity[0].ci95 == pytest.approx(wilson_interval(1, 1))


def test_the_order_of_the_cases_changes_no_estimate() -> None:
    cases = [found(), missed(), empty(), found()]
    forwards, backwards = summarise(cases, settings=SETTINGS), summarise(cases[::-1], settings=SETTINGS)
    assert backwards.voxel["dice"].mean == forwards.voxel["dice"].mean
    assert backwards.lesion.tp == forwards.lesion.tp


def intervals(summary: GroupSummary) -> list[object]:
    metrics = [*summary.voxel.values(), *summary.lesion.sensitivity, *summary.lesion.fp_per_scan]
    return [metric.ci95 for metric in metrics]


def test_intervals_are_withheld_under_twenty_cases() -> None:
    settings = EvaluationSettings(bootstrap_resamples=100)
    few = summarise([found()] * 18 + [missed()], settings=settings)
    assert intervals(few)[:4] == [None] * 4  # Wilson's and the exact one are no bootstrap
    assert few.lesion.sensitivity[0].ci95 == pytest.approx(wilson_interval(18, 19))
    assert few.lesion.fp_per_scan[0].ci95 == pytest.approx(poisson_interval(1, 19))
    assert None not in intervals(summarise([found()] * 19 + [missed()], settings=settings))


def test_a_metric_undefined_in_too_many_cases_has_no_interval() -> None:
    """Of 20 cases one has no prediction: 19 have a precision, so its interval alone is withheld."""
    without_prediction = evaluated(row_mask(60), row_mask(60, (0, 20)))
    summary = summarise([found()] * 19 + [without_prediction], settings=EvaluationSettings(bootstrap_resamples=100))
    assert [name for name, metric in summary.voxel.items() if metric.ci95 is None] == ["precision"]


def test_the_sd_of_lesion_metrics_is_given_for_few_cases_too() -> None:
    summary = summarise([found(), missed()], settings=EvaluationSettings(bootstrap_resamples=2000))
    # Two draws of 0 or 1: their mean has SD sqrt(1/8).
    assert summary.lesion.fp_per_scan[0].sd == pytest.approx(np.sqrt(1 / 8), rel=0.06)


def test_no_interval_of_a_lesion_metric_has_no_width() -> None:
    """All found and no false positive: resampling gives 1 to 1 and 0 to 0, whatever the number of cases."""
    z2 = float(stats.norm.ppf(0.975)) ** 2
    lesion = summarise([found()] * 20, settings=EvaluationSettings(bootstrap_resamples=100)).lesion
    assert lesion.sensitivity[0].ci95 == pytest.approx((20 / (20 + z2), 1.0))
    assert lesion.fp_per_scan[0].ci95 == pytest.approx((0.0, 3.6889 / 20), abs=1e-5)


def test_many_false_positives_in_many_scans_are_resampled() -> None:
    """Ten scans of 60 gather all 20: the scans are drawn, and are wider apart than 20 independent events."""
    gathered = evaluated(row_mask(60, (0, 15), (20, 35)), row_mask(60))
    lesion = summarise([empty()] * 50 + [gathered] * 10, settings=EvaluationSettings(bootstrap_resamples=2000)).lesion
    low, high = lesion.fp_per_scan[0].ci95 or (np.nan, np.nan)
    exact = poisson_interval(20, 60)
    assert (low, high) != pytest.approx(exact)
    assert low < exact[0]
    assert high > exact[1]


def test_under_twenty_institutions_nothing_is_given() -> None:
    """40 cases of 19 institutions: what is drawn counts, for lesions too, and where it has no width it is withheld."""
    cases = [named(f"case{i:02d}", 19 if i == 0 else 20) for i in range(40)]
    settings = EvaluationSettings(bootstrap_resamples=100, cluster="institution")
    for institutions, given in ((19, False), (20, True)):
        of = {case.case_id: f"H{i % institutions}" for i, case in enumerate(cases)}
        summary = summarise(cases, settings=settings, clusters=of)
        assert (summary.voxel["dice"].ci95 is not None) == given
        assert summary.lesion.sensitivity[0].ci95 is None  # all found


def test_subgroups_of_few_patients_have_no_interval_however_many_their_cases() -> None:
    """60 cases of 3 patients are 3 draws; with --ci-always they are given, as asked for."""
    cases = [named(f"case{i:02d}", 10 + i % 7) for i in range(57)] + [missed_case(f"case{i}") for i in range(57, 60)]
    of = {case.case_id: f"patient-{i % 3}" for i, case in enumerate(cases)}
    settings = EvaluationSettings(bootstrap_resamples=100, cluster="patient")
    summary = summarise(cases, settings=settings, clusters=of)
    assert (summary.clusters, summary.clustered) == (3, True)
    assert set(intervals(summary)) == {None}
    always = summarise(cases, settings=replace(settings, ci_always=True), clusters=of)
    assert always.voxel["dice"].ci95 is not None


def missed_case(case_id: str) -> CaseEvaluation:
    return evaluated(row_mask(60, (40, 55)), row_mask(60, (0, 20)), case_id=case_id)


def test_patients_of_one_case_each_are_drawn_as_cases() -> None:
    """So the usual study keeps Wilson's interval when patients are asked for; the number of patients is told."""
    cases = [named(f"case{i:02d}", 15 + i % 6) for i in range(24)]
    alone = {case.case_id: f"patient-{99 - i}" for i, case in enumerate(cases)}
    plain = summarise(cases, settings=EvaluationSettings(bootstrap_resamples=100))
    settings = EvaluationSettings(bootstrap_resamples=100, cluster="patient")
    patients = summarise(cases, settings=settings, clusters=alone)
    assert (patients.clusters, patients.clustered) == (24, False)
    assert (patients.voxel, patients.lesion) == (plain.voxel, plain.lesion)
    assert patients.lesion.sensitivity[0].ci95 == pytest.approx(wilson_interval(24, 24))


def test_a_subgroup_of_two_hospitals_has_no_interval_though_each_has_one_case_in_it() -> None:
    """Elsewhere in the study they have more: hospitals are what is drawn, and two of them are too few."""
    cases = [named(f"case{i:02d}", 15 + i % 6) for i in range(50)]
    of = {case.case_id: f"H{i % 25}" for i, case in enumerate(cases)}
    settings = EvaluationSettings(bootstrap_resamples=100, cluster="institution")
    subgroup = summarise(cases[:2], settings=settings, clusters=of)
    assert subgroup.clusters == 2
    assert set(intervals(subgroup)) == {None}
    assert summarise(cases, settings=settings, clusters=of).voxel["dice"].ci95 is not None


def test_a_sensitivity_rests_on_what_is_drawn_with_lesions() -> None:
    """Of 24 hospitals 5 have tumours: FP per scan has 24 draws, the sensitivity 5, and no interval."""
    cases = [named("a", 5), *(named(f"b{i}", 20) for i in range(9))]
    cases += [evaluated(row_mask(60, (0, 15 * (i % 2))), row_mask(60), case_id=f"c{i:02d}") for i in range(38)]
    of = {case.case_id: f"H{i % 5 if i < 10 else 5 + i % 19}" for i, case in enumerate(cases)}
    settings = EvaluationSettings(bootstrap_resamples=200, cluster="institution")
    lesion = summarise(cases, settings=settings, clusters=of).lesion
    assert lesion.sensitivity[9].ci95 is None
    assert lesion.fp_per_scan[9].ci95 is not None


def test_no_interval_of_a_voxel_metric_has_no_width() -> None:
    """Twenty outlines without a fault: resampling them says 1 to 1, which nobody knows of the next one."""
    summary = summarise([found()] * 20, settings=EvaluationSettings(bootstrap_resamples=100))
    assert {metric.ci95 for metric in summary.voxel.values()} == {None}


def test_the_surface_dice_is_summarised_where_it_is_measured() -> None:
    """Defined where the Dice is: 1, 0 without a prediction, and nothing where there is nothing."""
    settings = EvaluationSettings(bootstrap_resamples=100, ci_always=True, surface_distances=True)
    rows = ((20, 20), (0, 20), (0, 0))
    cases = [evaluated(row_mask(60, (0, stop)), row_mask(60, (0, end)), settings) for stop, end in rows]
    found = summarise(cases, settings=settings).voxel["surface_dice_2mm"]
    assert (found.mean, found.n, found.ci95) == (0.5, 2, (0.0, 1.0))
    assert "surface_dice_2mm" not in summarise(cases, settings=EvaluationSettings(bootstrap_resamples=9)).voxel


def test_median_and_quartiles_leave_out_the_undefined() -> None:
    dice = [evaluated(row_mask(60, (0, stop)), row_mask(60, (0, 20))) for stop in (5, 10, 20)]
    # Dice 0.4, 2/3 and 1: the quartiles of three values lie half way between neighbours.
    summary = summarise([*dice, empty()], settings=SETTINGS).voxel["dice"]
    assert summary.median == pytest.approx(2 / 3)
    assert (summary.q1, summary.q3) == pytest.approx(((0.4 + 2 / 3) / 2, (2 / 3 + 1) / 2))


def named(case_id: str, prediction_stop: int) -> CaseEvaluation:
    return evaluated(row_mask(60, (0, prediction_stop)), row_mask(60, (0, 20)), case_id=case_id)


def test_institutions_are_drawn_whole() -> None:
    """Institution a has three cases of Dice 1, b one of Dice 0.4: a resample is all a, all b, or both."""
    cases = [*(named(f"a{i}", 20) for i in range(3)), named("b", 5)]
    settings = EvaluationSettings(bootstrap_resamples=500, cluster="institution", ci_always=True)
    summary = summarise(cases, settings=settings, clusters={case.case_id: case.case_id[0] for case in cases})
    assert summary.clusters == 2
    assert summary.voxel["dice"].mean == pytest.approx(0.85)  # the cases are averaged, not the institutions
    assert summary.voxel["dice"].ci95 == pytest.approx((0.4, 1.0))
    one_institution = summarise(cases[:3], settings=settings, clusters=dict.fromkeys(("a0", "a1", "a2"), "a"))
    assert (one_institution.clusters, one_institution.voxel["dice"].ci95) == (1, None)


def test_voxel_intervals_are_those_of_scipy() -> None:
    stops = np.random.default_rng(0).integers(5, 40, size=30)
    cases = [named(str(i), int(stop)) for i, stop in enumerate(stops)]
    values = np.array([case.voxel.dice for case in cases], dtype=float)
    ours = summarise(cases, settings=EvaluationSettings(bootstrap_resamples=20_000)).voxel["dice"].ci95
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1))
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=float(theirs.standard_error) / 20)
