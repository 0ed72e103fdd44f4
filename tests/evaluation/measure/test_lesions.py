"""Lesions: connected components, their matching on tables of overlaps that can be worked out on paper, their counts."""

from __future__ import annotations

from itertools import permutations

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnunet_amt.evaluation.measure.case import count_lesions
from nnunet_amt.evaluation.measure.lesions import (
    THRESHOLDS,
    UNMATCHED,
    intersection_table,
    iou_levels,
    label_components,
    match_sweep,
    threshold_index,
)
from nnunet_amt.evaluation.settings import Connectivity, EvaluationSettings
from nnunet_amt.images.foreground import Foreground
from tests.evaluation.builders import SPACING, count, row_mask

MASKS = arrays(np.uint8, (5, 6, 7), elements=st.sampled_from([0, 0, 0, 1]))


@pytest.mark.parametrize(
    ("second", "joined_by"),
    [
        ((1, 1, 2), {6, 18, 26}),  # shares a face with (1, 1, 1)
        ((1, 2, 2), {18, 26}),  # an edge
        ((2, 2, 2), {26}),  # a corner
        ((1, 1, 3), set()),  # nothing
    ],
)
@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_connectivity(second: tuple[int, int, int], joined_by: set[int], connectivity: Connectivity) -> None:
    mask = np.zeros((4, 4, 4), dtype=np.uint8)
    mask[1, 1, 1] = mask[second] = 1
    components = label_components(Foreground.of(mask, SPACING), connectivity=connectivity)
    assert len(components) == (1 if connectivity in joined_by else 2)


def test_predictions_of_nine_voxels_are_dropped_and_of_ten_kept() -> None:
    prediction = row_mask(40, (0, 9), (20, 30))
    counts = count(prediction, row_mask(40))
    assert counts.prediction_voxels.tolist() == [10]
    assert counts.dropped_predictions == 1
    assert counts.fp == 19  # voxels are counted before anything is dropped


def test_small_references_are_kept() -> None:
    counts = count(row_mask(40), row_mask(40, (0, 1), (20, 29)))
    assert counts.reference_voxels.tolist() == [1, 9]


def test_components_are_dropped_after_labelling() -> None:
    # Two bars of 8 voxels that touch at a corner: one lesion of 16 under 26-connectivity, two of 8 under 6.
    prediction = np.zeros((1, 2, 16), dtype=np.uint8)
    prediction[0, 0, :8] = prediction[0, 1, 8:] = 1
    nothing = np.zeros_like(prediction)
    assert count(prediction, nothing).prediction_voxels.tolist() == [16]
    assert count(prediction, nothing, EvaluationSettings(connectivity=6)).prediction_voxels.tolist() == []


def test_empty_masks() -> None:
    counts = count(row_mask(5), row_mask(5))
    assert (counts.tp, counts.fp, counts.fn) == (0, 0, 0)
    assert counts.intersections.shape == (0, 0)
    assert counts.size_mm is None


def test_a_mask_without_any_background() -> None:
    counts = count(np.ones((2, 3, 4), dtype=np.uint8), np.ones((2, 3, 4), dtype=np.uint8))
    assert (counts.tp, counts.fp, counts.fn) == (24, 0, 0)
    assert counts.intersections.tolist() == [[24]]


def test_far_lesions_are_cut_apart_and_keep_their_place() -> None:
    mask = np.zeros((10, 10, 10), dtype=np.uint8)
    mask[0:2, 0:2, 0:2] = 1
    mask[7, 8, 9] = 1
    pieces = Foreground.of(mask, SPACING).boxes
    assert [(piece.lower, piece.mask.shape) for piece in pieces] == [((0, 0, 0), (2, 2, 2)), ((7, 8, 9), (1, 1, 1))]


@given(MASKS, MASKS, st.sampled_from([6, 18, 26]))
@settings(max_examples=60, deadline=None)
def test_pieces_give_the_components_and_overlaps_of_the_whole(
    first: np.ndarray, second: np.ndarray, connectivity: Connectivity
) -> None:
    # The straightforward way: label both whole volumes, and compare every label with every other.
    labels = [cc3d.connected_components(mask, connectivity=connectivity) for mask in (first, second)]
    whole = [[np.sum((labels[0] == i) & (labels[1] == j)) for j in range(1, labels[1].max() + 1)]
             for i in range(1, labels[0].max() + 1)]  # fmt: skip
    ours = [label_components(Foreground.of(mask, SPACING), connectivity=connectivity) for mask in (first, second)]
    table = intersection_table(*ours)
    assert [len(components) for components in ours] == [int(label.max()) for label in labels]
    assert sorted(table.ravel().tolist()) == sorted(np.ravel(whole).astype(int).tolist())
    for components, label in zip(ours, labels, strict=True):
        sizes = sorted(int(piece.mask.sum()) for piece in components)
        assert sizes == sorted(np.bincount(label.ravel())[1:].tolist())


TWENTIETHS = tuple(range(1, 20))


def matched_at(table: list[list[int]], references: list[int], predictions: list[int], twentieths: int) -> int:
    """Number of pairs at IoU > twentieths/20 of a table of shared voxels (references, predictions)."""
    levels = iou_levels(np.array(table), np.array(references), np.array(predictions))
    return int((match_sweep(levels, TWENTIETHS)[twentieths - 1] != UNMATCHED).sum())


@pytest.mark.parametrize("twentieths", TWENTIETHS)
def test_an_iou_of_exactly_the_threshold_does_not_match(twentieths: int) -> None:
    # k of 20 voxels: the prediction lies inside the reference, so the union is 20 and the IoU is exactly k/20.
    assert matched_at([[twentieths]], [20], [twentieths], twentieths) == 0
    # One voxel in a thousand more is above it.
    assert matched_at([[50 * twentieths + 1]], [1000], [50 * twentieths + 1], twentieths) == 1


def test_a_perfect_prediction_matches_at_every_threshold() -> None:
    assert [matched_at([[7]], [7], [7], k) for k in TWENTIETHS] == [1] * 19


def test_lesions_that_only_touch_never_match() -> None:
    assert iou_levels(np.array([[0]]), np.array([5]), np.array([5])).tolist() == [[-1]]
    assert matched_at([[0]], [5], [5], 1) == 0


@pytest.mark.parametrize(("references", "predictions"), [([], []), ([4], []), ([], [4, 5])])
def test_nothing_matches_nothing(references: list[int], predictions: list[int]) -> None:
    table = np.zeros((len(references), len(predictions)), dtype=int)
    partners = match_sweep(iou_levels(table, np.array(references), np.array(predictions)), TWENTIETHS)
    assert partners.shape == (19, len(references))
    assert (partners == UNMATCHED).all()


def test_one_prediction_over_two_references_is_one_match() -> None:
    # Two references of 10 under a prediction of 20: IoU 10/20 each. Matched below 0.5, once; at 0.5 not.
    table, references, predictions = [[10], [10]], [10, 10], [20]
    assert [matched_at(table, references, predictions, k) for k in (9, 10)] == [1, 0]


def test_two_predictions_on_one_reference_are_one_match() -> None:
    # 12 and 6 of 20 voxels: IoU 0.6 and 0.3; the better one is the partner even where both pass.
    levels = iou_levels(np.array([[6, 12]]), np.array([20]), np.array([6, 12]))
    partners = match_sweep(levels, TWENTIETHS)
    assert partners[:11, 0].tolist() == [1] * 11  # 0.05 to 0.55
    assert partners[11:, 0].tolist() == [UNMATCHED] * 8  # 0.6 is not above 0.6


def test_chain_where_greedy_and_total_iou_find_two_pairs_and_three_are_possible() -> None:
    # One row of voxels; each prediction covers the end of one reference and most of the next:
    #   references 0-8, 9-33, 34-58; predictions 5-29, 30-54, 55-65 (start to one past the end)
    # IoU of (1, A) 3/29 = 0.10, (2, A) 20/28 = 0.71, (2, B) 3/45 = 0.07, (3, B) 20/28 = 0.71, (3, C) 3/31 = 0.10.
    # The two best pairs, 2A and 3B, leave 1 and C apart; 1A, 2B, 3C are three pairs of far lower total.
    reference = row_mask(70, (0, 8), (9, 33), (34, 58))
    prediction = row_mask(70, (5, 29), (30, 54), (55, 65))
    counts = count(prediction, reference)
    assert counts.intersections.tolist() == [[3, 0, 0], [20, 3, 0], [0, 20, 3]]
    lesions = count_lesions(counts, false_positive_rule="unmatched")
    at_005, at_010, at_050 = 0, 1, THRESHOLDS.index(0.5)
    assert lesions.partners[at_005].tolist() == [0, 1, 2]
    # 3/45 is not above 0.1: without the pair 2B the chain is broken and two pairs are all there are.
    assert lesions.tp[[at_005, at_010, at_050]].tolist() == [3, 2, 2]
    assert lesions.fp[[at_005, at_010, at_050]].tolist() == [0, 1, 1]
    assert lesions.fn[[at_005, at_010, at_050]].tolist() == [0, 1, 1]


def test_a_long_chain_needs_no_recursion() -> None:
    # Reference i overlaps predictions i and i + 1; the last one overlaps n - 1 only... so all n can be matched,
    # but only by moving everyone: predictions 1..n are taken first because their IoU is higher.
    n = 3000
    levels = np.full((n + 1, n + 1), -1)
    levels[np.arange(n), np.arange(n) + 1] = 10
    levels[np.arange(n + 1), np.arange(n + 1)] = 1
    partners = match_sweep(levels, (1, 10))
    assert (partners[1] != UNMATCHED).sum() == n
    assert (partners[0] != UNMATCHED).sum() == n + 1


LEVELS = st.integers(0, 5).flatmap(
    lambda rows: st.integers(0, 5).flatmap(
        lambda columns: st.lists(
            st.lists(st.integers(-1, 19), min_size=columns, max_size=columns), min_size=rows, max_size=rows
        ).map(lambda table: np.array(table, dtype=int).reshape(rows, columns))
    )
)


@given(LEVELS)
@settings(max_examples=60, deadline=None)
def test_no_matching_is_larger_and_matched_lesions_stay_matched(levels: np.ndarray) -> None:
    partners = match_sweep(levels, TWENTIETHS)
    for row, threshold in enumerate(TWENTIETHS):
        pairs = [(i, j) for i, j in enumerate(partners[row].tolist()) if j != UNMATCHED]
        assert len({j for _, j in pairs}) == len(pairs)  # one to one
        assert all(levels[i, j] >= threshold for i, j in pairs)
        assert len(pairs) == largest_matching_by_trying_all(levels >= threshold)
        if row:
            stricter, looser = partners[row], partners[row - 1]
            assert (looser[stricter != UNMATCHED] != UNMATCHED).all()


def largest_matching_by_trying_all(edges: np.ndarray) -> int:
    if edges.shape[0] > edges.shape[1]:
        edges = edges.T
    orders = permutations(range(edges.shape[1]), edges.shape[0])
    return max(sum(edges[i, j] for i, j in enumerate(order)) for order in orders)


EVERYTHING_COUNTS = EvaluationSettings(minimum_predicted_voxels=0)
SMALL_MASKS = arrays(np.uint8, (4, 6, 6), elements=st.sampled_from([0, 0, 1]))


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


@given(SMALL_MASKS, SMALL_MASKS)
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


@given(SMALL_MASKS, SMALL_MASKS)
@settings(max_examples=40, deadline=None)
def test_flips_and_transposes_change_no_count(first: np.ndarray, second: np.ndarray) -> None:
    as_is = count_lesions(count(first, second, EVERYTHING_COUNTS), false_positive_rule="unmatched")
    for turn in (np.flip, np.transpose):
        turned = count_lesions(count(turn(first), turn(second), EVERYTHING_COUNTS), false_positive_rule="unmatched")
        assert turned.tp.tolist() == as_is.tp.tolist()
        assert turned.fp.tolist() == as_is.fp.tolist()
