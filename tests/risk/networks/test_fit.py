"""One training: repeatable, and going on as if it had not stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.risk.networks import fit as fit_module
from nnunet_amt.risk.networks.descent import learning_rate
from nnunet_amt.risk.networks.fit import fit
from tests.risk.networks.conftest import SETTINGS


class KilledError(Exception):
    pass


def small_fit(checkpoint: Path, *, until: int = 4, **changed: Any) -> fit_module.Fit:
    generator = torch.Generator().manual_seed(5)
    images = torch.randn(10, 32, 32, generator=generator)
    arguments: dict[str, Any] = {
        "settings": replace(SETTINGS, epochs=6),
        "until": until,
        "run": 1,
        "held_out": images[:3],
        "checkpoint": checkpoint,
        "weights": None,
    }
    return fit(images, torch.arange(10) % 2, **{**arguments, **changed})


def test_the_learning_rate_falls_along_half_a_cosine() -> None:
    """Of four epochs: 1, (1 + cos 45)/2, 1/2 and (1 + cos 135)/2 of it."""
    settings = replace(SETTINGS, epochs=4, learning_rate=1.0)
    rates = [learning_rate(settings, epoch) for epoch in (1, 2, 3, 4)]
    assert rates == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)


def test_a_killed_training_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kill comes in epoch 4; with a checkpoint after every 2 epochs, 3 is trained again."""
    monkeypatch.setattr(fit_module, "CHECKPOINT_EPOCHS", 2)
    whole = small_fit(tmp_path / "whole.pth")
    assert whole.held_out.shape == (4, 3) and len(whole.losses) == 4

    def kill(done: int) -> None:
        if done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        small_fit(tmp_path / "killed.pth", after_epoch=kill)
    torch.rand(3)  # what others draw in between has no say
    seen: list[int] = []
    resumed = small_fit(tmp_path / "killed.pth", after_epoch=seen.append)
    assert seen == [2, 3, 4]
    assert resumed.losses == whole.losses
    assert np.array_equal(resumed.held_out, whole.held_out)
    for one, other in zip(resumed.network.state_dict().values(), whole.network.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    shorter = small_fit(tmp_path / "killed.pth", until=1)  # a checkpoint beyond what is asked for is not gone on with
    assert shorter.losses == whole.losses[:1]


def test_runs_and_seeds_draw_otherwise_and_leave_the_callers_random_numbers(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = small_fit(tmp_path / "a.pth", until=1)
    assert torch.rand(1) == expected
    assert first.losses != small_fit(tmp_path / "b.pth", until=1, run=2).losses
    other_seed = replace(SETTINGS, epochs=6, seed=1)
    assert first.losses != small_fit(tmp_path / "c.pth", until=1, settings=other_seed).losses


def test_no_step_has_one_image_and_an_epoch_has_the_papers_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """410 images in batches of 16 are 26 steps, of 15 and 16; 17 images are 9 and 8, not 16 and 1."""
    sizes: list[int] = []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            sizes.append(len(images))
            return self.weight.expand(len(images), 2)

    settings = replace(SETTINGS, batch_size=16)
    monkeypatch.setattr(fit_module, "augmented", lambda images, _: images)
    for count in (410, 17):
        network = Counting()
        optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
        images, high = torch.zeros(count, 2, 2), torch.zeros(count, dtype=torch.long)
        fit_module._one_epoch(network, optimiser, images, high, epoch=1, settings=settings)
    assert len(sizes[:-2]) == 26 and set(sizes[:-2]) == {15, 16} and sizes[-2:] == [9, 8]


def test_a_loss_beyond_all_numbers_is_said(tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=6, learning_rate=9.9, momentum=0.99)
    with pytest.raises(WorkFailedError, match=r"its loss grew beyond all numbers in epoch 1 of fold_0.*9\.9"):
        small_fit(tmp_path / "fold_0.pth", settings=settings, held_out=torch.full((1, 32, 32), torch.nan))


def test_a_full_memory_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **options: Any) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(fit_module, "_one_epoch", full)
    with pytest.raises(WorkFailedError, match="memory of cpu is full with 8 images of 32 px; give a smaller batch"):
        small_fit(tmp_path / "a.pth")


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "fold_0.pth").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(BadInputError, match=r"fold_0\.pth: is damaged; remove it"):
        small_fit(tmp_path / "fold_0.pth")
