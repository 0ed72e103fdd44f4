"""Surface distances that can be measured with a ruler."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.evaluation.measure.distances import SurfaceDistances, surface_distances
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground
from tests.evaluation.builders import SPACING, count, row_mask


def between(first: np.ndarray, second: np.ndarray) -> SurfaceDistances | None:
    return surface_distances(Foreground.of(first, SPACING).pieces, Foreground.of(second, SPACING).pieces, SPACING)


def test_equal_masks_are_nowhere_apart() -> None:
    assert between(row_mask(9, (2, 6)), row_mask(9, (2, 6))) == SurfaceDistances(0.0, 0.0, 0.0)


def test_a_shift_counts_in_millimetres_along_each_axis() -> None:
    # One voxel each, two voxels apart; voxels are 1 x 2 x 5 mm.
    for axis, step in enumerate((5.0, 2.0, 1.0)):
        first, second = np.zeros((2, 3, 3, 3), np.uint8)
        first[0, 0, 0] = 1
        second[tuple(2 * np.eye(3, dtype=int)[axis])] = 1
        assert between(first, second) == SurfaceDistances(2 * step, 2 * step, 2 * step)


def test_percentile_and_average() -> None:
    # All voxels of a row are surface. From 10 voxels to 1 of them: 0, 1, ... 9 mm; back: 0 mm. 45 mm over 11 points.
    found = between(row_mask(10, (0, 10)), row_mask(10, (0, 1)))
    assert found is not None
    assert found.hausdorff == 9.0
    assert found.hausdorff95 == pytest.approx(8.55)  # linear between the 9th and the 10th
    assert found.average == pytest.approx(45 / 11)


def test_nothing_is_nowhere() -> None:
    assert between(row_mask(5), row_mask(5, (0, 1))) is None


def test_the_longest_distance_of_random_masks_is_that_of_simpleitk() -> None:
    # Its filter takes all voxels, but those inside a mask are never the farthest of convex balls.
    z, y, x = np.mgrid[:12, :30, :40]
    masks = [
        ((5 * (z - 6)) ** 2 + (2 * (y - 14)) ** 2 + (x - centre) ** 2 < radius**2).astype(np.uint8)
        for centre, radius in ((14, 11), (22, 8))
    ]
    images = [sitk.GetImageFromArray(mask) for mask in masks]
    for image in images:
        image.SetSpacing(SPACING)
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(*images)
    found = between(*masks)
    assert found is not None
    assert found.hausdorff == pytest.approx(hausdorff.GetHausdorffDistance(), abs=1e-4)


def test_they_are_measured_only_if_asked_for_and_between_best_partners() -> None:
    reference, prediction = row_mask(70, (0, 20), (50, 60)), row_mask(70, (0, 18), (30, 40))
    assert count(prediction, reference).surface_distances is None
    counts = count(prediction, reference, EvaluationSettings(surface_distances=True))
    assert set(counts.lesion_surface_distances) == {(0, 0)}
    assert counts.lesion_surface_distances[0, 0].hausdorff == 2.0
    assert counts.surface_distances is not None
    assert counts.surface_distances.hausdorff == 20.0  # from the missed lesion's end at 59 to the prediction's at 39
