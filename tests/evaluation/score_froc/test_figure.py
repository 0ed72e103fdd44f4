"""score_froc.png and .svg."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nnunet_amt.evaluation.score_froc.curve import CPM_RATES, ScoreIntervals, iou_sweep, score_froc
from nnunet_amt.evaluation.score_froc.result_files import score_froc_figure, write_score_froc_figures
from tests.evaluation.score_froc.test_curve import TWO_SCANS, case

WITHHELD = ScoreIntervals(None, (None,) * len(CPM_RATES), None)


def test_both_confidences_and_the_iou_sweep_are_named_apart() -> None:
    curves = [score_froc(TWO_SCANS, "mean"), score_froc(TWO_SCANS, "max")]
    figure = score_froc_figure(curves, [WITHHELD] * 2, iou_sweep(TWO_SCANS))
    legend = figure.legends[0]
    assert legend.get_title().get_text() == "2 cases, 3 lesions; score FROC: hits at IoU > 0.1"
    assert [text.get_text() for text in legend.get_texts()] == [
        "score FROC, mean probability (CPM 0.57)",
        "score FROC, max probability (CPM 0.57)",
        "IoU sweep of the paper, 0.05 to 0.95: all lesions kept",
    ]


def test_a_curve_begins_at_the_left_edge_and_goes_on_thin_beyond_its_last_point() -> None:
    """1 of 3 lesions without false positives, 2 of 3 at half a false positive per scan."""
    curve = score_froc(TWO_SCANS, "mean")
    axes = score_froc_figure([curve], [WITHHELD], iou_sweep(TWO_SCANS)).axes[0]
    steps, beyond, _ = (np.asarray(line.get_xydata()) for line in axes.get_lines())
    assert steps.tolist() == [[1 / 16, 1 / 3], [0.5, 1 / 3], [0.5, 2 / 3]]
    assert beyond[:, 1].tolist() == [2 / 3, 2 / 3]
    assert beyond[0, 0] == 0.5
    assert beyond[1, 0] > CPM_RATES[-1]


def test_intervals_stand_at_the_rates_of_the_cpm() -> None:
    found = ScoreIntervals((0.4, 0.8), ((0.2, 0.6), *[None] * 5, (0.5, 0.9)), None)
    figure = score_froc_figure([score_froc(TWO_SCANS, "mean")], [found], iou_sweep(TWO_SCANS))
    drawn = [np.asarray(lines.get_paths()[0].vertices).tolist() for lines in figure.axes[0].collections]
    assert drawn == [[[0.97 * 0.125, 0.2], [0.97 * 0.125, 0.6]], [[0.97 * 8, 0.5], [0.97 * 8, 0.9]]]
    assert "(CPM 0.57 (0.40–0.80))" in figure.legends[0].get_texts()[0].get_text()


def test_without_lesions_it_says_so() -> None:
    cases = [case([], [0.9], 0)]
    figure = score_froc_figure([score_froc(cases, "mean")], [WITHHELD], iou_sweep(cases))
    assert [text.get_text() for text in figure.axes[0].texts] == ["no reference lesion: the sensitivity is undefined"]
    assert "(CPM undefined)" in figure.legends[0].get_texts()[0].get_text()


def test_a_curve_that_is_left_of_the_axis_is_explained() -> None:
    """One lesion, found, without a false positive: no point of the curve can stand on a logarithmic axis."""
    cases = [case([[15]], [0.9])]
    (remark,) = score_froc_figure([score_froc(cases, "mean")], [WITHHELD], iou_sweep(cases)).axes[0].texts
    assert "there are 0 false positives per scan" in remark.get_text()
    nothing = [case([], [], 1)]
    (remark,) = score_froc_figure([score_froc(nothing, "mean")], [WITHHELD], iou_sweep(nothing)).axes[0].texts
    assert remark.get_text() == "no predicted lesion"


def test_it_is_written_as_png_and_svg_and_the_same_again(tmp_path: Path) -> None:
    curves, sweep = [score_froc(TWO_SCANS, "mean")], iou_sweep(TWO_SCANS)
    for name in ("score_froc", "again"):
        write_score_froc_figures(tmp_path / name, curves, [WITHHELD], sweep)
    png, svg = ((tmp_path / f"score_froc.{ending}").read_bytes() for ending in ("png", "svg"))
    assert png.startswith(b"\x89PNG")
    assert b"<svg" in svg
    assert [(tmp_path / f"again.{ending}").read_bytes() for ending in ("png", "svg")] == [png, svg]
