"""A prediction leaves a record, and can be divided over the tasks of an array.

The script of the array is run here as SLURM would run it, but one task after the other.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.base.run_record import RECORD_FILE, file_sha256, input_path, read_runs
from nnunet_amt.base.run_record.entries import folder_sha256
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import DEFAULT_TRAINER
from nnunet_amt.nnunet.predict import PredictionSettings, predict
from nnunet_amt.nnunet.predict_array import array_script
from nnunet_amt.nnunet.prediction_record import recorded_prediction
from nnunet_amt.trainers.unet import AMTUNet
from tests.conftest import TINY_DATASET, set_nnunet_folders, write_image
from tests.models.model_fixtures import write_model

PARAMETERS = sum(parameter.numel() for parameter in AMTUNet(1, 2).parameters())


def _predict(base: Path, checkpoint: Path, output: Path, to_do: int, part: tuple[int, int] = (0, 1)) -> None:
    images = base / "nnUNet_raw" / TINY_DATASET / "imagesTs"
    with recorded_prediction(
        images, output, checkpoint, trainer=DEFAULT_TRAINER, part=part, cases=4, to_do=to_do, device="cpu"
    ):
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


def test_finished_prediction_starts_nothing_and_keeps_what_is_there(
    planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading nnU-Net to find nothing to do would take a minute; the progress is told all the same."""
    monkeypatch.setattr("nnunet_amt.nnunet.loaded_model.why_not_here", lambda *_: "this is a test of the command")
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    write_model(tmp_path / "results", planned_base)
    images = planned_base / "nnUNet_raw" / TINY_DATASET / "imagesTs"
    output, commands = tmp_path / "out", []

    def run_stock(command: list[str], environment: object, on_line: Callable[[str], None], log_file: Path) -> None:
        commands.append(command)
        write_image(output / "f.nii.gz", np.zeros((2, 3, 4), np.uint8))
        on_line("done with f\n")

    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", run_stock)
    steps: list[tuple[int, int, str]] = []
    results = [
        predict(
            images, output, PredictionSettings(711, device="cpu"), jobs=1, log_file=tmp_path / "predict.log",
            progress=lambda *step: steps.append(step),
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [(result.kept, result.predicted) for result in results] == [(0, 1), (1, 0)]
    assert [command[-5:] for command in commands] == [["--continue_prediction", "-npp", "1", "-nps", "1"]]
    begun = [(0, 1, "prediction"), (0, 1, "checking images"), (1, 1, "checking images")]
    assert steps == [*begun, (1, 1, "prediction"), (1, 1, "prediction")]
    [run] = read_runs(output)
    assert run["settings"]["options"] == []  # how many workers there were changes no label map


def test_script_is_bash_and_quotes_what_has_blanks(tmp_path: Path) -> None:
    script = array_script(
        4, 9, ["711", "--output", "a b/$(c)"], environment={"nnUNet_results": "my results"}, device="cuda"
    )
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert {"#SBATCH --array=0-3", "#SBATCH --gres=gpu:1", "set -euo pipefail"} <= set(lines)
    assert "export nnUNet_results='my results'" in lines
    assert any(line.startswith("export nnUNet_extTrainer=") for line in lines)
    assert "--output 'a b/$(c)'" in script
    # sbatch reads its lines only above the first command
    commands = [number for number, line in enumerate(lines) if line and not line.startswith("#")]
    # a folder that somebody sent may be the one that it is submitted in
    assert lines.index("cd /") < next(number for number in commands if " -m nnunet_amt predict" in lines[number])
    assert max(number for number, line in enumerate(lines) if line.startswith("#SBATCH")) < commands[0]
    (tmp_path / "script.sh").write_text(script)
    subprocess.run(["bash", "-n", tmp_path / "script.sh"], check=True)


def test_no_gpu_is_asked_for_on_the_cpu() -> None:
    assert "gres" not in array_script(1, 1, [], environment={}, device="cpu")


@pytest.mark.parametrize("parts", [0, 10])
def test_no_more_tasks_than_images(parts: int) -> None:
    with pytest.raises(BadInputError, match=f"--slurm-array {parts}: must be 1 to 9, the number of images"):
        array_script(parts, 9, [], environment={}, device="cpu")


def command_line(*arguments: str, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "nnunet_amt", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def label_maps(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in folder.glob("*.nii.gz")}


@pytest.mark.slow
def test_tasks_together_are_the_whole_and_a_second_run_makes_what_is_missing(
    planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five cases in two tasks, in a folder with a blank in its name, against one undivided prediction."""
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "my results"))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    )
    write_model(tmp_path / "my results", planned_base)
    images = planned_base / "nnUNet_raw" / TINY_DATASET / "imagesTr"
    predict = ["predict", "711", "--input", str(images), "--device", "cpu", "-npp", "1", "-nps", "1"]
    printed = command_line(*predict, "--output", "in parts", "--slurm-array", "2", folder=tmp_path)
    assert printed.returncode == 0, printed.stderr
    script = tmp_path / "array.sh"
    script.write_text(printed.stdout)

    def run_tasks() -> None:
        for task in "01":
            environment = {**os.environ, "SLURM_ARRAY_TASK_ID": task}
            subprocess.run(["bash", script], env=environment, check=True, capture_output=True)

    run_tasks()
    parts = tmp_path / "in parts"
    whole = command_line(*predict, "--output", "whole", folder=tmp_path)
    assert whole.returncode == 0, whole.stderr
    expected, found = label_maps(tmp_path / "whole"), label_maps(parts)
    assert sorted(found) == sorted(expected) == [f"{case}.nii.gz" for case in "abcde"]
    assert any(array.any() for array in expected.values())  # the weights are random, not a mask of nothing
    assert all(np.array_equal(found[name], expected[name]) for name in expected)

    times = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.nii.gz")}
    (parts / "b.nii.gz").unlink()
    (parts / "c.nii.gz").write_bytes((parts / "c.nii.gz").read_bytes()[:50])  # as a killed task leaves it
    run_tasks()
    again = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.nii.gz")}
    assert {name for name in times if again[name] != times[name]} == {"b.nii.gz", "c.nii.gz"}
    assert all(np.array_equal(array, expected[name]) for name, array in label_maps(parts).items())
