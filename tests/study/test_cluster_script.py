"""The script for another machine, run by a shell there: what it finds, what it sets, which command it comes to."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.study.cluster_script import cluster_training, training_script
from nnunet_amt.study.settings import StudySettings
from tests.conftest import TINY_DATASET, set_nnunet_folders

SETTINGS = StudySettings().changed(
    {"study": {"name": "Tiny"}, "train": {"trainer": "nnUNetTrainerAMT_5epochs", "seed": 7, "options": ("--npz",)}}
)
ROOT = Path(__file__).parents[2]
# Stands for the command on the other machine: `env` is the real one, of others words and folders are written down.
STUB = f"""#!/bin/bash
if [ "$1" = env ]; then PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m nnunet_amt "$@"; fi
printf '%s\\n' "$@" > "$WORDS"
printf '%s\\n' "$nnUNet_preprocessed" "$nnUNet_results" "$nnUNet_extTrainer" "$PWD" >> "$WORDS"
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Another machine: a home with the copied study, and a Python environment with the command."""
    (tmp_path / "home" / "nnunet_amt" / "bin").mkdir(parents=True)
    (tmp_path / "home" / "nnunet_amt" / "bin" / "activate").write_text('PATH="$HOME/nnunet_amt/bin:$PATH"\n')
    stub = tmp_path / "home" / "nnunet_amt" / "bin" / "nnunet_amt"
    stub.write_text(STUB)
    stub.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet")}
    return {**kept, "HOME": str(tmp_path / "home"), "WORDS": str(tmp_path / "words.txt"), "PATH": "/usr/bin:/bin"}


def run(script: str, machine: dict[str, str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash"], input=script, env={**machine, **variables}, capture_output=True, text=True, check=False
    )


def test_the_script_comes_to_the_training_of_the_study(
    planned_base: Path, machine: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words are then given to the real command, which comes to nnU-Net's with the same plans, fold and seed."""
    (tmp_path / "home" / "tiny").symlink_to(planned_base)
    ran = run(training_script("tiny", SETTINGS), machine)
    assert (ran.returncode, ran.stderr) == (0, "")
    *words, preprocessed, results, trainers, place = (tmp_path / "words.txt").read_text().splitlines()
    assert (Path(preprocessed), Path(results)) == (
        planned_base / "nnUNet_preprocessed",
        planned_base / "nnUNet_results",
    )
    assert Path(trainers, "amt_trainers.py").is_file()
    assert place == "/"
    assert words[0] == "train" and words[words.index("--device") + 1] == "cuda"
    words[words.index("cuda")] = "cpu"
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    commands: list[list[str]] = []
    seeds: list[str] = []

    def run_stock(command: list[str], environment: dict[str, str], **_: object) -> None:
        commands.append(command)
        seeds.append(environment["nnUNet_amt_seed"])

    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", run_stock)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    expected = "nnUNetv2_train 711 3d_fullres 0 -tr nnUNetTrainerAMT_5epochs -p nnUNetAMTPlans -device cpu"
    assert shlex.join(commands[0]) == f"{expected} --val_best --npz"
    assert seeds == ["7"]


def test_a_study_that_is_not_there_is_told_before_anything_runs(machine: dict[str, str]) -> None:
    ran = run(training_script("tiny", SETTINGS), machine, STUDY="/no where")
    assert ran.returncode == 1
    assert ran.stderr == f"/no where: has no nnUNet_preprocessed/{TINY_DATASET}; copy it there, or change STUDY\n"
    assert not Path(machine["WORDS"]).exists()


def test_places_are_variables_that_may_be_set_before(machine: dict[str, str], tmp_path: Path) -> None:
    """Without an environment to enter the command is taken from the path."""
    (tmp_path / "study" / "nnUNet_preprocessed" / TINY_DATASET).mkdir(parents=True)
    path = f"{tmp_path}/home/nnunet_amt/bin:{machine['PATH']}"
    ran = run(
        training_script("tiny", SETTINGS),
        machine,
        STUDY=str(tmp_path / "study"),
        ENVIRONMENT="",
        PATH=path,
        DEVICE="mps",
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    words = (tmp_path / "words.txt").read_text().splitlines()
    assert "mps" in words
    assert str(tmp_path / "study" / "nnUNet_preprocessed") in words


def test_what_is_copied_goes_there_and_comes_back(tmp_path: Path) -> None:
    """By a stand-in for rsync that copies as it does: the preprocessed images, what was begun, then the model."""
    here, there = tmp_path / "here" / "胸腺腫", tmp_path / "there"
    model = Path("nnUNet_results") / TINY_DATASET / "nnUNetTrainerAMT_5epochs__nnUNetAMTPlans__3d_fullres" / "fold_0"
    for folder, name in ((f"nnUNet_preprocessed/{TINY_DATASET}", "plans.json"), (str(model), "checkpoint_latest.pth")):
        (here / folder).mkdir(parents=True)
        (here / folder / name).write_text("here")
    (here / "manifest.csv").write_text("names\n")
    there.mkdir()
    stub = tmp_path / "rsync"
    stub.write_text(
        "#!/bin/bash\n"
        'from="${@: -2:1}"; to="${@: -1}"\n'
        f'case "$to" in *:*) mkdir -p "{there}/${{to#*:}}"; exec cp -r --parents "$from" "{there}/${{to#*:}}";; esac\n'
        f'from="${{from#*:}}"; cd "{there}/${{from%%/./*}}" && exec cp -r --parents "${{from##*/./}}" "$OLDPWD/$to"\n'
    )
    stub.chmod(0o755)
    copied = cluster_training(here, SETTINGS)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    assert run(copied.send, environment).stderr == ""
    assert {str(path.relative_to(there)) for path in there.rglob("*.*") if path.is_file()} == {
        f"胸腺腫/nnUNet_preprocessed/{TINY_DATASET}/plans.json",
        f"胸腺腫/{model}/checkpoint_latest.pth",
    }
    (there / "胸腺腫" / model / "checkpoint_best.pth").write_text("there")
    assert run(copied.fetch, environment).stderr == ""
    assert (here / model / "checkpoint_best.pth").read_text() == "there"


def test_a_name_of_several_lines_runs_nothing(machine: dict[str, str], tmp_path: Path) -> None:
    """Neither in the comment nor in the default of a variable."""
    ran = run(training_script(f"a\ntouch {tmp_path}/ran", SETTINGS), machine)
    assert ran.returncode == 1
    assert "has no nnUNet_preprocessed" in ran.stderr
    assert not (tmp_path / "ran").exists()
