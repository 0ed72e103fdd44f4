"""Margin, size and age as a baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.clinical_baseline import fit_clinical, score_clinical
from tests.risk.risk_cases import Case, cases_of


def with_margins(cases: list[Case]) -> list[Case]:
    """Eight of ten unclear margins belong to high risk."""
    wrong = {case.case_id for case in cases if case.case_id[-1] in "01"}
    return [
        replace(case, findings={"margin": "unclear" if case.high != (case.case_id in wrong) else "clear"})
        for case in cases
    ]


def test_an_unclear_margin_tells_high_risk_and_rows_are_those_of_every_model() -> None:
    baseline = fit_clinical(with_margins(cases_of(40)), seed=1)
    out_of_fold = [row for row in baseline.rows if row.kind == "out_of_fold"]
    assert len(out_of_fold) == 40 and {row.fold for row in out_of_fold} == set(range(5))
    assert [row.fold for row in baseline.rows if row.kind == "training"] == [None] * 40
    right = np.mean([(row.score >= 0.5) == row.high for row in out_of_fold])
    assert right == pytest.approx(0.8, abs=0.001)  # what the margin alone gets right: age and size are all the same
    assert baseline.details["odds_ratios"]["margin unclear"] > 4
    assert baseline.details["odds_ratios"]["age (years)"] == 1


def test_what_is_missing_counts_as_the_mean_and_is_counted() -> None:
    """Without a margin, a case lies between those with a clear and an unclear one."""
    cases = with_margins(cases_of(40))
    cases[5] = replace(cases[5], findings={}, age=None)
    baseline = fit_clinical(cases)
    assert baseline.details["missing"] == {"margin unclear": 1, "diameter (cm)": 0, "age (years)": 1}
    some = [Case("x", "x", high=True, findings={"margin": margin}) for margin in ("clear", "", "unclear")]
    low, between, high = (score_clinical(baseline.model, [case])[0].score for case in some)
    assert low < between < high


def test_a_predictor_that_no_case_has_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    cases = [replace(case, age=None) for case in with_margins(cases_of(40))]
    baseline = fit_clinical(cases)
    assert baseline.details["odds_ratios"]["age (years)"] is None
    assert "no case has age (years), it is left out" in caplog.text


def test_unknown_margins_and_no_predictor_at_all_are_refused() -> None:
    cases = cases_of(20)
    with pytest.raises(BadInputError, match="case case_000: margin 'blurred'; must be clear, unclear or empty"):
        fit_clinical([replace(cases[0], findings={"margin": "blurred"}), *cases[1:]])
    with pytest.raises(BadInputError, match="no case has a margin, a diameter or an age"):
        fit_clinical([replace(case, age=None, diameter_cm=None) for case in cases])
