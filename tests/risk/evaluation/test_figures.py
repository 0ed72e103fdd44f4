"""What the figures of scores show; they are drawn, but not saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.risk.evaluation.figures import calibration_figure, roc_figure
from nnunet_amt.risk.evaluation.model_scores import ScoredModels, gather_models
from tests.risk.evaluation.made_up import cohort_of, write_two_models


@pytest.fixture
def scored(tmp_path: Path) -> ScoredModels:
    return gather_models(write_two_models(tmp_path), cohort_of())


def test_a_panel_for_each_kind_and_a_curve_for_each_model(scored: ScoredModels) -> None:
    """Four curves, the ring of the main model, and chance."""
    figure = roc_figure(scored, scored.named("resnet101"))
    assert [axes.get_title("left") for axes in figure.axes] == ["Training centres, out of fold", "External centres"]
    assert [len(axes.lines) for axes in figure.axes] == [6, 6]
    ring = figure.axes[1].lines[4]
    assert [np.asarray(ring.get_xdata())[0], np.asarray(ring.get_ydata())[0]] == [
        0.5,
        1.0,
    ]  # of two low-risk cases one is called high
    assert figure.legends[0].get_texts()[0].get_text() == "ResNet 101: 0.89 / 0.75"


def test_calibration_and_net_benefit_stand_side_by_side(scored: ScoredModels) -> None:
    figure = calibration_figure([scored.named("resnet101"), scored.named("clinical")], scored.kinds)
    assert len(figure.axes) == 4
    assert [axes.get_ylabel() for axes in figure.axes[:2]] == ["Share of high risk (95% CI)", "Net benefit"]
    model = figure.axes[3].lines[0]
    # at a threshold of 0.01 all are called high: 2 of 4, less 2 of 4 times 1 / 99
    assert np.asarray(model.get_ydata())[0] == pytest.approx(0.5 - 0.5 / 99)
