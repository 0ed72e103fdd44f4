"""Which tuning case is looked at, and that a training keeps its pictures and epochs without doing anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nnunet_amt.models.epoch_log import EPOCHS_FILE, read_epochs
from nnunet_amt.models.tuning_pictures import read_shown_prediction, read_shown_slice, shown_epochs
from nnunet_amt.trainers import nnUNetTrainerAMT as trainer_module
from nnunet_amt.trainers.shown_case import choose_shown_slice, predicted_in
from nnunet_amt.trainers.tuning import CaseOverlap
from tests.conftest import TINY_DATASET, tiny_case
from tests.trainers.tiny_training import TinyTrainer, make, state_of

INTENSITIES = {"mean": -1000.0, "std": 2000.0}


class Volumes:
    """Cases with so many tumour voxels in slice 1, and one fewer in slice 2; the image is 0.5 where there is tumour."""

    def __init__(self, **voxels: int) -> None:
        self.voxels = voxels

    def load_case(self, case: str) -> tuple[np.ndarray, np.ndarray, None, dict]:
        labels = np.zeros((1, 3, 10, 10), np.int16)
        for place, count in ((1, self.voxels[case]), (2, max(0, self.voxels[case] - 1))):
            labels[0, place].flat[:count] = 1
        labels[0, 0] = -1  # outside
        return np.where(labels > 0, 0.5, 0.0).astype(np.float32), labels, None, {}


def chosen(**voxels: int) -> str | None:
    shown = choose_shown_slice(Volumes(**voxels), list(voxels), spacing=(5.0, 1.0, 1.0), intensities=INTENSITIES)
    return None if shown is None else shown.case_id


def test_the_case_of_median_volume_is_taken_of_those_with_a_tumour() -> None:
    """Of an even number the smaller of the two in the middle; equal ones by name."""
    assert chosen(a=30, b=2, c=5) == "c"
    assert chosen(a=30, b=2, c=5, d=0) == "c"
    assert chosen(a=30, b=2) == "b"
    assert chosen(b=4, a=4, c=4) == "b"
    assert chosen(a=0) is None


def test_the_slice_is_that_of_most_tumour_in_hounsfield_units() -> None:
    """0.5 * 2000 - 1000 = 0 HU in the tumour, -1000 elsewhere; 40 mm around it are all of the 10 mm there are."""
    shown = choose_shown_slice(Volumes(a=12), ["a"], spacing=(5.0, 1.0, 1.0), intensities=INTENSITIES)
    assert shown is not None
    assert (shown.slice_index, shown.corner, shown.spacing) == (1, (0, 0), (5.0, 1.0, 1.0))
    assert shown.reference.sum() == 12
    assert np.array_equal(shown.image == 0, shown.reference)
    assert np.array_equal(shown.image == -1000, ~shown.reference)


def test_what_lies_far_from_the_tumour_is_left_out() -> None:
    """Rows of 20 mm: two beyond row 1 on either side, as far as there are any."""
    shown = choose_shown_slice(Volumes(a=12), ["a"], spacing=(5.0, 20.0, 1.0), intensities=INTENSITIES)
    assert shown is not None
    assert shown.image.shape == (4, 10)


def test_the_prediction_is_cut_out_of_the_logits() -> None:
    """Tumour where its logit is higher; another volume, as of a dataset that was changed, gives nothing."""
    shown = choose_shown_slice(Volumes(a=12), ["a"], spacing=(5.0, 20.0, 1.0), intensities=INTENSITIES)
    assert shown is not None
    logits = torch.zeros(2, 3, 10, 10)
    logits[1, 1, 2, 3], logits[0, 1, 0, 0] = 1.0, 1.0
    found = predicted_in(logits, shown)
    assert found is not None
    assert np.argwhere(found).tolist() == [[2, 3]]
    assert predicted_in(logits[:, :1], shown) is None
    assert predicted_in(logits[:, :, :3], shown) is None


def test_a_training_writes_its_epochs_and_pictures(base: Path) -> None:
    """Three epochs, all evaluated; the reference is that of the case, the Dice that of its whole volume."""
    trainer = make(TinyTrainer, TINY_DATASET)
    trainer.run_training()
    folder = Path(trainer.output_folder)
    epochs = read_epochs(folder)
    assert [(one.epoch, one.epochs, one.evaluated) for one in epochs] == [(n, 3, True) for n in (1, 2, 3)]
    log = trainer.logger.get_checkpoint()
    assert [one.training_loss for one in epochs] == pytest.approx(log["train_losses"])
    assert [one.tuning_dice for one in epochs] == pytest.approx(log["mean_fg_dice"])
    assert [one.ended for one in epochs] == log["epoch_end_timestamps"]
    best = torch.load(folder / "checkpoint_best.pth", weights_only=False)
    assert (epochs[-1].best_epoch, epochs[-1].best_dice) == (best["current_epoch"], best["_best_ema"])
    assert (epochs[0].patch_size, epochs[0].iterations, epochs[0].device) == ((8, 16, 16), 2, "cpu")
    shown = read_shown_slice(folder)
    assert shown is not None and shown.case_id == "d"  # both have 720 voxels
    image, mask = tiny_case(3)
    rows, columns = (slice(s, s + n) for s, n in zip(shown.corner, shown.image.shape, strict=True))
    assert np.array_equal(shown.reference, mask[shown.slice_index, rows, columns] > 0)
    assert np.array_equal(shown.image, image[shown.slice_index, rows, columns])
    assert shown_epochs(folder) == [1, 2, 3]


def test_keeping_them_changes_nothing_of_what_is_learnt(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same training by a seed, with and without: weights, moments, losses and Dice to the last bit."""
    states = []
    for number in range(2):
        monkeypatch.setenv("nnUNet_results", str(base / f"results_{number}"))
        if number == 1:
            monkeypatch.setattr(TinyTrainer, "_chosen_slice", lambda self: None)
            monkeypatch.setattr(TinyTrainer, "_log_epoch", lambda self, **_: None)
        monkeypatch.setenv("nnUNet_amt_seed", "7")
        trainer = make(TinyTrainer, TINY_DATASET)
        trainer.run_training()
        states.append(state_of(trainer))
        kept = (Path(trainer.output_folder) / EPOCHS_FILE).exists()
        assert kept == (number == 0)
    assert states[0] == states[1]


def test_a_training_that_goes_on_knows_its_best_epoch(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dice 0.2, 0.6, then killed and gone on with 0.4: the best is epoch 2, and no epoch stands there twice."""
    planted = iter([0.2, 0.6, 0.4])
    monkeypatch.setattr(TinyTrainer, "evaluate_tuning_set", lambda self: [CaseOverlap(next(planted), 0.5)])
    first = make(TinyTrainer, TINY_DATASET)
    first.on_train_start()
    for _ in range(2):
        first.on_epoch_start()
        first.on_train_epoch_start()
        first.on_train_epoch_end([first.train_step(next(first.dataloader_train))])
        first.on_validation_epoch_end([])
        first.on_epoch_end()
    folder = Path(first.output_folder)
    second = make(TinyTrainer, TINY_DATASET)
    second.load_checkpoint(str(folder / "checkpoint_latest.pth"))
    second.run_training()
    epochs = read_epochs(folder)
    assert [one.tuning_dice for one in epochs] == [0.2, 0.6, 0.4]
    assert [(one.best_epoch, one.best_dice) for one in epochs] == [(1, 0.2), (2, 0.6), (2, 0.6)]


def test_a_training_that_goes_on_keeps_looking_at_the_same_case(base: Path) -> None:
    first = make(TinyTrainer, TINY_DATASET)
    first.run_training()
    folder = Path(first.output_folder)
    second = make(TinyTrainer, TINY_DATASET)
    second.load_checkpoint(str(folder / "checkpoint_final.pth"))
    second.num_epochs = 4
    second.run_training()
    shown = read_shown_slice(folder)
    assert shown is not None and shown.case_id == "d"
    assert shown_epochs(folder) == [1, 2, 3, 4]
    assert read_shown_prediction(folder, 4, shown) is not None


def test_a_loss_that_is_no_number_and_an_undefined_dice_are_told(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyTrainer, "train_step", lambda self, batch: {"loss": np.float32("nan")})
    monkeypatch.setattr(TinyTrainer, "evaluate_tuning_set", lambda self: [CaseOverlap(None, 1.0, False)])
    trainer = make(TinyTrainer, TINY_DATASET)
    trainer.num_epochs = 1
    trainer.run_training()
    [only] = read_epochs(Path(trainer.output_folder))
    assert (only.training_loss, only.tuning_dice, only.best_epoch, only.evaluated) == (None, None, None, True)


def test_a_disk_that_takes_no_more_ends_no_training(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of nnU-Net says it."""

    def full(*_: object, **__: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(trainer_module, "append_epoch", full)
    monkeypatch.setattr(trainer_module, "write_shown_prediction", full)
    trainer = make(TinyTrainer, TINY_DATASET)
    trainer.num_epochs = 1
    trainer.run_training()
    [log] = Path(trainer.output_folder).glob("training_log_*.txt")
    assert log.read_text().count("no space") == 2
