"""froc.png."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from nnunet_amt.evaluation.case import CaseEvaluation
from nnunet_amt.evaluation.froc_figure import froc_figure, write_froc_figure
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary import GroupSummary, summarise
from tests.evaluation.builders import evaluated, row_mask

SETTINGS = EvaluationSettings(bootstrap_resamples=100)
NO_OVERLAP = EvaluationSettings(bootstrap_resamples=100, false_positive_rule="no_overlap")


def cases(settings: EvaluationSettings) -> list[CaseEvaluation]:
    reference = row_mask(60, (0, 20))
    return [evaluated(row_mask(60, (0, stop), (40, 55)), reference, settings) for stop in (10, 12, 16, 20)]


def labels(summary: GroupSummary) -> list[str]:
    return [text.get_text() for text in froc_figure(summary).legends[0].get_texts()]


def test_curve_band_and_both_operating_points_are_in_the_legend() -> None:
    assert labels(summarise(cases(SETTINGS), SETTINGS)) == [
        "95% CI of the sensitivity",
        "ours, IoU thresholds 0.05 to 0.95 (4 cases, 4 lesions)",
        "ours at IoU 0.5, with 95% CI",
        "published at IoU 0.5, with 95% CI (164 other cases)",
    ]


def test_the_points_are_where_they_belong() -> None:
    lines = froc_figure(summarise(cases(SETTINGS), SETTINGS)).axes[0].get_lines()
    curve, ours, published = (
        next(np.asarray(line.get_xydata()) for line in lines if str(line.get_label()).startswith(start))
        for start in ("ours, IoU", "ours at", "published")
    )
    # IoU 0.5, 0.6, 0.8, 1: all four above 0.45, one false positive each; above 0.5 one is lost, and false.
    assert curve[8].tolist() == [1.0, 1.0]
    assert curve[9].tolist() == ours[0].tolist() == [1.25, 0.75]
    assert published.tolist() == [[0.61, 0.87]]


def test_the_two_operating_points_have_different_markers() -> None:
    lines = froc_figure(summarise(cases(SETTINGS), SETTINGS)).axes[0].get_lines()
    markers = {line.get_marker() for line in lines if str(line.get_label()).startswith(("ours at", "published"))}
    assert len(markers) == 2


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        (summarise(cases(NO_OVERLAP), NO_OVERLAP), "95% CI of the false positives"),  # the curve is upright
        (summarise(cases(SETTINGS)[:1], SETTINGS), "ours, IoU thresholds 0.05 to 0.95 (1 case, 1 lesion)"),
        (
            summarise([evaluated(row_mask(5), row_mask(5), SETTINGS)] * 2, SETTINGS),
            "ours, IoU thresholds 0.05 to 0.95 (2 cases, 0 lesions)",
        ),
    ],
    ids=["no_overlap", "one case", "no lesion"],
)
def test_odd_cohorts_are_drawn_without_a_warning(summary: GroupSummary, expected: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_froc_figure(tmp_path / "froc.png", summary)
    assert labels(summary)[0] == expected


def test_it_is_legible_in_print() -> None:
    figure = froc_figure(summarise(cases(SETTINGS), SETTINGS))
    assert figure.get_size_inches()[0] == pytest.approx(12 / 2.54)
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    assert min(float(text.get_fontsize()) for text in texts) >= 9
