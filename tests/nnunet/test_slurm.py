"""The printed array script is run here as SLURM would run it, but one task after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import BadInputError
from nnunet_amt.nnunet.slurm import array_script
from tests.conftest import TINY_DATASET, set_nnunet_folders
from tests.models.model_fixtures import write_model


def test_script_is_bash_and_quotes_what_has_blanks(tmp_path: Path) -> None:
    script = array_script(4, 9, ["711", "--output", "a b/$(c)"], {"nnUNet_results": "my results"}, "cuda")
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert {"#SBATCH --array=0-3", "#SBATCH --gres=gpu:1", "set -euo pipefail"} <= set(lines)
    assert "export nnUNet_results='my results'" in lines
    assert any(line.startswith("export nnUNet_extTrainer=") for line in lines)
    assert "--output 'a b/$(c)'" in script
    # sbatch reads its lines only above the first command
    commands = [number for number, line in enumerate(lines) if line and not line.startswith("#")]
    assert max(number for number, line in enumerate(lines) if line.startswith("#SBATCH")) < commands[0]
    (tmp_path / "script.sh").write_text(script)
    subprocess.run(["bash", "-n", tmp_path / "script.sh"], check=True)


def test_no_gpu_is_asked_for_on_the_cpu() -> None:
    assert "gres" not in array_script(1, 1, [], {}, "cpu")


@pytest.mark.parametrize("parts", [0, 10])
def test_no_more_tasks_than_images(parts: int) -> None:
    with pytest.raises(BadInputError, match=f"--slurm-array {parts}: must be 1 to 9, the number of images"):
        array_script(parts, 9, [], {}, "cpu")


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
