"""Loss curves as a training leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.errors import ManifestError
from nnunet_amt.risk.evaluation.loss_curves import loss_figure, read_loss_curves
from nnunet_amt.risk.networks.settings import CURVES_FILE

HEAD = "fold,first_rate,epoch,learning_rate,training_loss,held_out_loss\n"


def test_folds_and_epochs_are_rows_and_columns(tmp_path: Path) -> None:
    """The training on all cases, which holds nobody out, is not among them."""
    rows = "0,.01,1,.01,.7,.8\n0,.01,2,.01,.5,.6\n1,.01,1,.01,.6,.9\n1,.01,2,.01,.4,.7\nall,.01,1,.01,.1,\n"
    (tmp_path / CURVES_FILE).write_text(HEAD + rows)
    curves = read_loss_curves(tmp_path)
    assert curves.training.tolist() == [[0.7, 0.5], [0.6, 0.4]]
    assert curves.held_out.tolist() == [[0.8, 0.6], [0.9, 0.7]]
    (axes,) = loss_figure({"ResNet 101": curves}, chosen_epochs={"ResNet 101": 2}).axes
    thick = [np.asarray(line.get_ydata()) for line in axes.lines if line.get_label() == "training, mean of folds"]
    assert thick[0].tolist() == pytest.approx([0.65, 0.45])
    assert len(axes.lines) == 2 * 3 + 1  # two folds and their mean, twice, and the chosen epoch


def test_of_several_learning_rates_the_final_models_is_shown(tmp_path: Path) -> None:
    rows = "0,.1,1,.1,9,9\n0,.01,1,.01,.7,.8\nall,.01,1,.01,.1,\n"
    (tmp_path / CURVES_FILE).write_text(HEAD + rows)
    assert read_loss_curves(tmp_path).held_out.tolist() == [[0.8]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"{HEAD}0,.01,one,.01,.7,.8\n", r"line 2, column 'epoch': is 'one'; must be a whole number from 1 up"),
        (f"{HEAD}0,.01,1,.01,,.8\n", r"line 2, column 'training_loss': is ''; must be a number"),
        (f"{HEAD}all,.01,1,.01,.7,\n", "has no epoch of any fold"),
        ("fold,first_rate,epoch\n0,.01,1\n", "has no column 'training_loss'"),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / CURVES_FILE).write_text(text)
    with pytest.raises(ManifestError, match=complaint) as refused:
        read_loss_curves(tmp_path)
    assert "\n" not in str(refused.value)
