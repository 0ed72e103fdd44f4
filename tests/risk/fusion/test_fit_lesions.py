"""One training of a lesion network: repeatable, resumable, ended by its patience, its best epoch kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.risk.fusion import fit_lesions as module
from nnunet_amt.risk.fusion.encoding import fit_encoding
from nnunet_amt.risk.fusion.fit_lesions import LesionFit, fit_lesions, logits_of, probabilities_of
from nnunet_amt.risk.fusion.lesion_model import build_network
from nnunet_amt.risk.fusion.lesion_tensors import LesionTensors, as_labels, lesion_tensors
from tests.risk.fusion.training_cases import CLASSES, PIXELS, SETTINGS, Dropping, cohort_of, crops_of

COHORT = cohort_of(12, 6, 0)
CROPS = crops_of(COHORT.cases)
ENCODING = fit_encoding(COHORT.of_split("training"))


class KilledError(Exception):
    pass


def tensors_of(split: str, *, adjacent: bool = False) -> tuple[LesionTensors, torch.Tensor]:
    cases = {case.case_id: case for case in COHORT.cases if case.split == split}
    labels = as_labels(CLASSES, [case.lesion_class for case in cases.values()])
    found = lesion_tensors(cases, CROPS, encoding=ENCODING, pixels=PIXELS, adjacent=adjacent)
    return found, torch.cat((labels, labels)) if adjacent else labels


def small_fit(checkpoint: Path, **changed: Any) -> tuple[nn.Module, LesionFit]:
    training, labels = tensors_of("training", adjacent=True)
    tuning, tuning_labels = tensors_of("tuning")
    arguments: dict[str, Any] = {
        "tuning": tuning,
        "tuning_labels": tuning_labels,
        "build": lambda: build_network("plain-cnn", classes=CLASSES, encoding=ENCODING, depth=20, cell="lstm"),
        "name": "plain-cnn",
        "settings": replace(SETTINGS, task="multiclass", epochs=4, patience=4),
        "seed": 1,
        "checkpoint": checkpoint,
    }
    return fit_lesions(training, labels, **{**arguments, **changed})


def test_a_killed_training_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kill comes in epoch 4; with a checkpoint after every 2 epochs, 3 is trained again. The network
    draws dropout too."""
    monkeypatch.setattr(module, "CHECKPOINT_EPOCHS", 2)
    network, whole = small_fit(tmp_path / "whole.pth", build=Dropping)

    def kill(done: int) -> None:
        if done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        small_fit(tmp_path / "killed.pth", build=Dropping, after_epoch=kill)
    torch.rand(3)  # what others draw in between has no say
    seen: list[int] = []
    again, resumed = small_fit(tmp_path / "killed.pth", build=Dropping, after_epoch=seen.append)
    assert seen == [2, 3, 4]
    assert (resumed.losses, resumed.tuning_losses) == (whole.losses, whole.tuning_losses)
    for one, other in zip(again.state_dict().values(), network.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_it_ends_when_the_tuning_cases_gain_no_more_and_keeps_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tuning losses 3, 1, 2, 1, 5: the best is epoch 2, the first of equal ones; a patience of 2 ends it after 4."""
    losses = iter((3.0, 1.0, 2.0, 1.0, 5.0))
    epoch_weights: list[torch.Tensor] = []

    def told(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.tensor(next(losses))

    def same(network: nn.Module, *args: Any, **options: Any) -> float:
        with torch.no_grad():
            for weights in network.parameters():
                weights.add_(1)
            epoch_weights.append(next(network.parameters()).clone())
        return 0.5

    monkeypatch.setattr(module, "_one_epoch", same)
    monkeypatch.setattr(functional, "cross_entropy", told)
    settings = replace(SETTINGS, task="multiclass", epochs=10, patience=2)
    network, fitted = small_fit(tmp_path / "a.pth", settings=settings)
    assert fitted.tuning_losses == [3, 1, 2, 1] and fitted.best_epoch == 2
    assert torch.equal(next(network.parameters()), epoch_weights[1])
    resumed, again = small_fit(tmp_path / "a.pth", settings=settings)  # what is done is not begun anew
    assert again.best_epoch == 2 and torch.equal(next(resumed.parameters()), epoch_weights[1])


def test_it_learns_what_differs(tmp_path: Path) -> None:
    """Discs of three brightnesses: after some epochs the loss of cases that it has not seen is below that of guessing,
    log 3."""
    settings = replace(SETTINGS, task="multiclass", epochs=15, patience=15)
    network, fitted = small_fit(tmp_path / "a.pth", settings=settings)
    assert min(fitted.tuning_losses) < 0.75 * np.log(3)
    probabilities = probabilities_of(network, tensors_of("tuning")[0])
    assert probabilities.shape == (6, 3) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-12)


def test_seeds_draw_otherwise_and_leave_the_callers_random_numbers(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    settings = replace(SETTINGS, task="multiclass", epochs=1)
    _, first = small_fit(tmp_path / "a.pth", settings=settings)
    assert torch.rand(1) == expected
    assert first.losses != small_fit(tmp_path / "b.pth", settings=settings, seed=2)[1].losses


def test_the_mask_has_nothing_outside_and_a_channel_its_mean() -> None:
    """A turned image brings its mean in at the corners; a mask with a share of lesion there would be a false one."""
    lesions, _ = tensors_of("tuning")
    outside = lesions.outside()
    assert outside.shape == (6, 3, 1, 1) and (outside[:, 1] == 0).all()
    assert torch.allclose(outside[:, 0, 0, 0], lesions.images[:, 0].mean(dim=(1, 2)))
    from nnunet_amt.risk.networks.images import augmented

    turned = augmented(lesions.images, replace(SETTINGS, rotation=45.0), outside=outside)
    assert turned.shape == lesions.images.shape and (turned[:, 1, 0, 0] < 1e-6).all()


def test_a_case_is_scored_alone_as_among_others(tmp_path: Path) -> None:
    """Its score must not hang on who else is scored."""
    network, _ = small_fit(tmp_path / "a.pth", settings=replace(SETTINGS, task="multiclass", epochs=1))
    lesions, _ = tensors_of("tuning")
    together = logits_of(network, lesions)
    alone = torch.cat([logits_of(network, lesions.at(torch.tensor([place]))) for place in range(6)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_loss_beyond_all_numbers_and_a_full_memory_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(WorkFailedError, match=r"plain-cnn: .* epoch 1 of seed 1; give"):
        patch.setattr(module, "_one_epoch", lambda *args, **options: float("nan"))
        small_fit(tmp_path / "a.pth")

    def full(*args: Any, **options: Any) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(module, "_one_epoch", full)
    with pytest.raises(WorkFailedError, match="plain-cnn: the memory of cpu is full with 8 images of 32 px"):
        small_fit(tmp_path / "a.pth")


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "all.pth").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(BadInputError, match=r"all\.pth: is damaged; remove it"):
        small_fit(tmp_path / "all.pth")


def test_crops_of_another_size_or_scale_are_refused() -> None:
    """HU in place of 0..1, or 64 px in place of 32, would be scored without a word."""
    cases = {case.case_id: case for case in COHORT.cases[:1]}
    name = COHORT.cases[0].case_id
    with pytest.raises(BadInputError, match="crop is of 3 x 32 x 32, the networks take 3 x 64 x 64"):
        lesion_tensors(cases, CROPS, encoding=ENCODING, pixels=64)
    loud = {name: replace(CROPS[name], largest=CROPS[name].largest * 350 - 125)}
    with pytest.raises(BadInputError, match=r"case AMT_000: its crop has values -125 to .*; must be 0 to 1"):
        lesion_tensors(cases, loud, encoding=ENCODING, pixels=32)
