"""The commands study and report: what they are given, what they say. Stages and page have tests of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.demo import DemoSettings, demo_is_finished
from nnunet_amt.errors import BadInputError
from tests.report.studies import write_study

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


def test_an_option_for_this_run_is_in_the_next_command_and_not_in_the_file(tmp_path: Path, manifest: Path) -> None:
    """Or the command that is shown would go on with other settings than those that were looked at."""
    folder = tmp_path / "study"
    RUNNER.invoke(app, ["study", str(manifest), "-o", str(folder), "--status"])
    result = RUNNER.invoke(app, ["study", str(folder), "--spacing", "6", "3", "3", "--no-baseline", "--status"])
    assert f"nnunet_amt study {folder} --spacing 6.0 3.0 3.0 --no-baseline    # begins with convert" in result.output
    assert "--spacing 6.0 3.0 3.0 --no-baseline holds for this run" in result.output
    assert "# spacing =" in (folder / "study.toml").read_text()


def test_the_recipe_that_a_study_has_changes_nothing(tmp_path: Path, manifest: Path) -> None:
    """Named again it keeps a shorter trainer; the other recipe's is the full one."""
    folder = tmp_path / "study"
    short = "nnUNetTrainerAMTFast_5epochs"
    begun = RUNNER.invoke(app, ["study", str(manifest), "-o", str(folder), "--trainer", short, "--status"])
    assert begun.exit_code == 0, begun.output
    assert "between the lungs" in " ".join(begun.output.split())
    again = RUNNER.invoke(app, ["study", str(folder), "--recipe", "fast", "--status"])
    assert again.exit_code == 0, again.output
    assert "holds for this run" not in again.output
    other = RUNNER.invoke(app, ["study", str(folder), "--recipe", "paper", "--status"])
    assert "--trainer nnUNetTrainerAMT holds for this run" in " ".join(other.output.split())


def test_the_same_options_again_are_those_of_the_file(tmp_path: Path, manifest: Path) -> None:
    """Whoever repeats the first command after a crash is not told that its options hold for this run only."""
    words = ["study", str(manifest), "-o", str(tmp_path / "study"), "--spacing", "6", "3", "3", "--status"]
    RUNNER.invoke(app, words)
    assert "holds for this run" not in RUNNER.invoke(app, words).output


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


@pytest.mark.parametrize(("words", "number"), [([], 0), (["--no-tumour", "6"], 6)])
def test_the_demo_adds_phantoms_without_a_tumour_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], number: int
) -> None:
    asked: list[int] = []

    def run_demo(_: Path, *, settings: DemoSettings, **__: object) -> None:
        asked.append(settings.design.no_tumour)
        raise BadInputError("that will do")

    monkeypatch.setattr("nnunet_amt.demo.run_demo", run_demo)
    assert RUNNER.invoke(app, ["demo", "-o", str(tmp_path / "demo"), *words]).exit_code == 2
    assert asked == [number]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--risk", "--fusion"], "--risk --fusion: are two demos; run one after the other"),
        (["--fusion", "--no-tumour", "2"], "--no-tumour: every case of the demo with --fusion has a tumour"),
        (["--fusion", "--device", "tpu"], "--device tpu"),
    ],
)
def test_what_the_demo_of_lesions_cannot_be_asked_for(tmp_path: Path, words: list[str], message: str) -> None:
    result = RUNNER.invoke(app, ["demo", "-o", str(tmp_path / "demo"), *words])
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "demo").exists()


class _Opened:
    """Stands in for the server: remembers what it was asked to open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, finished: bool) -> None:
        self.asked: list[tuple[Path, str]] = []
        self.ran: list[Path] = []
        monkeypatch.setattr("nnunet_amt.app.start.serve", self._serve)
        monkeypatch.setattr("nnunet_amt.demo.demo_is_finished", lambda _: finished)
        monkeypatch.setattr("nnunet_amt.demo.run_demo", lambda output, **_: self.ran.append(output))
        monkeypatch.setattr("nnunet_amt.cli.study._show_study", lambda *_: None)

    def _serve(self, folder: Path, *, page: str, **_: object) -> None:
        self.asked.append((folder, page))


def test_a_finished_demo_is_opened_at_once_and_what_is_opened_with_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo that ``nnunet_amt demo`` left; the page opens the folder above, where another study lies."""
    monkeypatch.chdir(tmp_path)
    for name in ("amt_demo", "patients"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.toml").touch()
    opened = _Opened(monkeypatch, finished=True)
    result = RUNNER.invoke(app, ["demo", "--app"])
    assert result.exit_code == 0, result.output
    assert opened.asked == [(tmp_path, "/studies/amt_demo/results")]
    assert opened.ran == []
    assert f"the page opens {tmp_path}" in result.output
    assert "what else lies there can be read and used on the page too: patients" in result.output


def test_a_new_demo_to_be_opened_lies_alone_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "amt_demo_app" / "amt_demo").mkdir(parents=True)
    opened = _Opened(monkeypatch, finished=False)
    result = RUNNER.invoke(app, ["demo", "--app"])
    assert result.exit_code == 0, result.output
    assert opened.ran == [Path("amt_demo_app/amt_demo")]
    assert opened.asked == [(tmp_path / "amt_demo_app", "/studies/amt_demo/results")]
    assert "what else lies there" not in result.output


@pytest.mark.parametrize("kind", ["risk", "fusion"])
def test_the_page_does_not_show_the_demos_of_risk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, ["demo", "--app", f"--{kind}"])
    assert result.exit_code == 2
    assert f"open the pages in amt_{kind}_demo/risk in a browser" in result.output
    assert result.output.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_demo_is_finished_when_all_stages_are(tmp_path: Path, manifest: Path) -> None:
    folder = tmp_path / "demo"
    assert not demo_is_finished(folder)
    RUNNER.invoke(app, ["study", str(manifest), "-o", str(folder), "--status"])
    assert not demo_is_finished(folder)


def test_report_says_what_was_written_and_what_failed_worst(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    page = tmp_path / "page.html"
    result = RUNNER.invoke(app, ["report", str(study), "-o", str(page), "--no-viewer", "--title", "T"])
    assert result.exit_code == 0, result.output
    assert "failed worst: AMT-0003 (Dice 0.00, missed completely)" in result.output
    assert f"open {page} in a browser" in result.output
    assert "The viewer was left out of this page" in page.read_text()


def test_mistakes_of_report_are_one_line(tmp_path: Path) -> None:
    for words in ([str(tmp_path / "none")], [str(tmp_path)], [str(tmp_path), "-o", str(tmp_path)]):
        result = RUNNER.invoke(app, ["report", *words])
        assert result.exit_code == 2
        assert result.output.startswith("error: ")
        assert result.output.count("\n") == 1


def test_the_report_needs_neither_torch_nor_nnunet() -> None:
    slow = ("torch", "nnunetv2", "matplotlib", "pandas")
    script = f"import sys, nnunet_amt.report; print([name for name in {slow} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
