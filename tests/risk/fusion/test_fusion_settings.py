"""Settings that cannot be are refused with name, value and rule."""

from __future__ import annotations

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.fusion_settings import FusionSettings


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"task": "three"}, "training of three models: task is three; must be binary or multiclass"),
        ({"models": ("dmfn", "resnet")}, "models is dmfn, resnet; must be among dmfn, regnet, plain-cnn"),
        ({"models": ("dmfn", "dmfn")}, "must be each named once"),
        ({"seeds": ()}, "seeds is none; must be one or more that differ"),
        ({"seeds": (1, 1)}, "seeds is 1, 1; must be one or more that differ"),
        ({"seeds": (-1,)}, "seeds is -1; must be 0 or more"),
        ({"epochs": 0}, "epochs is 0; must be 1 or more"),
        ({"patience": 0}, "patience is 0; must be 1 epoch or more"),
        ({"batch_size": 1}, "batch_size is 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0; must be 0 or more and below 1"),
        ({"depth": 18}, "depth is 18; must be one of 20, 32, 56, 50"),
        ({"cell": "tree"}, "cell is tree; must be one of lstm, gru, rnn"),
        ({"pixels": 8}, "pixels is 8; must be 32 to 4096 px"),
        ({"ctc_unit": " "}, "ctc_unit is ' '; must be the unit of the levels"),
        ({"scaling": (1.1, 0.9)}, "must be two factors, the smaller first"),
    ],
)
def test_settings_that_cannot_be_are_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        FusionSettings(**changed)  # type: ignore[arg-type]


def test_the_defaults_are_those_of_the_list_of_open_choices() -> None:
    """Three seeds as the paper's three runs; the rest is in docs/fusion.md."""
    settings = FusionSettings()
    assert (settings.seeds, settings.epochs, settings.patience, settings.batch_size) == ((0, 1, 2), 100, 20, 16)
    assert (settings.learning_rate, settings.momentum, settings.weight_decay) == (0.01, 0.9, 1e-4)
    assert (settings.label_smoothing, settings.depth, settings.cell, settings.pixels) == (0.1, 20, "lstm", 128)
    assert (settings.rotation, settings.translation, settings.scaling) == (15.0, 0.1, (0.9, 1.1))
