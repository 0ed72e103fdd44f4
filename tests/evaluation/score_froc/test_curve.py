"""The score FROC and its CPM, on paper."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.score_froc.candidates import HIT_TWENTIETHS, CaseCandidates, hits
from nnunet_amt.evaluation.score_froc.curve import CPM_RATES, iou_sweep, score_froc, score_intervals
from nnunet_amt.evaluation.settings import EvaluationSettings, FalsePositiveRule
from nnunet_amt.statistics.intervals import resampled_weights, wilson_interval

GOOD, JUST, POOR = 15, HIT_TWENTIETHS, HIT_TWENTIETHS - 1  # IoU above 0.75, above 0.1, and 0.1 or less


def case(levels: Sequence[Sequence[int]], confidence: Sequence[float], references: int | None = None) -> CaseCandidates:
    """A case of given levels, a row a reference; `references` rows of nothing where there are no predictions."""
    rows = len(levels) if references is None else references
    table = np.array(levels, dtype=np.int64).reshape(rows, len(confidence))
    scores = np.array(confidence, dtype=float)
    voxels = np.full(len(confidence), 10)
    return CaseCandidates("case", table, voxels, {"mean": scores, "max": scores})


# Two scans, three lesions. A: one found at 0.9, one false positive at 0.8. B: one found at 0.7 and one missed.
TWO_SCANS = (case([[GOOD, -1]], [0.9, 0.8]), case([[JUST], [-1]], [0.7]))


def test_operating_points_on_paper() -> None:
    curve = score_froc(TWO_SCANS, "mean")
    assert curve.threshold == (0.9, 0.8, 0.7)
    assert (curve.tp, curve.fp) == ((1, 1, 2), (0, 1, 1))
    assert curve.sensitivity == pytest.approx((1 / 3, 1 / 3, 2 / 3))
    assert curve.fp_per_scan == (0, 0.5, 0.5)


def test_the_last_operating_point_is_there() -> None:
    """It keeps every predicted lesion; a curve that ends before it loses the lesions of lowest confidence."""
    curve = score_froc(TWO_SCANS, "mean")
    assert curve.tp[-1] + curve.fp[-1] == 3
    assert curve.threshold[-1] == min(0.9, 0.8, 0.7)
    one = score_froc([case([[GOOD]], [0.6])], "max")
    assert (one.threshold, one.tp, one.fp) == ((0.6,), (1,), (0,))


def test_cpm_on_paper() -> None:
    """1/3 at 1/8 and 1/4 FP per scan; from 1/2 on 2/3, which is the most the curve reaches."""
    curve = score_froc(TWO_SCANS, "mean")
    assert [curve.sensitivity_at(rate) for rate in CPM_RATES] == pytest.approx([1 / 3] * 2 + [2 / 3] * 5)
    assert curve.cpm == pytest.approx((2 * 1 / 3 + 5 * 2 / 3) / 7)
    assert [curve.reaches(rate) for rate in CPM_RATES] == [True, True, True, False, False, False, False]


def test_no_operating_point_is_invented_between_two() -> None:
    """Hit, two false, hit over four scans: half of the lesions are found below 1/2 FP per scan, all from there on."""
    without = case([], [], 0)
    cases = [case([[GOOD, -1, -1], [-1, -1, GOOD]], [0.9, 0.8, 0.7]), case([], [0.75], 0), without, without]
    curve = score_froc(cases, "mean")
    assert list(curve.fp_per_scan) == [0, 0.25, 0.5, 0.5]
    assert [curve.sensitivity_at(rate) for rate in (0.125, 0.25, 0.375, 0.5)] == [0.5, 0.5, 0.5, 1.0]


def test_the_first_point_may_have_more_false_positives_than_asked_for() -> None:
    """The most confident lesion is false: at 1/8 per scan nothing can be kept, and nothing is found."""
    curve = score_froc([case([[-1, GOOD]], [0.9, 0.8])], "mean")
    assert curve.sensitivity_at(0.125) == 0
    assert curve.sensitivity_at(1.0) == 1


def test_lesions_of_equal_confidence_come_together() -> None:
    curve = score_froc([case([[GOOD, -1]], [0.8, 0.8]), case([[GOOD]], [0.8])], "mean")
    assert (curve.threshold, curve.tp, curve.fp) == ((0.8,), (2,), (1,))


def test_each_lesion_counts_once() -> None:
    """Three predictions of one lesion: the most confident is the hit, not the one of the best IoU."""
    assert hits(np.array([[JUST, GOOD, JUST]]), np.array([0.7, 0.6, 0.9])).tolist() == [False, False, True]


def test_an_iou_of_a_tenth_is_no_hit() -> None:
    assert hits(np.array([[POOR]]), np.array([0.9])).tolist() == [False]
    assert hits(np.array([[JUST]]), np.array([0.9])).tolist() == [True]


def test_a_prediction_gives_way_to_another_where_both_can_be_matched() -> None:
    """The first could take either lesion, the second only one: both are hits, whichever is more confident."""
    levels = np.array([[GOOD, GOOD], [GOOD, -1]])
    assert hits(levels, np.array([0.9, 0.8])).tolist() == [True, True]
    assert hits(levels, np.array([0.8, 0.9])).tolist() == [True, True]


def test_hits_above_any_confidence_are_as_many_as_can_be_matched() -> None:
    """Against all ways to choose pairs, on random tables of three lesions and four predictions."""
    generator = np.random.default_rng(3)
    for _ in range(40):
        levels = generator.integers(-1, 4, size=(3, 4))
        confidence = generator.permutation(4) / 4
        found = hits(levels, confidence)
        for threshold in confidence:
            kept = np.flatnonzero(confidence >= threshold)
            assert found[kept].sum() == most_pairs(levels[:, kept])


def most_pairs(levels: np.ndarray) -> int:
    pairs = np.argwhere(levels >= HIT_TWENTIETHS).tolist()
    for size in range(min(levels.shape), 0, -1):
        for chosen in combinations(pairs, size):
            if len({i for i, _ in chosen}) == len({j for _, j in chosen}) == size:
                return size
    return 0


def test_scans_without_lesions_count_in_the_rate_and_without_any_lesion_nothing_is_defined() -> None:
    curve = score_froc([case([], [0.9], 0), case([], [], 0)], "mean")
    assert curve.fp_per_scan == (0.5,)
    assert curve.sensitivity == (None,)
    assert curve.cpm is None
    assert score_froc([case([], [], 1), case([], [], 0)], "mean").scans_without_tumour == 1
    empty = score_froc([case([], [], 1)], "mean")
    assert (empty.threshold, empty.cpm, empty.reaches(0.125)) == ((), 0.0, False)


def test_the_iou_sweep_at_a_tenth_is_the_last_point_of_the_score_froc() -> None:
    """Both keep every predicted lesion and ask for an IoU above 0.1 there; elsewhere they are different curves."""
    curve, sweep = score_froc(TWO_SCANS, "mean"), iou_sweep(TWO_SCANS)
    at = threshold_index(0.1)
    assert (sweep.sensitivity[at], sweep.fp_per_scan[at]) == (curve.sensitivity[-1], curve.fp_per_scan[-1])
    strict = threshold_index(0.5)
    assert (sweep.sensitivity[strict], sweep.fp_per_scan[strict]) == (pytest.approx(1 / 3), 1.0)


def many_cases(number: int) -> list[CaseCandidates]:
    """Scans of 0 to 2 lesions and 0 to 3 predictions of equal and different confidences."""
    generator = np.random.default_rng(5)
    cases = []
    for i in range(number):
        references, predictions = int(generator.integers(3)), int(generator.integers(4))
        levels = generator.integers(-1, 6, size=(references, predictions))
        confidence = generator.integers(5, 10, size=predictions) / 10
        scores = {"mean": confidence, "max": confidence}
        cases.append(CaseCandidates(f"c{i:02d}", levels, np.full(predictions, 10), scores))  # type: ignore[arg-type]
    return cases


@pytest.mark.parametrize("rule", ["unmatched", "no_overlap"])
@pytest.mark.parametrize("clusters", [None, {f"c{i:02d}": f"p{i % 22}" for i in range(40)}], ids=["cases", "patients"])
def test_each_resample_has_the_curve_of_its_cases(rule: FalsePositiveRule, clusters: dict[str, str] | None) -> None:
    """Against curves that are made anew of the cases of every resample, some of them several times."""
    cases = many_cases(40)
    settings = EvaluationSettings(bootstrap_resamples=60, false_positive_rule=rule, ci_always=True)
    curve = score_froc(cases, "mean", rule=rule)
    found = score_intervals(cases, curve, settings=settings, clusters=clusters)
    names = [case.case_id if clusters is None else clusters[case.case_id] for case in cases]
    members = {name: [case for case, of in zip(cases, names, strict=True) if of == name] for name in sorted(names)}
    (weights,) = resampled_weights(len(members), resamples=60, seed=settings.seed)
    curves = []
    for row in weights.astype(int).tolist():
        drawn = [case for times, some in zip(row, members.values(), strict=True) for case in some * times]
        curves.append(score_froc(drawn, "mean", rule=rule))
    assert found.cpm == pytest.approx(np.percentile([one.cpm for one in curves], (2.5, 97.5)))
    assert found.clusters == (None if clusters is None else 22)
    for rate, interval in zip(CPM_RATES, found.sensitivity, strict=True):
        low, high = np.percentile([one.sensitivity_at(rate) for one in curves], (2.5, 97.5))
        if clusters is None:
            tp = round((curve.sensitivity_at(rate) or 0) * curve.references)
            wilson = wilson_interval(tp, curve.references)
            low, high = min(low, wilson[0]), max(high, wilson[1])
        assert interval == pytest.approx((low, high))


def test_few_cases_have_wilsons_interval_and_no_bootstrap() -> None:
    found = score_intervals(TWO_SCANS, score_froc(TWO_SCANS, "mean"), settings=EvaluationSettings())
    assert found.cpm is None
    assert found.sensitivity[0] == pytest.approx(wilson_interval(1, 3))
    nothing = [case([], [0.9], 0)]
    assert set(score_intervals(nothing, score_froc(nothing, "mean"), settings=EvaluationSettings()).sensitivity) == {
        None
    }


def test_where_all_is_found_in_every_resample_there_is_no_interval_without_width() -> None:
    cases = [case([[GOOD]], [0.9]) for _ in range(20)]
    settings = EvaluationSettings(bootstrap_resamples=50)
    found = score_intervals(cases, score_froc(cases, "mean"), settings=settings)
    assert (found.cpm, found.sensitivity[0]) == (None, pytest.approx(wilson_interval(20, 20)))


def test_many_lesions_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    cases, settings = many_cases(30), EvaluationSettings(bootstrap_resamples=50)
    whole = score_intervals(cases, score_froc(cases, "mean"), settings=settings)
    monkeypatch.setattr("nnunet_amt.evaluation.score_froc.curve._BLOCK_WEIGHTS", 100)
    assert score_intervals(cases, score_froc(cases, "mean"), settings=settings) == whole
