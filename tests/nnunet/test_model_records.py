"""What is recorded of nnU-Net's commands; the commands themselves are not run here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from nnunet_amt.base.run_record import RECORD_FILE, file_sha256, input_path, number_of_parameters, read_runs
from nnunet_amt.base.run_record.inputs import folder_sha256
from nnunet_amt.cli.commands import app
from nnunet_amt.models.plans_names import DEFAULT_TRAINER, PLANS_NAME
from nnunet_amt.nnunet.model_records import recorded_prediction, recorded_training
from nnunet_amt.trainers.unet import AMTUNet
from tests.conftest import TINY_DATASET, write_image
from tests.models.model_fixtures import write_model

PARAMETERS = sum(parameter.numel() for parameter in AMTUNet(1, 2).parameters())


def _preprocessed(base: Path) -> Path:
    return base / "nnUNet_preprocessed" / TINY_DATASET


def test_parameters_are_those_that_torch_counts() -> None:
    """The batch normalisations' running statistics are in the weights, and are no parameters."""
    weights = AMTUNet(1, 2).state_dict()
    assert number_of_parameters(weights) == PARAMETERS < sum(tensor.numel() for tensor in weights.values())


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


def test_training_is_recorded_in_its_fold(planned_base: Path, tmp_path: Path) -> None:
    preprocessed, model = _preprocessed(planned_base), tmp_path / TINY_DATASET / "model"
    for epochs in (1, 2):
        with recorded_training(
            preprocessed, model, DEFAULT_TRAINER, "0", "cpu", ["--c", "-pretrained_weights", "/a/b"]
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
    with pytest.raises(KeyboardInterrupt), recorded_training(_preprocessed(planned_base), tmp_path, "T", "0", "cpu"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def _predict(base: Path, checkpoint: Path, output: Path, to_do: int, part: tuple[int, int] | None = None) -> None:
    images = base / "nnUNet_raw" / TINY_DATASET / "imagesTs"
    with recorded_prediction(images, output, checkpoint, DEFAULT_TRAINER, "cpu", 4, to_do, part=part):
        write_image(output / "f.nii.gz", np.zeros((2, 3, 4), np.uint8))


def test_prediction_is_recorded_beside_its_label_maps(planned_base: Path, tmp_path: Path) -> None:
    checkpoint, output = write_model(tmp_path / "results", planned_base), tmp_path / "predictions"
    _predict(planned_base, checkpoint, output, to_do=3)
    _predict(planned_base, checkpoint, output, to_do=0)  # nothing left: no second run
    [run] = read_runs(output)
    assert (run["stage"], run["counts"]) == ("predict", {"cases": 3, "cases_in_all": 4})
    # the seconds of a case are rounded to 0.001, those of the run too
    assert run["cost"]["seconds_per_case_with_start"] == pytest.approx(run["seconds"] / 3, abs=0.1)
    assert run["cost"]["parameters"] == PARAMETERS
    assert (run["settings"]["fold"], run["settings"]["checkpoint"]) == ("0", "checkpoint_best.pth")
    assert input_path(output, run, "model") == checkpoint.parents[1]
    assert input_path(output, run, "checkpoint") == checkpoint
    assert run["inputs"]["checkpoint"]["sha256"] == file_sha256(checkpoint)
    assert run["inputs"]["model"]["files"] == 2
    assert input_path(output, run, "images") == planned_base / "nnUNet_raw" / TINY_DATASET / "imagesTs"
    # as an evaluation will hash what it reads
    sha256, files = folder_sha256(output)
    assert run["outputs"] == {".": {"sha256": sha256, "files": files}}


def test_prediction_that_was_killed_after_its_last_case_is_recorded_by_the_next_run(
    planned_base: Path, tmp_path: Path
) -> None:
    checkpoint, output = write_model(tmp_path / "results", planned_base), tmp_path / "predictions"
    _predict(planned_base, checkpoint, output, to_do=0)
    [run] = read_runs(output)
    assert run["counts"] == {"cases": 0, "cases_in_all": 4}
    assert "seconds_per_case_with_start" not in run["cost"]


def test_parts_record_themselves_apart(planned_base: Path, tmp_path: Path) -> None:
    checkpoint, output = write_model(tmp_path / "results", planned_base), tmp_path / "predictions"
    for number in range(2):
        _predict(planned_base, checkpoint, output, to_do=2, part=(number, 2))
    assert not (output / RECORD_FILE).exists()
    assert [run["outputs"] for run in read_runs(output)] == [{}, {}]  # one could be writing while the other hashes


def test_commands_record_what_they_run(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nnU-Net's part is played by a child that needs 150 MB and does nothing else."""
    checkpoint, output = write_model(tmp_path / "results", planned_base), tmp_path / "predictions"
    for name in ("nnUNet_raw", "nnUNet_preprocessed"):
        monkeypatch.setenv(name, str(planned_base / name))
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))

    def run_stock(command: list[str], *_: object) -> None:
        subprocess.run([sys.executable, "-c", "x = bytearray(150_000_000)"], check=True)
        if command[0] == "nnUNetv2_predict":
            write_image(output / "f.nii.gz", np.zeros((2, 3, 4), np.uint8))

    monkeypatch.setattr("nnunet_amt.nnunet.commands.run_stock_command", run_stock)
    for arguments in (["train", "711"], ["predict", "711", "--output", str(output), "-step_size", "0.7"]):
        result = CliRunner().invoke(app, [*arguments, "--device", "cpu"])
        assert result.exit_code == 0, result.output
    [trained], [predicted] = read_runs(checkpoint.parent), read_runs(output)
    assert trained["settings"]["options"] == ["--c"]
    assert (trained["stage"], list(trained["outputs"])) == ("train", ["checkpoint_best.pth"])
    assert predicted["settings"]["options"] == ["-step_size", "0.7"]
    assert predicted["counts"] == {"cases": 1, "cases_in_all": 1}
