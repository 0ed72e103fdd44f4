"""Matching, on tables of overlaps that can be worked out on paper."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_amt.evaluation.measure.case import count_lesions
from nnunet_amt.evaluation.measure.lesions import THRESHOLDS, UNMATCHED, iou_levels, match_sweep
from tests.evaluation.builders import count, row_mask

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
