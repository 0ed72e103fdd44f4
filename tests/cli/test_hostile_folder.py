"""Commands that start processes, run in a folder that holds code of a stranger: none of it is imported.

The baseline starts nnU-Net's commands as the training does, and the study and the demo run these stages in turn.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TINY_DATASET, write_image, write_tiny_dataset
from tests.dataset_conversion.cohort_fixtures import write_cohort
from tests.hostile_folder import HostileFolder, console_script, environment

TRAINER = "nnUNetTrainerAMT_1epoch"


@pytest.fixture
def hostile(tmp_path: Path) -> HostileFolder:
    return HostileFolder(tmp_path / "received study")


def run(hostile: HostileFolder, base: Path, *command: str | Path, **variables: str) -> str:
    """Run a command in the folder, with nnU-Net's folders below `base`; give what it printed."""
    folders = {name: str(base / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    settings = {"nnUNet_def_n_proc": "1", "nnUNet_n_proc_DA": "1", "nnUNet_compile": "f", **folders, **variables}
    done = subprocess.run(
        [str(word) for word in command], cwd=hostile.path, env=environment(**settings),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, hostile.imported()) == (0, []), done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_conversion_with_workers(tmp_path: Path, hostile: HostileFolder) -> None:
    """The manifest lies in the folder, as in a study that was received."""
    write_cohort(hostile.path)
    run(hostile, tmp_path, console_script(), "convert", "manifest.csv", "-d", "711", "--jobs", "2")


def test_evaluation_with_workers(tmp_path: Path, hostile: HostileFolder) -> None:
    mask = np.zeros((4, 9, 11), np.uint8)
    mask[1:3, 2:5, 3:7] = 1
    for folder in ("predictions", "references"):
        for case in "ab":
            write_image(hostile.path / folder / f"{case}.nii.gz", mask)
    run(hostile, tmp_path, console_script(), "evaluate", "predictions", "references", "-o", "evaluation", "--jobs", "2")


@pytest.mark.slow
def test_planning_training_and_prediction(tmp_path: Path, hostile: HostileFolder) -> None:
    """With workers in each: of the fingerprint, the preprocessing, the loader, the images and nnU-Net's prediction.

    The prediction is once ours, once the script of a SLURM array, submitted in the folder.
    """
    write_tiny_dataset(tmp_path / "nnUNet_raw")
    command = console_script()
    run(hostile, tmp_path, command, "plan", "-d", "711", "--patch-size", "8", "16", "16", "--jobs", "2")
    run(hostile, tmp_path, command, "train", "711", "--trainer", TRAINER, "--device", "cpu")
    images = tmp_path / "nnUNet_raw" / TINY_DATASET / "imagesTr"
    predict: list[str | Path] = [command, "predict", "711", "--trainer", TRAINER, "--device", "cpu", "--input", images]
    run(hostile, tmp_path, *predict, "--output", "predictions")
    assert len(list((hostile.path / "predictions").glob("*.nii.gz"))) == 5
    script = hostile.path / "array.sh"
    script.write_text(run(hostile, tmp_path, *predict, "--output", "in parts", "--slurm-array", "1"))
    run(hostile, tmp_path, "bash", script, SLURM_ARRAY_TASK_ID="0")
    assert len(list((hostile.path / "in parts").glob("*.nii.gz"))) == 5


@pytest.mark.slow
def test_phantoms(tmp_path: Path, hostile: HostileFolder) -> None:
    """What the demo begins with; its other stages are those above."""
    code = (
        "from pathlib import Path\n"
        "from nnunet_amt.base.processes import keep_current_folder_out\n"
        "if __name__ == '__main__':\n"
        "    keep_current_folder_out()\n"
        "    from nnunet_amt.phantom.cohort import write_phantom_cohort\n"
        "    from nnunet_amt.phantom.plan import CohortDesign\n"
        "    small = CohortDesign(2, 0, 0, 0, 1, 0, in_plane_pixels=32)\n"
        "    write_phantom_cohort(Path('phantoms'), design=small, jobs=2)\n"
    )
    script = tmp_path / "bin" / "phantoms"
    script.parent.mkdir()
    script.write_text(code)
    run(hostile, tmp_path, console_script("python"), script)
