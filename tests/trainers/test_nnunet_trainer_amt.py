"""The trainer pins the paper's recipe, selects by the tuning Dice and can be resumed."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import CONFIGURATION, PAPER, PLANS_NAME, recipe_of
from nnunet_amt.nnunet.environment import environment_with_trainer
from nnunet_amt.nnunet.hook import amt_trainers
from nnunet_amt.study.facts import ModelFacts
from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT
from nnunet_amt.trainers.recipe import TumourDiceLoss
from nnunet_amt.trainers.tuning import CaseOverlap, TuningSchedule
from nnunet_amt.trainers.unet import AMTUNet
from tests.conftest import TINY_DATASET, tiny_case
from tests.models.model_fixtures import Marker

CPU = torch.device("cpu")


class ShortTrainer(nnUNetTrainerAMT):
    """Three epochs of two steps."""

    fixed_tuning_interval = 1

    def __init__(
        self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: torch.device = CPU
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 3
        self.num_iterations_per_epoch = 2


def read_json(planned_base: Path, name: str) -> dict:
    return json.loads((planned_base / "nnUNet_preprocessed" / TINY_DATASET / name).read_text())


def make_trainer(planned_base: Path, kind: type[nnUNetTrainerAMT] = ShortTrainer, **changes: Any) -> nnUNetTrainerAMT:
    plans = {**read_json(planned_base, f"{PLANS_NAME}.json"), "continue_training": False, **changes}
    return kind(plans, CONFIGURATION, 0, read_json(planned_base, "dataset.json"), torch.device("cpu"))


@pytest.mark.parametrize("name", amt_trainers.__all__)
def test_nnunet_finds_every_trainer_and_it_is_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class that nnU-Net finds is the one in the package, not a second copy that cannot be pickled."""
    monkeypatch.setenv("nnUNet_extTrainer", environment_with_trainer({})["nnUNet_extTrainer"])
    found = recursive_find_trainer_class_by_name(name)
    assert found is getattr(amt_trainers, name)
    assert found.__module__.startswith("nnunet_amt.trainers.")


def test_signature_is_nnunets() -> None:
    """nnU-Net reads the names of __init__'s parameters and ends in a KeyError at others."""
    for name in amt_trainers.__all__:
        own, theirs = (inspect.signature(kind.__init__) for kind in (getattr(amt_trainers, name), nnUNetTrainer))
        assert list(own.parameters) == list(theirs.parameters)


def test_optimiser_is_adam_at_a_constant_rate(base: Path, planned_base: Path) -> None:
    """lr 1e-3, betas 0.9 and 0.999, no weight decay, in the first epoch and in the last ("Training settings")."""
    trainer = make_trainer(planned_base, nnUNetTrainerAMT)
    trainer.initialize()
    for epoch in (0, 500, 999):
        trainer.lr_scheduler.step(epoch)
        (group,) = trainer.optimizer.param_groups
        assert type(trainer.optimizer) is torch.optim.Adam
        assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-3, (0.9, 0.999), 0.0)


def test_only_the_demo_lets_the_rate_fall(base: Path, planned_base: Path) -> None:
    """By nnU-Net's schedule: half way through its epochs 1e-3 * 0.5^0.9. Of the paper's, pages say so of it alone."""
    for name in (name for name in amt_trainers.__all__ if recipe_of(name) == PAPER):
        trainer = make_trainer(planned_base, getattr(amt_trainers, name))
        trainer.initialize()
        trainer.lr_scheduler.step(trainer.num_epochs / 2)
        expected = 1e-3 * 0.5**0.9 if name == "nnUNetTrainerAMT_demo" else 1e-3
        assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(expected)
        assert ModelFacts(trainer=name).rate_falls is (name == "nnUNetTrainerAMT_demo")


def test_only_the_demo_trains_with_one_thread(base: Path, planned_base: Path) -> None:
    """nnU-Net has set a thread a core by then, whatever OMP_NUM_THREADS says."""
    before = torch.get_num_threads()
    try:
        for name, expected in (("nnUNetTrainerAMT", 2), ("nnUNetTrainerAMT_demo", 1)):
            torch.set_num_threads(2)
            make_trainer(planned_base, getattr(amt_trainers, name)).initialize()
            assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)


def test_loss_is_the_dice_of_the_batch(base: Path, planned_base: Path) -> None:
    """Against the formula: 2 sum(p y) / (sum(p) + sum(y)), p the tumour's probability, sums over all samples."""
    trainer = make_trainer(planned_base)
    trainer.initialize()
    torch.manual_seed(0)
    logits = torch.randn(3, 2, 4, 4, 4, dtype=torch.float64, requires_grad=True)
    target = (torch.rand(3, 1, 4, 4, 4) > 0.7).double()
    probability = torch.softmax(logits, dim=1)[:, 1:]
    expected = -2 * (probability * target).sum() / (probability.sum() + target.sum())
    (expected_gradient,) = torch.autograd.grad(expected, logits, retain_graph=True)
    loss = trainer.loss(logits, target)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    assert torch.allclose(gradient, expected_gradient, atol=1e-6)


def test_layout_in_memory_and_fused_adam_change_nothing_but_the_rounding(base: Path, planned_base: Path) -> None:
    """Loss and gradients against the network as torch lays it out, then the step against Adam weight by weight."""
    torch.manual_seed(0)
    trainer = make_trainer(planned_base)
    trainer.initialize()
    convolution = trainer.network.encoders[0][1][0].weight
    assert convolution.is_contiguous(memory_format=torch.channels_last_3d)
    plain = AMTUNet(1, 2)
    plain.load_state_dict({name: value.contiguous() for name, value in trainer.network.state_dict().items()})
    adam = torch.optim.Adam(plain.parameters(), lr=1e-3, fused=False, foreach=False)
    random = torch.Generator().manual_seed(1)
    image = torch.rand(3, 1, 8, 16, 16, generator=random)
    reference = (torch.rand(3, 1, 8, 16, 16, generator=random) > 0.8).to(torch.int16)
    expected = TumourDiceLoss()(plain(image), reference)
    expected.backward()
    assert trainer.train_step({"data": image, "target": reference})["loss"] == pytest.approx(expected.item(), abs=1e-6)
    apart = []
    for own, ours in zip(plain.parameters(), trainer.network.parameters(), strict=True):
        assert own.grad is not None
        assert ours.grad is not None
        apart.append(float((ours.grad - own.grad).norm() / own.grad.norm()))
        own.grad = ours.grad.contiguous()  # where rounding is all of a gradient, Adam makes a whole step of it
    weights = [part for part, (name, _) in zip(apart, plain.named_parameters(), strict=True) if "0.bias" not in name]
    # a voxel that falls on the other side of a ReLU is a thousandth, and shows in all layers before
    assert np.median(weights) < 5e-3
    assert max(weights) < 5e-2
    adam.step()
    for (name, own), ours in zip(plain.named_parameters(), trainer.network.parameters(), strict=True):
        assert torch.allclose(ours, own, rtol=0, atol=1e-7), name


def test_gradients_are_not_clipped(base: Path, planned_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nnU-Net's train_step clips at 12; the paper does not speak of clipping."""
    trainer = make_trainer(planned_base)
    trainer.initialize()
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *call, **named: pytest.fail("clipped"))
    batch = {"data": torch.rand(3, 1, 8, 16, 16), "target": torch.ones(3, 1, 8, 16, 16)}
    before = [parameter.detach().clone() for parameter in trainer.network.parameters()]
    assert trainer.train_step(batch)["loss"] < 0
    assert any(not torch.equal(old, new) for old, new in zip(before, trainer.network.parameters(), strict=True))


def test_no_mirroring_and_no_deep_supervision(base: Path, planned_base: Path) -> None:
    trainer = make_trainer(planned_base)
    trainer.initialize()
    trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    assert trainer.inference_allowed_mirroring_axes is None
    assert trainer.network(torch.zeros(1, 1, 8, 16, 16)).shape == (1, 2, 8, 16, 16)


def test_tuning_set_is_evaluated_on_whole_volumes(base: Path, planned_base: Path) -> None:
    """A network that always says tumour has, on a case of v voxels with t of tumour, Dice 2 t / (v + t)."""
    trainer = make_trainer(planned_base)
    trainer.initialize()
    with torch.no_grad():
        trainer.network.head.weight.zero_()
        trainer.network.head.bias.copy_(torch.tensor([-5.0, 5.0]))
    voxels, tumour = 16 * 40 * 40, 5 * 12 * 12
    overlaps = trainer.evaluate_tuning_set()
    assert [overlap.dice for overlap in overlaps] == [pytest.approx(2 * tumour / (voxels + tumour))] * 2


def test_the_last_validation_starts_no_process_on_a_cpu(
    base: Path, planned_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that always says tumour, as above; its label maps and nnU-Net's summary are written all the same."""
    trainer = make_trainer(planned_base)
    trainer.initialize()
    with torch.no_grad():
        trainer.network.head.weight.zero_()
        trainer.network.head.bias.copy_(torch.tensor([-5.0, 5.0]))

    def start(process: Any) -> None:
        raise AssertionError(f"{process} was started")

    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", start)
    trainer.perform_actual_validation()
    written = Path(trainer.output_folder) / "validation"
    voxels, tumour = 16 * 40 * 40, 5 * 12 * 12
    summary = json.loads((written / "summary.json").read_text())
    assert summary["foreground_mean"]["Dice"] == pytest.approx(2 * tumour / (voxels + tumour))
    assert sorted(path.name for path in written.glob("*.nii.gz")) == ["d.nii.gz", "e.nii.gz"]


def test_best_checkpoint_is_the_epoch_of_the_highest_tuning_dice(
    base: Path, planned_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted Dice of 0.2, 0.6, 0.4: the best is the second epoch, the final the third."""
    planted = iter([0.2, 0.6, 0.4])
    monkeypatch.setattr(ShortTrainer, "evaluate_tuning_set", lambda self: [CaseOverlap(next(planted), 0.5)])
    trainer = make_trainer(planned_base)
    trainer.run_training()
    folder = Path(trainer.output_folder)
    best, final = (torch.load(folder / f"checkpoint_{name}.pth", weights_only=False) for name in ("best", "final"))
    assert (best["current_epoch"], best["_best_ema"]) == (2, 0.6)
    assert (final["current_epoch"], final["_best_ema"]) == (3, 0.6)
    assert final["logging"]["mean_fg_dice"] == [0.2, 0.6, 0.4]
    assert (folder / "progress.png").is_file()
    assert not list(folder.glob(".partial-*"))


def test_resumed_training_continues_epoch_best_dice_optimiser_and_interval(base: Path, planned_base: Path) -> None:
    first = make_trainer(planned_base)
    first.num_epochs = 10
    first.on_train_start()
    first.on_epoch_start()
    first.on_train_epoch_start()
    first.on_train_epoch_end([first.train_step(next(first.dataloader_train))])
    first.on_validation_epoch_end([])
    first.tuning_schedule = TuningSchedule(7, 9)
    first.on_epoch_end()
    second = make_trainer(planned_base)
    second.load_checkpoint(str(Path(first.output_folder) / "checkpoint_latest.pth"))
    assert (second.current_epoch, second._best_ema) == (1, first._best_ema)
    assert second.tuning_schedule == TuningSchedule(7, 9)
    old, new = (trainer.optimizer.state_dict()["state"][0] for trainer in (first, second))
    assert torch.equal(old["exp_avg"], new["exp_avg"])
    assert old["step"] == new["step"] == 1
    for one, other in zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_killed_write_leaves_the_old_checkpoint(
    base: Path, planned_base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """torch.save that breaks off half-way must not touch what is there."""
    trainer = make_trainer(planned_base)
    trainer.initialize()
    target = tmp_path / "checkpoint_latest.pth"
    trainer.save_checkpoint(str(target))
    before = target.read_bytes()

    def half(content: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        trainer.save_checkpoint(str(target))
    assert target.read_bytes() == before
    assert not list(tmp_path.glob(".partial-*"))


def test_epochs_without_evaluation_repeat_the_last_value(
    base: Path, planned_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interval 2 over three epochs: evaluated in the first and the third, which is also the last."""
    planted = iter([0.3, 0.5])
    monkeypatch.setattr(ShortTrainer, "fixed_tuning_interval", 2)
    monkeypatch.setattr(ShortTrainer, "evaluate_tuning_set", lambda self: [CaseOverlap(next(planted), 0.5)])
    trainer = make_trainer(planned_base)
    trainer.run_training()
    assert trainer.logger.get_value("mean_fg_dice", step=None) == [0.3, 0.3, 0.5]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("batch_size", 2, "batch_size 2 must be 3"),
        ("patch_size", [8, 12, 16], r"multiples of \[8, 8, 8\]"),
        ("normalization_schemes", ["ZScoreNormalization"], "intensities"),
        ("architecture", {"network_class_name": "other.Net"}, "network 'other.Net' must be"),
    ],
)
def test_plans_of_another_recipe_are_refused(
    base: Path, planned_base: Path, key: str, value: object, message: str
) -> None:
    plans = read_json(planned_base, f"{PLANS_NAME}.json")
    plans["configurations"][CONFIGURATION][key] = value
    with pytest.raises(BadInputError, match=message):
        make_trainer(planned_base, configurations=plans["configurations"])


def test_weights_of_other_plans_are_not_continued(base: Path, planned_base: Path) -> None:
    """nnU-Net would write the new plans beside the old weights."""
    first = make_trainer(planned_base)
    first.initialize()
    first.save_checkpoint(str(base / "checkpoint_final.pth"))
    plans = read_json(planned_base, f"{PLANS_NAME}.json")
    plans["configurations"][CONFIGURATION]["spacing"] = [5.0, 4.0, 4.0]
    second = make_trainer(planned_base, configurations=plans["configurations"])
    with pytest.raises(BadInputError, match=r"was trained with other plans \(spacing \[5.0, 2.0, 2.0\]"):
        second.load_checkpoint(str(base / "checkpoint_final.pth"))
    make_trainer(planned_base).load_checkpoint(str(base / "checkpoint_final.pth"))


def test_a_training_does_not_go_on_with_another_split(base: Path, planned_base: Path) -> None:
    """A case that was learnt could be in the test set by now; the order of the cases says nothing."""
    first = make_trainer(planned_base)
    first.initialize()
    first.save_checkpoint(str(base / "checkpoint_latest.pth"))
    splits_file = planned_base / "nnUNet_preprocessed" / TINY_DATASET / "splits_final.json"
    [split] = json.loads(splits_file.read_text())
    try:
        splits_file.write_text(json.dumps([{"train": split["train"][:-1], "val": split["val"]}]))
        with pytest.raises(BadInputError, match=r"checkpoint_latest.pth: was trained with another split"):
            make_trainer(planned_base).load_checkpoint(str(base / "checkpoint_latest.pth"))
        splits_file.write_text(json.dumps([{"train": split["train"][::-1], "val": split["val"]}]))
        make_trainer(planned_base).load_checkpoint(str(base / "checkpoint_latest.pth"))
    finally:
        splits_file.write_text(json.dumps([split]))


def test_checkpoint_that_would_run_code_is_refused_by_plain_nnunet_too(base: Path, planned_base: Path) -> None:
    """``nnUNetv2_train --c`` asks the trainer to load it, and no command of ours has looked at it before."""
    foreign = base / "checkpoint_latest.pth"
    torch.save({"network_weights": Marker(base / "ran")}, foreign)
    with pytest.raises(BadInputError, match="can run code on your machine when loaded"):
        make_trainer(planned_base).load_checkpoint(str(foreign))
    assert not (base / "ran").exists()


def test_fold_without_a_split_is_refused(base: Path, planned_base: Path) -> None:
    """nnU-Net would draw 80:20 by case, whatever the patient or institution."""
    trainer = make_trainer(planned_base)
    trainer.fold = 1
    with pytest.raises(BadInputError, match=r"fold 1: .*splits_final.json has 1; train fold 0"):
        trainer.do_split()
    trainer.fold = 0
    assert trainer.do_split() == (["a", "b", "c"], ["d", "e"])


def test_more_structures_than_a_tumour_are_refused(base: Path, planned_base: Path) -> None:
    dataset = {**read_json(planned_base, "dataset.json"), "labels": {"background": 0, "tumour": 1, "node": 2}}
    plans = {**read_json(planned_base, f"{PLANS_NAME}.json"), "continue_training": False}
    with pytest.raises(BadInputError, match="the recipe segments one structure"):
        ShortTrainer(plans, CONFIGURATION, 0, dataset, CPU)


def test_undefined_tuning_dice_does_not_stay_the_best(
    base: Path, planned_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reference and prediction both empty in the first epoch: no Dice, so the second epoch is the best."""
    planted = iter([None, 0.3, 0.2])
    monkeypatch.setattr(ShortTrainer, "evaluate_tuning_set", lambda self: [CaseOverlap(next(planted), 1.0)])
    trainer = make_trainer(planned_base)
    trainer.run_training()
    assert trainer._best_ema == 0.3


def test_plans_are_written_into_the_log_and_not_on_the_terminal(
    base: Path, planned_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pages of numbers, which stand in plans.json too."""
    trainer = make_trainer(planned_base)
    capsys.readouterr()
    trainer.print_plans()
    assert capsys.readouterr().out == ""
    assert "These are the global plan.json settings" in Path(trainer.log_file).read_text()


def test_intensities_are_the_papers_rescaling(planned_base: Path) -> None:
    """Preprocessed voxels are (HU - minimum) / (maximum - minimum) of the dataset: here -1000 and 1500 HU."""
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

    folder = planned_base / "nnUNet_preprocessed" / TINY_DATASET / f"{PLANS_NAME}_{CONFIGURATION}"
    data, label, _, _ = nnUNetDatasetBlosc2(str(folder), ["a"]).load_case("a")
    image, mask = tiny_case(0)
    assert np.allclose(data[:][0], (image + 1000.0) / 2500.0, atol=1e-6)
    assert np.array_equal(label[:][0], mask)
