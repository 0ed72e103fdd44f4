"""Labels of the figures are free of each other, where points lie close together and numbers are long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from nnunet_amt.evaluation.figures.case_figures import size_figure, volume_figure
from nnunet_amt.evaluation.figures.figures import froc_figure
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.measure.lesions import THRESHOLDS
from nnunet_amt.evaluation.summary.summary import GroupSummary, LesionSummary, MetricSummary
from tests.evaluation.builders import evaluated, row_mask
from tests.figure_texts import covered, drawn_texts, text_box

FALLING = np.linspace(1.0, 0.0, 19)


def froc_of(fp_per_scan: Sequence[float], sensitivity: Sequence[float], cases: int = 30) -> GroupSummary:
    """A cohort of which only the curve matters."""
    counts = tuple(range(19))
    return GroupSummary(
        cases=cases,
        voxel={},
        lesion=LesionSummary(
            threshold=THRESHOLDS,
            tp=counts,
            fp=counts,
            fn=counts,
            sensitivity=tuple(MetricSummary(value, None, (value - 0.1, value + 0.1), 40) for value in sensitivity),
            fp_per_scan=tuple(MetricSummary(value, None, (value * 0.8, value * 1.2), 40) for value in fp_per_scan),
            references=40,
        ),
    )


CURVES = {
    "around the published point": (0.61 + (0.87 - FALLING) * 0.3, FALLING),
    "a staircase of 19 labels": (np.linspace(0.1, 2.0, 19), FALLING),
    "flat at the top": (np.linspace(0.0, 0.6, 19), np.linspace(1.0, 0.95, 19)),
    "upright": (np.full(19, 0.61), FALLING),
    "upright at 0": (np.zeros(19), FALLING),
    "two clusters": (np.where(np.arange(19) < 9, 0.6, 0.7), np.where(np.arange(19) < 9, 0.9, 0.82)),
    "pairs that are just apart": (0.3 + np.repeat(np.arange(10), 2)[:19] * 0.08, 1 - np.arange(19) * 0.045),
    "at the bottom right": (np.linspace(0.5, 4.0, 19), np.linspace(0.06, 0.0, 19)),
}


@pytest.mark.parametrize("curve", CURVES)
def test_thresholds_of_a_froc(curve: str) -> None:
    x, y = CURVES[curve]
    figure = froc_figure(froc_of(x.tolist(), y.tolist(), cases=4))
    assert covered(figure) == []
    axes = figure.axes[0]
    inside = axes.get_window_extent()
    for label in axes.texts:
        box = text_box(label)
        assert box.x0 >= inside.x0 - 1 and box.x1 <= inside.x1 + 1, label
        assert box.y0 >= inside.y0 - 1 and box.y1 <= inside.y1 + 1, label


def test_thresholds_are_crossed_by_no_line_where_there_is_room() -> None:
    """Of 12 scans with a lesion each; the first three of six points lie around the bars of the interval."""
    at = np.repeat(np.arange(6), (9, 4, 3, 1, 1, 1))
    x, y = np.array([1, 2, 3, 4, 8, 13])[at] / 12, np.array([12, 11, 10, 9, 5, 0])[at] / 12
    summary = froc_of(x.tolist(), y.tolist(), cases=12)
    wide = [(low, high) for low, high in zip(np.maximum(y - 0.27, 0.0), np.minimum(y + 0.07, 1.0), strict=True)]
    lesion = replace(
        summary.lesion,
        sensitivity=tuple(replace(one, ci95=ci) for one, ci in zip(summary.lesion.sensitivity, wide, strict=True)),
        fp_per_scan=tuple(replace(one, ci95=(0.02, 0.6)) for one in summary.lesion.fp_per_scan),
    )
    figure = froc_figure(replace(summary, lesion=lesion))
    assert covered(figure) == []  # which draws it
    axes = figure.axes[0]
    boxes = [text_box(label) for label in axes.texts]
    assert len(boxes) == 6
    for line in axes.get_lines():
        corners = axes.transData.transform(line.get_xydata())
        for start, end in pairwise(corners):
            for point in np.linspace(start, end, 500):
                assert not [box for box in boxes if box.contains(*point)], line.get_label()


def of_volumes(predicted: Sequence[float], reference: Sequence[float]) -> list[CaseEvaluation]:
    """Cases of these volumes in cm3."""
    case = evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20)))
    made = []
    for mine, theirs in zip(predicted, reference, strict=True):
        shared, voxel = min(mine, theirs), 0.001
        counts = [round(volume / voxel) for volume in (shared, mine - shared, theirs - shared)]
        tp, fp, fn = counts
        made.append(replace(case, counts=replace(case.counts, tp=tp, fp=fp, fn=fn, voxel_volume_mm3=1000 * voxel)))
    return made


REFERENCE = np.linspace(100, 200, 30)
WIDE = np.geomspace(0.02, 3000, 30)
VOLUMES = {
    "limits that nearly coincide": (REFERENCE + 500 + np.tile([0.4, -0.4], 15), REFERENCE),
    "limits at the top of the axis": (REFERENCE * np.tile([3.0, 3.01], 15), REFERENCE),
    "limits at the bottom of the axis": (REFERENCE * np.tile([0.1, 0.101], 15), REFERENCE),
    "five powers of ten": (WIDE * np.tile([0.5, 2.5], 15), WIDE),
    "long numbers": (REFERENCE * 1000 + np.tile([40.0, -7000.5], 15), REFERENCE * 1000),
    "three powers of ten in the ratio": (REFERENCE * np.tile([0.02, 40], 15), REFERENCE),
    "few": (REFERENCE[:3], REFERENCE[:3] * 1.1),
}


@pytest.mark.parametrize("volumes", VOLUMES)
def test_limits_and_ticks_of_volumes(volumes: str) -> None:
    predicted, reference = VOLUMES[volumes]
    figure = volume_figure(of_volumes(predicted.tolist(), reference.tolist()))
    assert covered(figure) == []
    for axes in figure.axes:
        values = [text.get_text() for text in axes.texts]
        heights = [text_box(text).y0 for text in axes.texts]
        # bias, lower and upper limit: the order of the numbers is that on the page
        assert len(values) == 3
        assert heights[1] < heights[0] < heights[2], values


@pytest.mark.parametrize("largest", [60, 120, 190])
def test_classes_of_size(largest: int) -> None:
    cases = [evaluated(row_mask(200, (0, stop)), row_mask(200, (0, stop))) for stop in (20, 60, largest)]
    figure = size_figure(cases * 40)
    assert covered(figure) == []
    assert "small\nn = 40" in [text.get_text() for text in drawn_texts(figure)]
