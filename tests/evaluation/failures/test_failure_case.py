"""How a case fails: over, under, partial, missed; false positive lesions and how far they are from the tumour."""

from __future__ import annotations

from math import hypot

import numpy as np
import pytest

from nnunet_amt.evaluation.failures.failure_case import FalsePositive, failure_mode, false_positives
from nnunet_amt.evaluation.measure.lesions import intersection_table, label_components
from nnunet_amt.images.foreground import Foreground
from tests.evaluation.builders import SPACING, row_mask


@pytest.mark.parametrize(
    ("counts", "segmentation", "detection"),
    [
        ((10, 5, 4), "over", "found"),
        ((10, 4, 5), "under", "found"),
        ((10, 4, 4), "balanced", "found"),
        ((10, 0, 10), "under", "found"),  # exactly half is found
        ((10, 0, 11), "under", "partial"),
        ((0, 3, 10), "under", "missed"),
        ((0, 30, 10), "over", "missed"),  # drawn in the wrong place
        ((0, 3, 0), "over", None),  # no tumour there
        ((0, 0, 0), None, None),
    ],
)
def test_case(counts: tuple[int, int, int], segmentation: str | None, detection: str | None) -> None:
    mode = failure_mode(*counts)
    assert (mode.segmentation, mode.detection) == (segmentation, detection)


def test_lesions_are_counted_one_by_one() -> None:
    """The tumour as a whole is found, one of its lesions partly and two not at all."""
    mode = failure_mode(80, 0, 20, covered_shares=[1.0, 0.5, 0.49, 0.0, 0.0])
    assert (mode.detection, mode.partial_lesions, mode.missed_lesions) == ("found", 1, 2)


def listed(prediction: np.ndarray, reference: np.ndarray) -> tuple[FalsePositive, ...]:
    references, predictions = (
        label_components(Foreground.of(mask, SPACING), connectivity=26) for mask in (reference, prediction)
    )
    return false_positives(references, predictions, intersection_table(references, predictions), spacing=SPACING)


def test_distance_is_from_surface_to_surface() -> None:
    """Voxels 20 to 29 are between them: 10 mm; ten voxels of 1 x 2 x 5 mm are 0.1 cm3."""
    (found,) = listed(row_mask(60, (0, 20), (30, 40)), row_mask(60, (0, 20)))
    assert (found.lesion, found.voxels, found.overlaps_reference) == (2, 10, False)
    assert (found.volume_cm3, found.distance_mm) == pytest.approx((0.1, 10.0))


def test_the_nearest_of_several_lesions_counts() -> None:
    found = listed(row_mask(60, (30, 40)), row_mask(60, (0, 10), (45, 60)))
    assert [lesion.distance_mm for lesion in found] == [pytest.approx(5.0)]


def test_spacing_counts_along_each_axis() -> None:
    """Two voxels apart in y (2 mm) with one between: 2 mm from face to face; in z (5 mm): 5 mm; in both: diagonal."""
    for step, expected in (((0, 2, 0), 2.0), ((2, 0, 0), 5.0)):
        reference, prediction = np.zeros((5, 5, 5), np.uint8), np.zeros((5, 5, 5), np.uint8)
        reference[1, 1, 1] = 1
        prediction[1 + step[0], 1 + step[1], 1] = 1
        assert listed(prediction, reference)[0].distance_mm == pytest.approx(expected)
    reference, prediction = np.zeros((5, 5, 5), np.uint8), np.zeros((5, 5, 5), np.uint8)
    reference[1, 1, 1] = prediction[3, 3, 1] = 1
    # The nearest points of the outlines are the midpoints of the two z faces: 1 step in z, 2 in y.
    assert listed(prediction, reference)[0].distance_mm == pytest.approx(hypot(5 * 1, 2 * 2))


def test_touching_is_distance_0_and_no_overlap() -> None:
    (lesion,) = listed(row_mask(60, (20, 40)), row_mask(60, (0, 20)))
    assert (lesion.distance_mm, lesion.overlaps_reference) == (0.0, False)


def test_a_poor_overlap_is_a_false_positive_at_distance_0() -> None:
    """2 of 38 voxels are shared, IoU 0.05; 4 of 36 would be 0.11 and a match."""
    (lesion,) = listed(row_mask(60, (18, 38)), row_mask(60, (0, 20)))
    assert (lesion.distance_mm, lesion.overlaps_reference) == (0.0, True)
    assert listed(row_mask(60, (16, 36)), row_mask(60, (0, 20))) == ()


def test_without_a_reference_there_is_no_distance() -> None:
    (lesion,) = listed(row_mask(60, (0, 20)), row_mask(60))
    assert lesion.distance_mm is None
    assert listed(row_mask(60), row_mask(60, (0, 20))) == ()
