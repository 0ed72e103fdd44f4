"""With a seed a training can be repeated, on the same machine with the same number of threads."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from nnunet_amt.errors import BadInputError
from nnunet_amt.trainers.seeding import SEED_VARIABLE, agreed_seed, seed_from_environment
from tests.conftest import TINY_DATASET
from tests.trainers.tiny_training import TinyTrainer, make, state_of

EPOCHS = 2


class StoppedTrainer(TinyTrainer):
    """Is interrupted when its first epoch has ended."""

    def on_epoch_end(self) -> None:
        super().on_epoch_end()
        raise KeyboardInterrupt


class MeasuringTrainer(TinyTrainer):
    """Would measure how often the tuning set is evaluated."""

    fixed_tuning_interval = None


@pytest.fixture(autouse=True)
def as_torch_was() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(1)


def begun(kind: type[TinyTrainer], results: Path, monkeypatch: pytest.MonkeyPatch, seed: str) -> TinyTrainer:
    """Make a trainer of a model of its own, after draws that nobody can tell."""
    monkeypatch.setenv("nnUNet_results", str(results))
    monkeypatch.setenv(SEED_VARIABLE, seed)
    random.seed()
    np.random.seed()
    torch.seed()
    trainer: TinyTrainer = make(kind, TINY_DATASET)
    trainer.num_epochs = EPOCHS
    return trainer


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_two_trainings_of_a_seed_are_the_same_also_if_one_was_interrupted(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, moments, losses and tuning Dice to the last bit; the seed is that of the checkpoint to go on from."""
    whole = begun(TinyTrainer, tmp_path / "whole", monkeypatch, "7")
    whole.run_training()
    stopped = begun(StoppedTrainer, tmp_path / "stopped", monkeypatch, "7")
    with pytest.raises(KeyboardInterrupt):
        stopped.run_training()
    resumed = begun(StoppedTrainer, tmp_path / "stopped", monkeypatch, "")
    resumed.load_checkpoint(str(Path(resumed.output_folder) / "checkpoint_latest.pth"))
    with pytest.raises(KeyboardInterrupt):
        resumed.run_training()
    assert resumed.seed == 7
    assert state_of(resumed) == state_of(whole)
    assert state_of(whole)["current_epoch"] == EPOCHS


def test_steps_of_a_seed_are_the_same_with_all_the_threads_that_nnunet_takes(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as there are cores: a sum over threads must have a fixed order. Three steps, losses to the last bit."""
    torch.set_num_threads(os.cpu_count() or 1)
    trained = []
    for number in range(2):
        trainer = begun(TinyTrainer, tmp_path / str(number), monkeypatch, "7")
        trainer.initialize()
        batches, _ = trainer.get_dataloaders()
        losses = [float(trainer.train_step(next(iter(batches)))["loss"]) for _ in range(3)]
        trained.append((losses, [parameter.detach() for parameter in trainer.network.parameters()]))
    (losses, weights), (same_losses, same_weights) = trained
    assert losses == same_losses
    assert all(torch.equal(one, other) for one, other in zip(weights, same_weights, strict=True))


def test_another_seed_draws_other_weights_and_batches(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same seed both are the same, whatever was drawn before."""
    drawn = []
    for number, seed in enumerate(("7", "7", "8")):
        trainer = begun(TinyTrainer, tmp_path / str(number), monkeypatch, seed)
        trainer.initialize()
        weights = torch.cat([parameter.detach().ravel() for parameter in trainer.network.parameters()])
        batches, _ = trainer.get_dataloaders()
        drawn.append((weights, next(iter(batches))["data"]))
    for same, one, other in ((True, 0, 1), (False, 0, 2)):
        assert [torch.equal(a, b) for a, b in zip(drawn[one], drawn[other], strict=True)] == [same, same]


def test_worker_processes_fill_the_batches_that_one_process_would(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two workers fills batches 1, 3, ...; in which order they come, nobody can tell."""
    trainer = begun(TinyTrainer, tmp_path, monkeypatch, "7")
    trainer.initialize()
    alone, _ = trainer.get_dataloaders()
    expected = [next(iter(alone))["data"] for _ in range(4)]
    workers = [trainer.get_dataloaders()[0].data_loader for _ in range(2)]  # type: ignore[attr-defined]
    monkeypatch.setenv("nnUNet_n_proc_DA", "2")
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    for number, worker in enumerate(workers):
        worker.set_thread_id(number)
    filled = [workers[number % 2].generate_train_batch()["data"] for number in range(4)]
    assert [torch.equal(one, other) for one, other in zip(filled, expected, strict=True)] == [True] * 4


def test_no_clock_chooses_the_epochs_that_are_evaluated(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1000 epochs every 50th: nnU-Net's clock would choose them from another set in every training."""
    assert begun(MeasuringTrainer, tmp_path, monkeypatch, "7").fixed_tuning_interval == 50
    assert begun(MeasuringTrainer, tmp_path, monkeypatch, "").fixed_tuning_interval is None


def test_a_training_keeps_the_seed_that_it_was_begun_with() -> None:
    path = Path("model/fold_0/checkpoint_latest.pth")
    assert agreed_seed(None, {"seed": 7}, path) == agreed_seed(7, {"seed": 7}, path) == 7
    assert agreed_seed(None, {}, path) is None  # of an earlier version, or of nnU-Net
    with pytest.raises(BadInputError, match=r"^--seed 8: the training in model/fold_0 was begun with the seed 7; "):
        agreed_seed(8, {"seed": 7}, path)
    with pytest.raises(BadInputError, match="was begun without a seed; leave --seed out to go on with it, or give"):
        agreed_seed(8, {"seed": None}, path)


def test_a_seed_in_the_environment_must_be_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain nnUNetv2_train takes it from there."""
    for value in ("-1", "1.5", "x", "\u0661"):
        monkeypatch.setenv(SEED_VARIABLE, value)
        with pytest.raises(BadInputError, match=rf"^{SEED_VARIABLE}={value}: must be a whole number"):
            seed_from_environment()
