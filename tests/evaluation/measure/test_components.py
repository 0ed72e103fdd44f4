"""Lesions as connected components."""

from __future__ import annotations

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnunet_amt.evaluation.measure.lesions import intersection_table, label_components
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
