"""A training is begun, gone on with or left alone, and recorded; nnU-Net's part is played by others here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from nnunet_amt.base.run_record import file_sha256, input_path, number_of_parameters, read_runs
from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import DEFAULT_TRAINER, PLANS_NAME
from nnunet_amt.nnunet.train import epochs_of, recorded_training, train, training_state
from nnunet_amt.trainers.seeding import SEED_VARIABLE
from nnunet_amt.trainers.unet import AMTUNet
from tests.conftest import TINY_DATASET, set_nnunet_folders, write_image
from tests.models.model_fixtures import write_model

PARAMETERS = sum(parameter.numel() for parameter in AMTUNet(1, 2).parameters())


def test_parameters_are_those_that_torch_counts() -> None:
    """The batch normalisations' running statistics are in the weights, and are no parameters."""
    weights = AMTUNet(1, 2).state_dict()
    assert number_of_parameters(weights) == PARAMETERS < sum(tensor.numel() for tensor in weights.values())


def _preprocessed(base: Path) -> Path:
    return base / "nnUNet_preprocessed" / TINY_DATASET


def test_training_is_recorded_in_its_fold(planned_base: Path, tmp_path: Path) -> None:
    preprocessed, model = _preprocessed(planned_base), tmp_path / TINY_DATASET / "model"
    for epochs in (1, 2):
        with recorded_training(
            preprocessed,
            model,
            trainer=DEFAULT_TRAINER,
            fold="0",
            options=["--c", "-pretrained_weights", "/a/b"],
            device="cpu",
        ):
            (model / "fold_0").mkdir(parents=True, exist_ok=True)
            content = {"network_weights": AMTUNet(1, 2).state_dict(), "current_epoch": epochs}
            torch.save(content, model / "fold_0" / "checkpoint_best.pth")
    _, run = read_runs(model / "fold_0")
    assert (run["stage"], run["seed"], run["machine"]["device"]) == ("train", None, "cpu")
    assert run["settings"] == {
        "trainer": DEFAULT_TRAINER,
        "plans": PLANS_NAME,
        "configuration": "3d_fullres",
        "fold": "0",
        "device": "cpu",
        "options": ["--c", "-pretrained_weights", "b"],
    }
    assert run["counts"] == {"training": 3, "tuning": 2}
    assert run["cost"]["parameters"] == PARAMETERS
    assert input_path(model / "fold_0", run, "preprocessed") == preprocessed
    assert run["inputs"]["plans"]["sha256"] == file_sha256(preprocessed / f"{PLANS_NAME}.json")
    assert run["inputs"]["splits"]["sha256"] == file_sha256(preprocessed / "splits_final.json")
    checkpoint = model / "fold_0" / "checkpoint_best.pth"
    assert run["outputs"] == {"checkpoint_best.pth": {"sha256": file_sha256(checkpoint)}}


def test_training_that_is_killed_leaves_no_record(planned_base: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        recorded_training(_preprocessed(planned_base), tmp_path, trainer="T", fold="0", device="cpu"),
    ):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_plan_is_recorded_at_the_top_of_the_preprocessed_dataset(planned_base: Path) -> None:
    """Not in the folder of the arrays: nnU-Net takes every file in it for data."""
    [run] = read_runs(_preprocessed(planned_base))
    assert (run["stage"], run["counts"]) == ("plan", {"cases": 5})
    assert run["settings"]["patch_size"] == run["settings"]["planned_patch_size"] == [8, 16, 16]
    assert run["settings"]["spacing"] is None
    assert run["settings"]["planned_spacing"] == [5.0, 2.0, 2.0]
    dataset = planned_base / "nnUNet_raw" / TINY_DATASET
    assert input_path(_preprocessed(planned_base), run, "dataset") == dataset
    assert run["inputs"]["dataset"]["files"] == 14  # 6 images, 6 masks, dataset.json, splits_final.json
    assert "sha256" not in run["inputs"]["dataset"]
    assert f"{PLANS_NAME}.json" in run["outputs"]


def test_commands_record_what_they_run(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nnU-Net's part is played by a child that needs 150 MB and does nothing else."""
    checkpoint, output = write_model(tmp_path / "results", planned_base), tmp_path / "predictions"
    for name in ("nnUNet_raw", "nnUNet_preprocessed"):
        monkeypatch.setenv(name, str(planned_base / name))
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))

    def run_stock(command: list[str], *_: object, **__: object) -> None:
        subprocess.run([sys.executable, "-c", "x = bytearray(150_000_000)"], check=True)
        if command[0] == "nnUNetv2_predict":
            write_image(output / "f.nii.gz", np.zeros((2, 3, 4), np.uint8))

    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", run_stock)
    for arguments in (["train", "711"], ["predict", "711", "--output", str(output), "-step_size", "0.7"]):
        result = CliRunner().invoke(app, [*arguments, "--device", "cpu"])
        assert result.exit_code == 0, result.output
    [trained], [predicted] = read_runs(checkpoint.parent), read_runs(output)
    assert trained["settings"]["options"] == ["--c"]
    assert (trained["stage"], list(trained["outputs"])) == ("train", ["checkpoint_best.pth"])
    assert predicted["settings"]["options"] == ["-step_size", "0.7"]
    assert predicted["counts"] == {"cases": 1, "cases_in_all": 1}


def test_log_file_takes_the_output_and_progress_is_read_from_it(
    planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches with epoch and last tuning Dice; what follows a colon changes a bar's title and begins no new one.

    A step before the first epoch, so that the time left is that of a batch; of 1000 epochs there are 250 batches each.
    """
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    lines = (
        "x: Epoch 0 \n",
        "Batch 20/250\n",
        "x: Tuning Dice 0.1234, mean\n",
        "x: Epoch 1\n",
        "Training done.\n",
        "Validation complete\n",
    )

    def run_stock(
        command: list[str], environment: dict[str, str], on_line: Callable[[str], None], log_file: Path
    ) -> int:
        assert environment[SEED_VARIABLE] == "5"
        assert log_file == tmp_path / "train.log"
        write_model(tmp_path, planned_base)
        for line in lines:
            on_line(line)
        return 7

    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", run_stock)
    steps: list[tuple[int, int, str]] = []
    shown: list[str] = []
    trained = train(
        711, seed=5, device="cpu", log_file=tmp_path / "train.log", progress=lambda *step: steps.append(step),
        show=shown.append,
    )  # fmt: skip
    assert steps == [
        (0, 1, "starting nnU-Net"),
        (0, 250_000, "training: epoch 1 of 1000"),
        (20, 250_000, "training: epoch 1 of 1000, batch 20 of 250"),
        (250, 250_000, "training: epoch 2 of 1000, tuning Dice 0.1234"),
        (250_000, 250_000, "training: 1000 epochs, tuning Dice 0.1234"),
        (0, 1, "validating"),
        (1, 1, "validating"),
    ]
    assert shown == ["nnUNetv2_train 711 3d_fullres 0 -tr nnUNetTrainerAMT -p nnUNetAMTPlans -device cpu"]
    assert (trained.fold_folder.parent, trained.was_finished) == (trained.model, False)
    assert [path.name for path in trained.checkpoints] == ["checkpoint_best.pth"]
    [run] = read_runs(trained.fold_folder)
    assert (run["cost"]["peak_memory_bytes"], run["seed"]) == (7, 5)


def test_a_training_of_another_seed_is_neither_gone_on_with_nor_taken_for_done(
    planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be half of each; without --seed it goes on with its own."""
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    checkpoint = write_model(tmp_path, planned_base, seed=7)
    given: list[str] = []
    monkeypatch.setattr(
        "nnunet_amt.nnunet.process.run_stock_command", lambda _, variables, **__: given.append(variables[SEED_VARIABLE])
    )
    with pytest.raises(BadInputError, match=r"^--seed 8: .* was begun with the seed 7; leave --seed out"):
        train(711, seed=8, device="cpu")
    train(711, device="cpu")
    train(711, seed=8, restart=True, device="cpu")
    train(711, restart=True, device="cpu")
    assert given == ["7", "8", ""]
    assert [run["seed"] for run in read_runs(checkpoint.parent)] == [7, 8, None]


def test_state_of_a_training(tmp_path: Path) -> None:
    states = [training_state(tmp_path)]
    for name in ("checkpoint_best.pth", "checkpoint_latest.pth", "checkpoint_final.pth", "validation/summary.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        states.append(training_state(tmp_path))
    assert states == ["not begun", "begun", "begun", "trained", "finished"]


def test_validation_by_the_best_checkpoint_is_done_once(
    planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes hours on a cohort; a training that was validated by its last checkpoint has it still to do."""
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    final = write_model(tmp_path, planned_base, "checkpoint_final.pth")
    write_model(tmp_path, planned_base)
    (final.parent / "validation").mkdir()
    (final.parent / "validation" / "summary.json").touch()
    commands: list[list[str]] = []
    monkeypatch.setattr(
        "nnunet_amt.nnunet.process.run_stock_command", lambda command, *_, **__: commands.append(command)
    )
    assert train(711, device="cpu").was_finished
    assert [train(711, options=["--val_best"], device="cpu").was_finished for _ in range(2)] == [False, True]
    assert [command[-2:] for command in commands] == [["--val_best", "--c"]]


def test_finished_training_of_other_plans_is_not_taken_for_todays(
    planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    final = write_model(tmp_path, planned_base, "checkpoint_final.pth")
    (final.parent / "validation").mkdir()
    (final.parent / "validation" / "summary.json").touch()
    plans = final.parents[1] / "plans.json"
    plans.write_text(plans.read_text().replace('"batch_size": 3', '"batch_size": 2'))
    with pytest.raises(BadInputError, match="was trained with other plans"):
        train(711, device="cpu")


@pytest.mark.parametrize(
    ("trainer", "epochs"),
    [
        *(("nnUNetTrainerAMT", 1000), ("nnUNetTrainerAMT_20epochs", 20), ("nnUNetTrainerAMT_demo", 20)),
        *(("nnUNetTrainer_250epochs", 250), ("nnUNetTrainerOfMine", 1000)),
    ],
)
def test_epochs_of_a_trainer(trainer: str, epochs: int) -> None:
    assert epochs_of(trainer) == epochs
