"""The command line: help, exit codes, one line an error."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt import __version__
from nnunet_amt.base.run_record import read_runs
from nnunet_amt.cli import console
from nnunet_amt.cli.commands import app
from nnunet_amt.errors import WorkFailedError
from tests.conftest import TINY_DATASET, set_nnunet_folders
from tests.models.model_fixtures import write_model

runner = CliRunner()
COMMANDS = (
    *("demo", "convert", "public-cohort", "join-manifests", "plan", "env", "train", "predict"),
    *("evaluate", "failures", "compare", "baseline", "figures", "report", "study", "published", "doctor", "calibrate"),
)


@pytest.fixture
def base(planned_base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    set_nnunet_folders(monkeypatch, planned_base)
    return planned_base


@pytest.mark.parametrize("command", [*COMMANDS, "score-froc", "components"])
def test_every_command_has_help(command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("evaluate", ["--false-positive-rule", "unmatched", "no_overlap", "6|18|26", "[default: 26]"]),
        ("train", ["0|all", "auto|cpu|cuda|mps", "--restart", "[default: nnUNetTrainerAMT]"]),
        ("predict", ["--slurm-array", "[default: checkpoint_best.pth]"]),
        ("doctor", ["[OPTIONS] [DATASET]", "-d N is the same", "--checkpoint"]),
        ("failures", ["PREDICTIONS", "[REFERENCES]", "--dataset -d", "--images,--input -i", "(one a core)"]),
        ("plan", ["Z Y X", "[default: (nnU-Net's choice, the median)]"]),
    ],
)
def test_help_shows_choices_and_defaults_in_80_columns(command: str, shown: list[str]) -> None:
    output = runner.invoke(app, [command, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).output
    assert max(map(len, output.splitlines())) <= 80
    assert "…" not in output  # a name that is cut off cannot be typed
    in_one_line = " ".join(output.replace("│", " ").split())
    assert all(words in in_one_line for words in shown)


def test_help_lists_every_command() -> None:
    output = runner.invoke(app, ["--help"]).output
    assert all(command in output for command in COMMANDS)
    assert "Research use only" in output


def test_help_does_not_import_torch() -> None:
    """It takes seconds, and --help should not."""
    script = "import sys, nnunet_amt.cli.commands; print('torch' in sys.modules or 'nnunetv2' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_version() -> None:
    assert runner.invoke(app, ["--version"]).output.strip() == f"nnunet_amt {__version__}"


def test_unknown_command_suggests_the_right_one() -> None:
    result = runner.invoke(app, ["convret"])
    assert result.exit_code == 2
    assert "convert" in result.output


def test_missing_environment_is_exit_2_and_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.delenv(name, raising=False)
    for arguments in (["convert", "m.csv", "-d", "711"], ["plan", "-d", "711"], ["train", "711"]):
        result = runner.invoke(app, arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: the environment variable nnUNet_")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "-d", "712"], "nothing of Dataset712_*"),
        (["plan", "-d", "711", "--patch-size", "8", "8", "9"], "multiples of 8"),
        (["train", "712"], "nothing of Dataset712_*"),
        (["train", "711", "--device", "tpu"], "--device tpu: must be one of auto, cpu, cuda, mps"),
        (["predict", "711", "--output", "out"], "nothing of Dataset711_*"),
        (["evaluate", "p", "r", "-o", "o", "--connectivity", "7"], "--connectivity 7: must be one of 6, 18, 26"),
        (["evaluate", "p", "r", "-o", "o", "--false-positive-rule", "x"], "must be one of unmatched, no_overlap"),
        (["evaluate", "p", "-o", "o"], "REFERENCES: missing; give the folder of the reference label maps, or with -d"),
        (["failures", "p", "-o", "o", "-d", "712"], "nothing of Dataset712_*"),
        (["evaluate", "p", "r", "-o", "o", "--cluster", "x"], "--cluster x: must be one of case, patient, institution"),
        (["convert", "no_such_manifest.csv", "-d", "713"], "no_such_manifest.csv"),
        (["train", "711", "--fold", "x"], "--fold x: must be 0, the split of the cohort, or 'all'"),
        (["train", "711", "--fold", "7"], "fold 7: "),
        (["train", "711", "--trainer", "nnUNetTrainerAMT_7epochs"], "no such trainer; ours are nnUNetTrainerAMT, "),
        (["plan", "-d", "711", "--spacing", "nan", "1", "1"], "spacing [nan, 1.0, 1.0]: must be three numbers"),
        (["plan", "-d", "711", "--patch-size", "4096", "8", "8"], "larger than every image at this spacing"),
        (["env", "--folder", __file__], "is a file; give a folder"),
    ],
)
def test_bad_input_is_exit_2_and_one_line(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (WorkFailedError("it broke"), 1, "it broke"),
        (KeyboardInterrupt(), 130, "goes on where it stopped"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), 1, "/a/b: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), 2, "/a/b: Permission denied"),
    ],
)
def test_what_ends_a_command_is_told_in_one_line(
    base: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, exit_code: int, message: str
) -> None:
    def fail(*arguments: object, **settings: object) -> None:
        raise error

    monkeypatch.setattr("nnunet_amt.nnunet.planning.plan", fail)
    result = runner.invoke(app, ["plan", "-d", "711"])
    assert result.exit_code == exit_code
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_plan_says_what_it_wrote_and_what_to_type_next(base: Path) -> None:
    """The tiny dataset is planned already, so nothing is done twice."""
    result = runner.invoke(app, ["plan", "-d", "711", "--patch-size", "8", "16", "16"])
    assert result.exit_code == 0
    assert "intensities -1000 to 1500 HU become 0 to 1; 5 cases preprocessed" in result.output
    assert str(base / "nnUNet_preprocessed" / TINY_DATASET / "nnUNetAMTPlans.json") in result.output
    assert "nnunet_amt doctor -d 711" in result.output


def test_doctor_proposes_what_is_not_done_yet(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training where none is at its end, a prediction with the model where one is."""
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    assert "nnunet_amt train -d 711\n" in runner.invoke(app, ["doctor", "-d", "711"]).output
    write_model(tmp_path, base, "checkpoint_final.pth")
    result = runner.invoke(app, ["doctor", "-d", "711"])
    assert "nnunet_amt predict -d 711 -o predictions\n" in result.output
    assert "nnunet_amt train" not in result.output


def test_options_of_nnunets_go_through_untouched(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words such as -step_size must not be read as bundles of one-letter options."""
    write_model(tmp_path, base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    commands: list[list[str]] = []
    monkeypatch.setattr(
        "nnunet_amt.nnunet.process.run_stock_command", lambda command, *_, **__: commands.append(command)
    )
    monkeypatch.setattr("nnunet_amt.nnunet.predict.require_predictions", lambda *_, **__: None)
    extra = ["-step_size", "0.7", "-part_id", "1", "-num_parts", "2", "--save_probabilities"]
    result = runner.invoke(app, ["predict", "711", "--output", str(tmp_path / "out"), "--device", "cpu", *extra])
    assert result.exit_code == 0, result.output
    assert commands[0][-len(extra) :] == extra
    assert read_runs(tmp_path / "out") == []  # the tiny dataset has one case, which is the other part's
    result = runner.invoke(app, ["train", "711", "--device", "cpu", "--val_best", "--npz"])
    assert result.exit_code == 0, result.output
    assert commands[1][-3:] == ["--val_best", "--npz", "--c"]


def test_finished_training_is_left_alone(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nnU-Net would load the last checkpoint and validate once more, for hours on a cohort."""
    final = write_model(tmp_path, base, "checkpoint_final.pth")
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    commands: list[list[str]] = []
    monkeypatch.setattr(
        "nnunet_amt.nnunet.process.run_stock_command", lambda command, *_, **__: commands.append(command)
    )
    train = ["train", "711", "--device", "cpu"]
    runner.invoke(app, train)  # not validated yet
    assert commands.pop()[-1] == "--c"
    (final.parent / "validation").mkdir()
    (final.parent / "validation" / "summary.json").touch()
    result = runner.invoke(app, train)
    assert result.exit_code == 0
    assert "this training is finished and validated; --restart trains anew" in result.output
    assert "nnunet_amt predict -d 711 -o predictions" in result.output
    assert not commands
    for option in ("--restart", "--val"):
        assert runner.invoke(app, [*train, option]).exit_code == 0
    assert "--c" not in commands[0]
    assert commands[1][-1] == "--val"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "711", "--val"], "holds no checkpoint_final.pth, its training is not finished"),
        (["train", "711", "-pretrained_weights", "no.pth"], "-pretrained_weights no.pth: no such file"),
        (["train", "711", "-num_gpus", "2"], "-num_gpus 2: nnU-Net trains on several devices with CUDA only"),
        (["predict", "711", "--output", "o", "-chk", "x"], "give --checkpoint"),
        (["predict", "711", "--output", "o", "--fold", "1"], "has no such fold; it has 0"),
        (["predict", "711", "--output", "o", "--input", "no"], "no: no such folder"),
        (["predict", "711", "--output", "o", "--slurm-array", "2"], "--slurm-array 2: must be 1 to 1"),
        (["predict", "711", "--output", "o", "--slurm-array", "1", "-num_parts", "2"], "gives -num_parts and"),
    ],
)
def test_bad_input_beside_a_model(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    write_model(tmp_path, base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, [*arguments, "--device", "cpu"])
    assert (result.exit_code, result.stderr.count("\n"), result.stdout) == (2, 1, "")
    assert message in result.stderr


def test_array_script_is_all_there_is_on_stdout(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path, base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    words = ["predict", "711", "--output", str(tmp_path / "o"), "--slurm-array", "1", "--probabilities"]
    result = runner.invoke(app, words)
    assert result.exit_code == 0
    assert result.stdout.startswith("#!/bin/bash\n")
    assert result.stdout.endswith('-num_parts 1 -part_id "$SLURM_ARRAY_TASK_ID"\n')
    assert " --probabilities " in result.stdout
    assert "sbatch FILE" in result.stderr
    assert "--gres=gpu:1" in result.stdout  # the machine that prints it need not have one


def test_env_prints_lines_for_a_shell(tmp_path: Path) -> None:
    output = runner.invoke(app, ["env", "--folder", str(tmp_path)]).output
    assert f"export nnUNet_raw={tmp_path / 'nnUNet_raw'}" in output
    assert all(line.startswith("export ") for line in output.splitlines())


def test_env_says_on_stderr_what_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment among the lines would be swallowed by eval."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.delenv(name, raising=False)
    result = runner.invoke(app, ["env"])
    assert result.stdout.startswith("export nnUNet_extTrainer=")
    assert result.stderr.startswith("note: nnUNet_raw, nnUNet_preprocessed, nnUNet_results not set;")


def test_progress_without_a_terminal_is_a_line_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress_bars() as report:
        for done in range(4):
            report(done, 3, "cases")
    assert capsys.readouterr().err.splitlines()[-1] == "cases 3/3"
