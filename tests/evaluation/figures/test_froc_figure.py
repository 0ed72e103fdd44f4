"""froc.png and froc.svg."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from nnunet_amt.evaluation.figures.figures import froc_figure
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import GroupSummary, summarise
from tests.evaluation.builders import evaluated, row_mask

SETTINGS = EvaluationSettings(bootstrap_resamples=100, ci_always=True)
NO_OVERLAP = EvaluationSettings(bootstrap_resamples=100, ci_always=True, false_positive_rule="no_overlap")


def cases(settings: EvaluationSettings) -> list[CaseEvaluation]:
    reference = row_mask(60, (0, 20))
    return [evaluated(row_mask(60, (0, stop), (40, 55)), reference, settings) for stop in (10, 12, 16, 20)]


def labels(summary: GroupSummary, *, published: bool = False) -> list[str]:
    return [text.get_text() for text in froc_figure(summary, published=published).legends[0].get_texts()]


def test_curve_band_and_both_operating_points_are_in_the_legend() -> None:
    summary = summarise(cases(SETTINGS), settings=SETTINGS)
    ours = [
        "95% CI of the sensitivity",
        "ours, IoU thresholds 0.05 to 0.95 (4 cases, 4 lesions)",
        "ours at IoU 0.5, with 95% CI",
    ]
    assert labels(summary) == ours, "the paper's cases are patients, and these may be anything"
    assert labels(summary, published=True) == [*ours, "published at IoU 0.5, with 95% CI (164 other cases)"]


def test_the_points_are_where_they_belong() -> None:
    lines = froc_figure(summarise(cases(SETTINGS), settings=SETTINGS), published=True).axes[0].get_lines()
    curve, ours, published = (
        next(np.asarray(line.get_xydata()) for line in lines if str(line.get_label()).startswith(start))
        for start in ("ours, IoU", "ours at", "published")
    )
    # IoU 0.5, 0.6, 0.8, 1: all four above 0.45, one false positive each; above 0.5 one is lost, and false.
    assert curve[8].tolist() == [1.0, 1.0]
    assert curve[9].tolist() == ours[0].tolist() == [1.25, 0.75]
    assert published.tolist() == [[0.61, 0.87]]


def test_the_two_operating_points_have_different_markers() -> None:
    lines = froc_figure(summarise(cases(SETTINGS), settings=SETTINGS), published=True).axes[0].get_lines()
    markers = {line.get_marker() for line in lines if str(line.get_label()).startswith(("ours at", "published"))}
    assert len(markers) == 2


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        (summarise(cases(NO_OVERLAP), settings=NO_OVERLAP), "95% CI of the false positives"),  # the curve is upright
        (summarise(cases(SETTINGS)[:1], settings=SETTINGS), "95% CI of the sensitivity"),
        (
            summarise([evaluated(row_mask(5), row_mask(5), SETTINGS)] * 2, settings=SETTINGS),
            "ours, IoU thresholds 0.05 to 0.95 (2 cases, 0 lesions)",
        ),
    ],
    ids=["no_overlap", "one case", "no lesion"],
)
def test_odd_cohorts_are_drawn_without_a_warning(summary: GroupSummary, expected: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        froc_figure(summary).draw_without_rendering()
    assert labels(summary)[0] == expected


def thresholds_written(summary: GroupSummary) -> list[str]:
    axes = froc_figure(summary).axes[0]
    return [text.get_text() for text in axes.texts]


def test_points_that_coincide_share_a_label() -> None:
    # IoU 0.5, 0.6, 0.8, 1: one lesion is lost above 0.5, one above 0.6, one above 0.8.
    assert thresholds_written(summarise(cases(SETTINGS), settings=SETTINGS)) == [
        "0.05–0.45",
        "0.5–0.55",
        "0.6–0.75",
        "0.8–0.95",
    ]


def test_few_cases_are_warned_of() -> None:
    withheld = EvaluationSettings(bootstrap_resamples=100)
    for settings in (SETTINGS, withheld):
        figure = froc_figure(summarise(cases(settings), settings=settings))
        assert figure.axes[0].get_title(loc="left") == "only 4 cases"
    assert froc_figure(summarise(cases(withheld) * 5, settings=withheld)).axes[0].get_title(loc="left") == ""
