"""Lesion counts along the thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnunet_amt.evaluation.measure.case import count_lesions
from nnunet_amt.evaluation.measure.lesions import THRESHOLDS, threshold_index
from nnunet_amt.evaluation.settings import EvaluationSettings
from tests.evaluation.builders import count, row_mask

EVERYTHING_COUNTS = EvaluationSettings(minimum_predicted_voxels=0)
MASKS = arrays(np.uint8, (4, 6, 6), elements=st.sampled_from([0, 0, 1]))


def test_thresholds_are_those_of_the_paper_to_the_last_digit() -> None:
    assert [str(threshold) for threshold in THRESHOLDS[:4]] == ["0.05", "0.1", "0.15", "0.2"]
    assert len(THRESHOLDS) == 19
    assert THRESHOLDS[-1] == 0.95


def test_a_threshold_that_is_not_swept_is_refused() -> None:
    assert threshold_index(0.5) == 9
    with pytest.raises(ValueError, match="not in tuple"):
        threshold_index(0.33)


def test_false_positives_by_either_rule() -> None:
    # Predictions: 12 voxels inside a reference of 20 (IoU 0.6), and 10 far away; and a reference that is missed.
    counts = count(row_mask(70, (4, 16), (40, 50)), row_mask(70, (0, 20), (60, 70)))
    unmatched, no_overlap = (
        count_lesions(counts, false_positive_rule="unmatched"),
        count_lesions(counts, false_positive_rule="no_overlap"),
    )
    at_055, at_060 = threshold_index(0.55), threshold_index(0.6)
    assert unmatched.fp[[0, at_055, at_060]].tolist() == [1, 1, 2]
    assert no_overlap.fp.tolist() == [1] * 19
    assert unmatched.tp.tolist() == no_overlap.tp.tolist() == [1] * 11 + [0] * 8


def test_a_case_without_lesions_still_has_false_positives() -> None:
    lesions = count_lesions(count(row_mask(30, (0, 12)), row_mask(30)), false_positive_rule="unmatched")
    assert (lesions.tp[0], lesions.fp[0], lesions.fn[0]) == (0, 1, 0)


@given(MASKS, MASKS)
@settings(max_examples=40, deadline=None)
def test_counts_are_monotone_and_swapping_the_masks_swaps_misses_and_false_positives(
    first: np.ndarray, second: np.ndarray
) -> None:
    one = count_lesions(count(first, second, EVERYTHING_COUNTS), false_positive_rule="unmatched")
    other = count_lesions(count(second, first, EVERYTHING_COUNTS), false_positive_rule="unmatched")
    assert (np.diff(one.tp) <= 0).all()
    assert (np.diff(one.fp) >= 0).all()
    assert one.tp.tolist() == other.tp.tolist()
    assert one.fp.tolist() == other.fn.tolist()


@given(MASKS, MASKS)
@settings(max_examples=40, deadline=None)
def test_flips_and_transposes_change_no_count(first: np.ndarray, second: np.ndarray) -> None:
    as_is = count_lesions(count(first, second, EVERYTHING_COUNTS), false_positive_rule="unmatched")
    for turn in (np.flip, np.transpose):
        turned = count_lesions(count(turn(first), turn(second), EVERYTHING_COUNTS), false_positive_rule="unmatched")
        assert turned.tp.tolist() == as_is.tp.tolist()
        assert turned.fp.tolist() == as_is.fp.tolist()
