"""The report command, and what it costs to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from tests.report.studies import write_study

runner = CliRunner()


def test_the_command_says_what_was_written_and_what_failed_worst(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    page = tmp_path / "page.html"
    result = runner.invoke(app, ["report", str(study), "-o", str(page), "--no-viewer", "--title", "T"])
    assert result.exit_code == 0, result.output
    assert "failed worst: AMT-0003 (Dice 0.00, missed completely)" in result.output
    assert f"open {page} in a browser" in result.output
    assert "The viewer was left out of this page" in page.read_text()


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    for words in ([str(tmp_path / "none")], [str(tmp_path)], [str(tmp_path), "-o", str(tmp_path)]):
        result = runner.invoke(app, ["report", *words])
        assert result.exit_code == 2
        assert result.output.startswith("error: ")
        assert result.output.count("\n") == 1


def test_the_report_needs_neither_torch_nor_nnunet() -> None:
    slow = ("torch", "nnunetv2", "matplotlib", "pandas")
    script = f"import sys, nnunet_amt.report; print([name for name in {slow} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
