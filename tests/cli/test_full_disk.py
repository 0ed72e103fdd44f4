"""The disk fills up while a command writes: exit code 1 and one line, and nothing half-written under a final name.

Every file is written under a temporary name first, so a link from that name to /dev/full, which takes no byte, is a
full disk to whoever writes it: Python, SimpleITK, matplotlib or torch. How each of these says so is then its own.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nnunet_amt.base import files
from nnunet_amt.cli.commands import app
from tests.cli.test_mutated_files import write_mela
from tests.conftest import set_nnunet_folders, write_tiny_dataset
from tests.dataset_conversion.cohort_fixtures import make_ct, write_image
from tests.evaluation.builders import row_mask, write_pair
from tests.evaluation.score_froc.test_analyse import write_probabilities
from tests.models.model_fixtures import write_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
runner = CliRunner()


class FullDisk:
    """Turns temporary files into links to /dev/full; notes the final names that were to be written."""

    def __init__(self, named: str) -> None:
        self.named = named  # end of the names of files that find no room
        self.met: list[str] = []

    def partial_name(self, name: str) -> str:
        path = sys._getframe(1).f_locals.get("path")  # of `atomic_path`, which knows the folder
        partial = f"{files.PARTIAL_MARK}full-{name}"
        if isinstance(path, Path) and name.endswith(self.named):
            self.met.append(name)
            path.with_name(partial).symlink_to("/dev/full")
        return partial


@pytest.fixture
def full_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
    """A disk that has no room for files whose name ends as the test's parameter says."""
    disk = FullDisk(request.param)
    monkeypatch.setattr(files, "partial_name", disk.partial_name)
    monkeypatch.setattr(files, "is_nearly_full", lambda folder: True)
    yield disk


def exits_with_1_and_one_line(words: list[str], disk: FullDisk, output: Path) -> None:
    result = runner.invoke(app, words)
    assert disk.met, "nothing of that name was written"
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 1, result.stderr
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "the disk is full; free some space" in line
    assert not any(path.name in disk.met or path.is_symlink() for path in output.rglob("*"))


@pytest.mark.parametrize("full_disk", [".md", ".json", ".csv", ".png"], indirect=True)
def test_score_froc(tmp_path: Path, full_disk: FullDisk) -> None:
    write_pair(tmp_path, "a", row_mask(60, (0, 20)), row_mask(60, (0, 20)))
    write_probabilities(tmp_path, "a", row_mask(60, (0, 20)).astype(np.float32))
    folders = [str(tmp_path / name) for name in ("predictions", "references")]
    output = tmp_path / "out" / "scores"
    exits_with_1_and_one_line(["score-froc", *folders, "-o", str(output)], full_disk, output.parent)


@pytest.mark.parametrize("full_disk", [".nii.gz", ".json", ".csv"], indirect=True)
def test_public_cohort(tmp_path: Path, full_disk: FullDisk) -> None:
    write_mela(tmp_path / "download")
    output = tmp_path / "out" / "mela.csv"
    words = ["public-cohort", "mela2022", str(tmp_path / "download"), "-o", str(output)]
    exits_with_1_and_one_line(words, full_disk, output.parent)


@pytest.mark.slow
@pytest.mark.parametrize("full_disk", ["nnUNetAMTPlans.json", "_state.json", ".nii.gz"], indirect=True)
def test_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_disk: FullDisk) -> None:
    set_nnunet_folders(monkeypatch, tmp_path)
    write_tiny_dataset(tmp_path / "nnUNet_raw")
    words = ["plan", "-d", "711", "--patch-size", "8", "16", "16"]
    exits_with_1_and_one_line(words, full_disk, tmp_path / "nnUNet_preprocessed")


@pytest.fixture
def model(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of the planned dataset; nnU-Net's commands end well and write what they must."""
    shutil.copytree(planned_base, tmp_path / "base")
    set_nnunet_folders(monkeypatch, tmp_path / "base")

    def run(command: list[str], environment: object, **_: object) -> None:
        if command[0] == "nnUNetv2_predict":
            images, output = (Path(command[command.index(word) + 1]) for word in ("-i", "-o"))
            for image in images.glob("*.nii.gz"):
                write_image(output / image.name.replace("_0000", ""), (make_ct(1) > 0).astype(np.uint8))

    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", run)
    return write_model(tmp_path / "base" / "nnUNet_results", tmp_path / "base")


@pytest.mark.parametrize("full_disk", ["a.nii.gz", "runs.json", ".json"], indirect=True)
def test_predict(tmp_path: Path, model: Path, full_disk: FullDisk) -> None:
    write_image(tmp_path / "in" / "a_0000.nii.gz", make_ct(1))
    words = ["predict", "711", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--device", "cpu"]
    exits_with_1_and_one_line(words, full_disk, tmp_path / "out")


@pytest.mark.parametrize("full_disk", ["runs.json"], indirect=True)
def test_train(model: Path, full_disk: FullDisk) -> None:
    exits_with_1_and_one_line(["train", "711", "--device", "cpu"], full_disk, model.parents[1])
