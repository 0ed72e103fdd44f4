"""The optimiser's steps, and the choice of the checkpoint by the tuning Dice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT
from tests.conftest import TINY_DATASET, tiny_case
from tests.trainers.tiny_training import TinyTrainer, make


def test_adam_steps_are_those_of_the_formula_whatever_the_gradient(base: Path) -> None:
    """Three steps against m / (sqrt(v) + eps) written out; gradients of 1e4 would be clipped, decay would show at 5."""
    trainer = make(nnUNetTrainerAMT, TINY_DATASET)
    trainer.initialize()
    bias = trainer.network.head.bias
    with torch.no_grad():
        bias.copy_(torch.tensor([5.0, -5.0]))
    weight, mean, square = bias.detach().clone().double(), torch.zeros(2).double(), torch.zeros(2).double()
    for step, gradient in enumerate(([1e4, -1e-2], [-3e4, 1e-2], [2e4, 5e-2]), start=1):
        batch = {"data": torch.zeros(3, 1, 8, 16, 16), "target": torch.zeros(3, 1, 8, 16, 16)}
        # stands in for the Dice loss: its gradient is known
        trainer.loss = lambda logits, reference, g=gradient: (bias * torch.tensor(g)).sum() + 0 * logits.sum()
        trainer.train_step(batch)
        drawn = torch.tensor(gradient).double()
        mean, square = 0.9 * mean + 0.1 * drawn, 0.999 * square + 0.001 * drawn**2
        weight -= 1e-3 * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
        assert torch.allclose(bias.detach().double(), weight, atol=2e-6), step


@pytest.mark.slow
def test_rate_and_betas_after_fifty_real_steps(base: Path) -> None:
    """Ten epochs of five steps each: the log holds one rate, and so does the optimiser."""
    trainer = make(TinyTrainer, TINY_DATASET)
    trainer.num_epochs = 10
    trainer.on_train_start()
    for epoch in range(10):
        trainer.current_epoch = epoch
        trainer.on_train_epoch_start()
        for _ in range(5):
            trainer.train_step(next(trainer.dataloader_train))
    assert trainer.logger.get_value("lrs", step=None) == [1e-3] * 10
    (group,) = trainer.optimizer.param_groups
    assert (group["lr"], group["betas"]) == (1e-3, (0.9, 0.999))
    assert {int(state["step"]) for state in trainer.optimizer.state.values()} == {50}


@pytest.mark.slow
def test_best_checkpoint_holds_the_weights_of_the_highest_dice(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads are planted that call nothing tumour, then everything, then nothing.

    The Dice of what the best checkpoint predicts is worked out again from its file, against the tiny masks.
    """
    planted = iter([(5.0, -5.0), (-5.0, 5.0), (5.0, -5.0)])

    def plant(self: TinyTrainer, batch: dict) -> dict:
        if self._steps % 2 == 0:
            with torch.no_grad():
                self.network.head.weight.zero_()
                self.network.head.bias.copy_(torch.tensor(next(planted)))
        self._steps += 1
        return {"loss": np.float32(0)}

    monkeypatch.setattr(TinyTrainer, "_steps", 0, raising=False)
    monkeypatch.setattr(TinyTrainer, "train_step", plant)
    trainer = make(TinyTrainer, TINY_DATASET)
    trainer.run_training()
    best = torch.load(Path(trainer.output_folder) / "checkpoint_best.pth", weights_only=False)
    trainer.network.load_state_dict(best["network_weights"])
    trainer.network.eval()
    by_hand = []
    for seed in (3, 4):  # the tuning cases d and e
        image, mask = tiny_case(seed)
        with torch.no_grad():
            logits = trainer.network(torch.from_numpy((image + 1000.0) / 2500.0).float()[None, None])
        predicted = (logits[0].argmax(0) == 1).numpy()
        by_hand.append(2 * (predicted & (mask > 0)).sum() / (predicted.sum() + mask.sum()))
    assert best["current_epoch"] == 2
    assert best["_best_ema"] == pytest.approx(np.mean(by_hand))
    assert best["_best_ema"] > 0


def test_best_checkpoint_of_a_killed_epoch_is_not_lost(base: Path) -> None:
    """Killed between checkpoint_best.pth (0.9) and checkpoint_latest.pth (0.5): 0.7 later is not the best."""
    first = make(TinyTrainer, TINY_DATASET)
    first.initialize()
    folder = Path(first.output_folder)
    for dice, name in ((0.9, "best"), (0.5, "latest")):
        first._best_ema = dice
        first.save_checkpoint(str(folder / f"checkpoint_{name}.pth"))
    second = make(TinyTrainer, TINY_DATASET)
    second.load_checkpoint(str(folder / "checkpoint_latest.pth"))
    assert second._best_ema == 0.9


@pytest.mark.slow
def test_fold_all_trains_on_every_case_and_says_so(base: Path) -> None:
    trainer = make(TinyTrainer, TINY_DATASET, fold="all")
    trainer.num_epochs = trainer.num_iterations_per_epoch = 1
    trainer.run_training()
    (log,) = Path(trainer.output_folder).glob("training_log_*.txt")
    assert Path(trainer.output_folder).name == "fold_all"
    assert "the tuning Dice is that of training cases" in log.read_text()
    assert "mean of 5 whole volumes" in log.read_text()


def test_partly_annotated_cases(base: Path) -> None:
    """With an ignore label that no voxel has, a network that says tumour everywhere has the Dice it has without."""
    labels = {"background": 0, "tumour": 1, "ignore": 2}
    trainer = make(TinyTrainer, TINY_DATASET, labels=labels)
    trainer.initialize()
    with torch.no_grad():
        trainer.network.head.weight.zero_()
        trainer.network.head.bias.copy_(torch.tensor([-5.0, 5.0]))
    assert [overlap.dice for overlap in trainer.evaluate_tuning_set()] == [
        pytest.approx(2 * 720 / (16 * 40 * 40 + 720))
    ] * 2
    reference = torch.zeros(3, 1, 8, 16, 16)
    reference[:, :, 4:], reference[:, :, 2:4] = 2, 1  # half ignored, a quarter tumour
    loss = trainer.train_step({"data": torch.zeros(3, 1, 8, 16, 16), "target": reference})["loss"]
    assert loss == pytest.approx(-2 * 2 / (4 + 2), abs=1e-3)  # all of the four annotated slices predicted, two true


def test_evaluation_writes_no_file(base: Path) -> None:
    trainer = make(TinyTrainer, TINY_DATASET)
    trainer.initialize()
    before = sorted(base.rglob("*"))
    trainer.evaluate_tuning_set()
    assert sorted(base.rglob("*")) == before
