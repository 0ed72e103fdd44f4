"""A checkpoint that would run code is refused before it can, by every command that has nnU-Net load one."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.checkpoint_safety import foreign_globals, read_checkpoint
from tests.conftest import TINY_DATASET, set_nnunet_folders
from tests.models.model_fixtures import Marker, write_model

runner = CliRunner()
STOCK_ARCHITECTURE = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 3,
        "features_per_stage": [4, 4, 4],
        "conv_op": "torch.nn.Conv3d",
        "kernel_sizes": [3, 3, 3],
        "strides": [1, 2, 2],
        "n_conv_per_stage": 1,
        "n_conv_per_stage_decoder": 1,
    },
    "_kw_requires_import": ["conv_op"],
}
ADVICE = "take models only from people you trust"


def test_fixture_is_dangerous(tmp_path: Path) -> None:
    """Loaded as nnU-Net loads, it does run: what the other tests see refused is real."""
    torch.save({"network_weights": Marker(tmp_path / "ran")}, tmp_path / "c.pth")
    torch.load(tmp_path / "c.pth", weights_only=False)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["predict", "711", "--output", "out"], "checkpoint_best.pth"),
        (["predict", "711", "--output", "out", "--slurm-array", "1"], "checkpoint_best.pth"),
        (["train", "711"], "checkpoint_latest.pth"),
        (["train", "711", "--c"], "checkpoint_final.pth"),
        (["train", "711", "--val"], "checkpoint_final.pth"),
        (["train", "711", "--restart", "--val_best"], "checkpoint_best.pth"),
        (["train", "711", "-pretrained_weights", "CHECKPOINT"], "weights.pth"),
        (["doctor", "-d", "711"], "checkpoint_final.pth"),
        (["doctor", "--checkpoint", "CHECKPOINT"], "weights.pth"),
    ],
)
def test_every_command_refuses_and_nothing_runs(
    planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], name: str
) -> None:
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "ran"
    checkpoint = write_model(tmp_path / "results", planned_base, name, logging=Marker(marker))
    started: list[object] = []
    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", lambda *_, **__: started.append(_))
    device = [] if command[0] == "doctor" else ["--device", "cpu"]
    arguments = [str(checkpoint) if word == "CHECKPOINT" else word for word in command]
    result = runner.invoke(app, [*arguments, *device])
    assert result.exit_code == (1 if command[0] == "doctor" else 2)
    said = result.output if command[0] == "doctor" else result.stderr
    (line,) = [line for line in said.splitlines() if "would call posix.system" in line]
    assert ADVICE in line
    assert not started
    assert not marker.exists()


def test_what_our_trainer_writes_is_read(planned_base: Path, tmp_path: Path) -> None:
    content = read_checkpoint(write_model(tmp_path, planned_base))
    assert content["_best_ema"] == 0.25
    assert content["logging"]["train_losses"] == [0.5]
    assert foreign_globals(write_model(tmp_path, planned_base)) == []


def test_what_the_stock_trainer_writes_is_read(planned_base: Path, tmp_path: Path) -> None:
    """nnU-Net's own trainer, saved by its own method."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    preprocessed = planned_base / "nnUNet_preprocessed" / TINY_DATASET
    plans = json.loads((preprocessed / "nnUNetAMTPlans.json").read_text())
    plans["configurations"]["3d_fullres"]["architecture"] = STOCK_ARCHITECTURE
    description = json.loads((preprocessed / "dataset.json").read_text())
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_nnunet_folders(monkeypatch, planned_base)
        monkeypatch.setenv("nnUNet_results", str(tmp_path))
        stock_plans = {**plans, "continue_training": False}
        trainer = nnUNetTrainer(stock_plans, "3d_fullres", 0, description, torch.device("cpu"))
        trainer.initialize()
    losses = {
        "train_losses": np.float32(1),
        "mean_fg_dice": np.float64(0.5),
        "dice_per_class_or_region": [np.float64(1)],
    }
    for name, value in losses.items():
        trainer.logger.log(name, value, 0)
    trainer.save_checkpoint(str(tmp_path / "checkpoint_final.pth"))
    content = read_checkpoint(tmp_path / "checkpoint_final.pth")
    assert content["trainer_name"] == "nnUNetTrainer"
    assert content["logging"]["mean_fg_dice"] == [0.5]


def test_legacy_format_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "c.pth"
    torch.save({"network_weights": Marker(tmp_path / "ran")}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(BadInputError, match="older than the zip format"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_zip_behind_a_legacy_pickle_is_refused(tmp_path: Path) -> None:
    """Python finds a zip file by its end, torch by its beginning, where the other pickle stands."""
    path = tmp_path / "c.pth"
    torch.save({}, path)
    whole = path.read_bytes()
    path.write_bytes(pickle.dumps(Marker(tmp_path / "ran"), protocol=2) + whole)
    assert zipfile.is_zipfile(path)
    with pytest.raises(BadInputError, match="older than the zip format"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_cut_off_and_flipped_bytes(tmp_path: Path) -> None:
    path = tmp_path / "c.pth"
    torch.save({"network_weights": {"w": torch.arange(1000.0)}}, path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    for damaged in (whole[:middle], b"", whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(BadInputError, match="is damaged"):
            read_checkpoint(path)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torchscript_archive_is_refused(tmp_path: Path) -> None:
    """torch.load would hand it to torch.jit.load, whose archives are programs."""
    path = tmp_path / "c.pth"
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), str(path))
    with pytest.raises(BadInputError, match="is a TorchScript archive"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [np.array([1, "x"], dtype=object)[0:1], torch.nn.ReLU(), Path("x")])
def test_other_objects_are_named_and_refused(tmp_path: Path, content: object) -> None:
    """Harmless as these are, the way they are read is the way harmful ones would be."""
    torch.save({"network_weights": {}, "logging": content}, tmp_path / "c.pth")
    with pytest.raises(BadInputError, match=r"it would call (numpy|torch|pathlib)\."):
        read_checkpoint(tmp_path / "c.pth")


def test_number_with_a_forged_dtype_is_refused(tmp_path: Path) -> None:
    """A dtype of objects would let the bytes of a number stand for any address."""
    path = tmp_path / "c.pth"

    class Forged:
        def __reduce__(self) -> tuple:
            dtype_of_objects = np.dtype("O")
            return np.float64(0).__reduce__()[0], (dtype_of_objects, b"12345678")

    torch.save({"logging": Forged()}, path)
    with pytest.raises(BadInputError, match="can run code"):
        read_checkpoint(path)


def test_anything_but_a_dictionary_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(1), tmp_path / "c.pth")
    with pytest.raises(BadInputError, match="holds a Tensor, no checkpoint"):
        read_checkpoint(tmp_path / "c.pth")
