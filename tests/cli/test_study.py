"""The study command: what it is given, what it says, how it shows time. Its stages have tests of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.cli.study import duration

RUNNER = CliRunner()


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.csv"
    path.write_text("case_id\n")
    return path


def test_status_of_a_new_study_writes_the_settings_and_runs_nothing(tmp_path: Path, manifest: Path) -> None:
    """So that somebody can look at study.toml first."""
    folder = tmp_path / "study"
    result = RUNNER.invoke(app, ["study", str(manifest), "-o", str(folder), "--status", "--baseline"])
    assert result.exit_code == 0, result.output
    assert [path.name for path in folder.iterdir()] == ["study.toml"]
    assert "run = true" in (folder / "study.toml").read_text()
    assert "begins with convert" in result.output
    again = RUNNER.invoke(app, ["study", str(folder), "--status"])
    assert again.exit_code == 0, again.output
    assert again.output.count("to do") == 9


def test_a_manifest_needs_a_folder_and_a_folder_none(tmp_path: Path, manifest: Path) -> None:
    """Each mistake in one line with exit code 2."""
    without = RUNNER.invoke(app, ["study", str(manifest)])
    assert without.exit_code == 2
    assert "give the folder of the new study too" in without.output
    (tmp_path / "study").mkdir()
    both = RUNNER.invoke(app, ["study", str(tmp_path / "study"), "-o", str(tmp_path / "other")])
    assert both.exit_code == 2
    assert "leave -o out" in both.output
    empty = RUNNER.invoke(app, ["study", str(tmp_path / "study")])
    assert empty.exit_code == 2
    assert "is no study yet" in empty.output


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (18_420, "5 h 07 min")],
)
def test_a_duration_is_written_as_one_says_it(seconds: float, text: str) -> None:
    """Rounded to seconds, and from an hour on to minutes."""
    assert duration(seconds) == text
