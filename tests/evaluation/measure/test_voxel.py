"""Voxel metrics."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.evaluation.measure.case import VoxelMetrics, voxel_metrics
from tests.evaluation.builders import count


@pytest.mark.parametrize(
    ("tp", "fp", "fn", "expected"),
    [
        (6, 2, 4, VoxelMetrics(dice=12 / 18, iou=6 / 12, precision=6 / 8, recall=6 / 10)),
        (5, 0, 0, VoxelMetrics(dice=1.0, iou=1.0, precision=1.0, recall=1.0)),
        (0, 3, 4, VoxelMetrics(dice=0.0, iou=0.0, precision=0.0, recall=0.0)),
        # Nothing to find and nothing found: no ratio says anything.
        (0, 0, 0, VoxelMetrics(dice=None, iou=None, precision=None, recall=None)),
        # Nothing found: the precision of no prediction is undefined, the rest is 0.
        (0, 0, 4, VoxelMetrics(dice=0.0, iou=0.0, precision=None, recall=0.0)),
        # Nothing to find: the recall of no tumour is undefined, the rest is 0.
        (0, 3, 0, VoxelMetrics(dice=0.0, iou=0.0, precision=0.0, recall=None)),
    ],
)
def test_ratios(tp: int, fp: int, fn: int, expected: VoxelMetrics) -> None:
    assert voxel_metrics(tp, fp, fn) == expected


def test_overlap_of_random_masks_is_that_of_the_simpleitk_filter() -> None:
    generator = np.random.default_rng(0)
    prediction, reference = (generator.random((2, 6, 20, 20)) < 0.3).astype(np.uint8)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(sitk.GetImageFromArray(prediction), sitk.GetImageFromArray(reference))
    counts = count(prediction, reference)
    metrics = voxel_metrics(counts.tp, counts.fp, counts.fn)
    assert metrics.dice == pytest.approx(overlap.GetDiceCoefficient())
    assert metrics.iou == pytest.approx(overlap.GetJaccardCoefficient())
    assert metrics.recall == pytest.approx(1 - overlap.GetFalseNegativeError())
    assert metrics.precision == pytest.approx(1 - overlap.GetFalseDiscoveryRate())
