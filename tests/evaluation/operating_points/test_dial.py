"""The dial on two tiny volumes, and the choice among settings; voxels of 1 cm³."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.evaluation.measure.case import evaluate_counts
from nnunet_amt.evaluation.operating_points.dial import (
    DIAL,
    CaseOutcomes,
    DialOutcomes,
    case_outcomes,
    choose_points,
    dial_width,
)
from nnunet_amt.evaluation.operating_points.figures import point_figures, side_by_side
from nnunet_amt.evaluation.operating_points.point import ARGMAX, OperatingPoint, apply_point
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import MetricSummary, summarise
from nnunet_amt.images.foreground import Foreground
from tests.evaluation.builders import evaluated, row_mask

SETTINGS = EvaluationSettings(bootstrap_resamples=200, ci_always=True)
CUBE = (10.0, 10.0, 10.0)


def levels_of(*runs: tuple[int, int, int]) -> np.ndarray:
    """A row of 80 voxels: start, stop and level of each run."""
    row = np.zeros((1, 1, 80), np.uint8)
    for start, stop, level in runs:
        row[0, 0, start:stop] = level
    return row


# A lesion of 20 voxels found whole at 0.8 and another of 10 at 0.3; a false one of 12 voxels at 0.6, a speck of 3.
FIRST = levels_of((0, 20, 204), (30, 40, 77), (50, 62, 153), (70, 73, 255)), row_mask(80, (0, 20), (30, 40))
# A lesion of 20 of which 10 are at 0.9, and no more.
SECOND = levels_of((10, 20, 230)), row_mask(80, (0, 20))


def outcomes(case: tuple[np.ndarray, np.ndarray]) -> CaseOutcomes:
    return case_outcomes(case[0], Foreground.of(case[1], CUBE), settings=SETTINGS)


@pytest.fixture(scope="module")
def dial() -> DialOutcomes:
    return DialOutcomes.of([outcomes(FIRST), outcomes(SECOND)])


def at(level: int, score: str = "mean", threshold: float = 0.0, cm3: float = 0.0) -> int:
    return DIAL.index(OperatingPoint("argmax", level, score, threshold, cm3))  # type: ignore[arg-type]


def test_the_argmax_is_on_the_dial(dial: DialOutcomes) -> None:
    """Found: the first lesion and half of the last; false: 12 voxels; the speck counts for the voxels alone."""
    i = DIAL.index(ARGMAX)
    assert (dial.tp[i], dial.fp[i], dial.references, dial.scans) == (2, 1, 3, 2)
    # Dice: 2 x 20 of 30 and 35, 2 x 10 of 20 and 10
    assert dial.dice[i] == pytest.approx((40 / 65 + 20 / 30) / 2)
    assert dial.volume_bias[i] == pytest.approx(45 / 50 - 1)
    assert (dial.sensitivity[i], dial.fp_per_scan[i], dial.f1[i]) == (2 / 3, 0.5, 4 / 6)


def test_a_lower_threshold_finds_the_faint_lesion(dial: DialOutcomes) -> None:
    i = at(77)  # 0.3
    assert (dial.tp[i], dial.fp[i]) == (3, 1)
    assert dial.volume_bias[i] == pytest.approx(55 / 50 - 1)


def test_score_and_size_drop_the_false_one(dial: DialOutcomes) -> None:
    """Its mean is 0.6; that of a found lesion is 0.8. No size on the dial tells 12 voxels from 20."""
    i = at(128, "mean", 0.7)
    assert (dial.tp[i], dial.fp[i]) == (2, 0)
    assert dial.volume_bias[i] == pytest.approx(33 / 50 - 1)  # with the speck, whose score is 1
    assert dial.volume_bias[at(128, "mean", 0.7, 5.0)] == pytest.approx(30 / 50 - 1)


@pytest.mark.parametrize("i", [DIAL.index(ARGMAX), at(77), at(128, "mean", 0.7), at(13, "max", 0.7, 5.0)])
def test_the_dial_and_the_evaluation_say_the_same(dial: DialOutcomes, i: int) -> None:
    """A setting's figures on the dial are those of its label maps in an evaluation."""
    cases = [
        evaluated(apply_point(levels, CUBE, DIAL[i]), reference, SETTINGS, case_id)
        for case_id, (levels, reference) in {"a": FIRST, "b": SECOND}.items()
    ]
    figures = point_figures(cases, summarise(cases, settings=SETTINGS), settings=SETTINGS)
    means = {name: one.mean for name, one in figures.items()}
    assert means == pytest.approx(
        {
            "dice": dial.dice[i],
            "sensitivity": dial.sensitivity[i],
            "fp_per_scan": dial.fp_per_scan[i],
            "volume_bias": dial.volume_bias[i],
        }
    )


def test_screening_takes_the_highest_sensitivity_that_the_limit_allows(dial: DialOutcomes) -> None:
    """All three lesions cost one false positive: it has a higher score than the faint one, and no size parts them."""
    points, _ = choose_points(dial, most_fp_per_scan=0.5)
    i = DIAL.index(OperatingPoint("argmax", *_values(points["screening"])))
    assert (dial.tp[i], dial.fp[i]) == (3, 1)
    points, _ = choose_points(dial, most_fp_per_scan=0.4)
    i = DIAL.index(OperatingPoint("argmax", *_values(points["screening"])))
    assert (dial.tp[i], dial.fp[i]) == (2, 0)
    assert (points["screening"].minimum_cm3, points["screening"].name) == (0.0, "screening")


def test_among_equals_screening_stays_open_to_small_and_faint_lesions() -> None:
    """A lesion of 20 voxels at 0.9 and a false one at 0.6: a threshold of 0.7 parts them, and so does a score."""
    case = outcomes((levels_of((0, 20, 230), (50, 62, 153)), row_mask(80, (0, 20))))
    points, _ = choose_points(DialOutcomes.of([case]), most_fp_per_scan=0.0)
    assert _values(points["screening"]) == (128, "mean", 0.7, 0.0)


def test_balanced_has_the_highest_f1(dial: DialOutcomes) -> None:
    """3 found and 1 false of 3: 6/7; 2 found and none false: 4/5."""
    points, _ = choose_points(dial, most_fp_per_scan=1.0)
    assert dial.f1.max() == 6 / 7
    assert dial.f1[DIAL.index(OperatingPoint("argmax", *_values(points["balanced"])))] == 6 / 7


def test_a_point_that_cannot_be_had_is_left_out_with_the_reason() -> None:
    """Half of a lesion is at 0.9, the rest at nothing: its volume is half at every setting that keeps it."""
    points, missing = choose_points(DialOutcomes.of([outcomes(SECOND)]), most_fp_per_scan=1.0)
    assert points.keys() == {"screening", "balanced"}
    assert missing == {"volumetry": "no setting has a total volume within 2%; the nearest is -50.0%"}
    nothing = DialOutcomes.of([outcomes((levels_of((60, 75, 255)), SECOND[1]))])
    points, missing = choose_points(nothing, most_fp_per_scan=0.5)
    assert missing["balanced"] == "no setting finds a lesion"
    assert missing["screening"].startswith("no setting has 0.5 false positives per scan or fewer; the fewest are 1.00")


def test_where_all_settings_are_alike_the_argmax_is_taken() -> None:
    points, _ = choose_points(DialOutcomes.of([outcomes((levels_of((0, 20, 255)), SECOND[1]))]), most_fp_per_scan=1.0)
    assert {_values(point) for point in points.values()} == {_values(ARGMAX)}


def test_the_width_of_the_dial(dial: DialOutcomes) -> None:
    """The candidate threshold alone: at 0.3 and under (3, 1), to 0.6 (2, 1), to 0.8 (2, 0), at 0.9 (1, 0), nothing."""
    width = dial_width(dial)
    alone = width["candidate_threshold_alone"]
    assert alone == {
        "settings": 13, "distinct_points": 5, "sensitivity": [0.0, 1.0], "fp_per_scan": [0.0, 0.5],
    }  # fmt: skip
    assert width["settings"] == len(DIAL)


def test_cases_without_a_tumour_count_their_false_positives_and_have_a_dice_of_0_or_none() -> None:
    empty = np.zeros((1, 1, 80), np.uint8)
    dial = DialOutcomes.of([outcomes(SECOND), outcomes((empty, empty)), outcomes((FIRST[0], empty))])
    i = DIAL.index(ARGMAX)
    assert (dial.fp_per_scan[i], dial.dice[i]) == (2 / 3, pytest.approx((20 / 30 + 0) / 2))


def test_tuning_and_other_cases_side_by_side() -> None:
    before = {"dice": 0.9, "sensitivity": 1.0, "fp_per_scan": 0.25, "volume_bias": 0.017}
    now = {"dice": 0.85, "sensitivity": None, "fp_per_scan": 0.5, "volume_bias": -0.05}
    figures = [
        {name: MetricSummary(value, None, None, 4) for name, value in values.items()} for values in (before, now)
    ]
    table = side_by_side("title", figures[0], 4, figures[1], 1)
    assert table.columns == ("Tuning (4 cases)", "Here (1 case)", "Moved by")
    assert [row.cells for row in table.rows] == [
        ("0.90", "0.85", "−0.050"), ("1.00", "–", "–"), ("0.25", "0.50", "+0.250"), ("+1.7", "−5.0", "−6.7"),
    ]  # fmt: skip


def test_the_bias_is_bootstrapped_over_patients() -> None:
    """Of two patients one has twice the volume of its tumours and the other a sixth: so have resamples of one alone."""
    pairs = [(row_mask(80, (0, 40)), row_mask(80, (0, 20)))] * 2 + [(row_mask(80, (0, 10)), row_mask(80, (0, 60)))] * 2
    cases = [evaluated(*pair, SETTINGS, str(number)) for number, pair in enumerate(pairs)]
    patients = {"0": "a", "1": "a", "2": "b", "3": "b"}
    figures = point_figures(
        cases, summarise(cases, settings=SETTINGS, clusters=patients), settings=SETTINGS, clusters=patients
    )
    bias = figures["volume_bias"]
    assert bias.mean == pytest.approx(100 / 160 - 1)
    assert bias.ci95 == pytest.approx((1 / 6 - 1, 1.0))
    assert evaluate_counts(cases[0].counts, settings=SETTINGS).voxel.dice == pytest.approx(40 / 60)


def _values(point: OperatingPoint) -> tuple:
    return point.candidate_level, point.score, point.score_threshold, point.minimum_cm3
