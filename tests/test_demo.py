"""The demo, made tiny: every stage really runs, a kill costs no more than the step it hit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt.base.run_record import input_path, read_runs
from nnunet_amt.cli.commands import app
from nnunet_amt.demo import DemoSettings, FusionDemoSettings, RiskDemoSettings, run_demo
from nnunet_amt.nnunet.environment import folder_from_environment
from nnunet_amt.phantom import RISK_DESIGN, CohortDesign
from nnunet_amt.phantom.lesion_cohort import LESION_DESIGN
from nnunet_amt.risk.fusion.fusion_settings import FusionSettings
from nnunet_amt.risk.risk_settings import RiskSettings
from nnunet_amt.study.run_study import run_study, study_status
from nnunet_amt.study.settings import read_settings

pytestmark = pytest.mark.slow

SETTINGS = DemoSettings(
    design=CohortDesign(
        training=3,
        tuning=2,
        external=2,
        excluded=1,
        development_institutions=2,
        external_institutions=2,
        in_plane_pixels=48,
    ),
    trainer="nnUNetTrainerAMT_1epoch",
    spacing=(10.0, 8.0, 8.0),
    patch_size=(8, 16, 16),
)
SCRIPT = """
import sys; from pathlib import Path
from nnunet_amt.demo import run_demo; from tests.test_demo import SETTINGS
if __name__ == '__main__':
    told = lambda done, total, what: print(what, done, total, flush=True)
    run_demo(Path(sys.argv[1]), settings=SETTINGS, device='cpu', progress=told)
"""


def kill_at(step: str, output: Path, end: signal.Signals) -> None:
    """Run the demo in a process of its own and end it when it begins `step`."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(step):
            break
    else:
        pytest.fail(f"the demo never came to {step}")
    time.sleep(1)  # into the step
    process.send_signal(end)
    process.wait(timeout=30)
    assert process.returncode != 0


def test_demo_goes_on_after_kills_and_ends_with_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended by kill -9 in preprocessing, by Ctrl-C while it trains, by kill -9 in prediction; then run to the end."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, "restored after the test")
    output = tmp_path / "demo"
    kill_at("preprocessing", output, signal.SIGKILL)
    images = sorted((output / "phantom_cohort").rglob("*.nii.gz"))
    times = [path.stat().st_mtime_ns for path in images]
    kill_at("starting nnU-Net", output, signal.SIGINT)
    kill_at("prediction", output, signal.SIGKILL)
    checkpoint = next((output / "nnUNet_results").rglob("checkpoint_final.pth"))
    trained = checkpoint.stat().st_mtime_ns

    steps: list[tuple[int, int, str]] = []
    result = run_demo(output, settings=SETTINGS, progress=lambda done, total, what: steps.append((done, total, what)))

    assert [path.stat().st_mtime_ns for path in images] == times  # nothing was made twice
    assert checkpoint.stat().st_mtime_ns == trained
    assert not list(output.rglob(".partial-*"))
    assert result.skipped == ("plan", "doctor", "train")  # they were done before the last kill
    assert {what.partition(":")[0] for _, _, what in steps} >= {"prediction", "evaluating cases"}
    summary = json.loads((output / "evaluation" / "summary.json").read_text())
    assert summary["voxel"]["dice"]["n"] == summary["cases"] == 2
    assert (output / "evaluation" / "froc.png").stat().st_size > 5000
    assert folder_from_environment("nnUNet_raw") == output / "nnUNet_raw"
    assert_recorded(output)
    page = result.folders.page.read_text()
    assert result.folders.page == output / "report.html"
    headline, _, worst = result.ran["report"].partition(": ")  # it may be a success
    assert f"{headline[0].upper()}{headline[1:]}: case {worst[:8]}" in page  # AMT-0001 and the like
    assert "The cases are phantoms, drawn by a program; no patient is among them." in page
    assert "published, other cases" not in page
    assert_nothing_is_left_to_do(output)


def assert_nothing_is_left_to_do(output: Path) -> None:
    """The demo is a study: its settings lie in it, and everything but the look at the files is skipped next time."""
    settings = read_settings(output)
    assert settings.train.trainer == SETTINGS.trainer
    assert [(state.stage.name, state.why) for state in study_status(output, settings) if not state.done] == []
    again = run_study(output, settings)
    assert list(again.ran) == ["convert"]
    assert again.skipped == ("plan", "doctor", "train", "predict", "evaluate", "failures", "report")


def assert_recorded(output: Path) -> None:
    """Go from the evaluation back to the cohort, each stage has one run, killed ones left none."""
    [evaluated] = read_runs(output / "evaluation")
    predictions = input_path(output / "evaluation", evaluated, "predictions")
    assert predictions == output / "predictions"
    [predicted] = read_runs(predictions)
    assert predicted["outputs"]["."]["sha256"] == evaluated["inputs"]["predictions"]["sha256"]
    checkpoint = input_path(predictions, predicted, "checkpoint")
    assert checkpoint is not None
    [trained] = read_runs(checkpoint.parent)
    assert trained["outputs"][checkpoint.name]["sha256"] == predicted["inputs"]["checkpoint"]["sha256"]
    preprocessed = input_path(checkpoint.parent, trained, "preprocessed")
    assert preprocessed is not None
    [planned] = read_runs(preprocessed)
    dataset = input_path(preprocessed, planned, "dataset")
    assert dataset is not None
    [converted] = read_runs(dataset)
    assert trained["seed"] == SETTINGS.seed
    stages = [run["stage"] for run in (converted, planned, trained, predicted, evaluated)]
    assert stages == ["convert", "plan", "train", "predict", "evaluate"]
    assert trained["cost"]["parameters"] == predicted["cost"]["parameters"] > 1_000_000
    assert trained["cost"]["peak_memory_bytes"] > 100_000_000  # torch alone


def test_risk_demo_ends_with_tables_that_say_what_they_are_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shrunk: one small network, one epoch, 19 phantoms; a stage finds the dataset of the demo by its number."""
    design = replace(RISK_DESIGN, training=10, tuning=3, external=6, in_plane_pixels=64)
    study = RiskSettings(
        models=("shufflenet_v2_x0_5", "clinical"), epochs=1, size=32, pretrained=False, folds=2, seed=0
    )
    monkeypatch.setattr("nnunet_amt.demo.RiskDemoSettings", lambda: RiskDemoSettings(design=design, study=study))
    output = tmp_path / "demo"
    result = CliRunner().invoke(app, ["demo", "--risk", "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert "Warning" not in result.output
    assert "Phantoms of thymomas, drawn by a program" in result.output
    assert f"open {output / 'risk' / 'evaluation' / 'risk_tables.html'}" in result.output
    tables = (output / "risk" / "evaluation" / "risk_tables.md").read_text()
    assert "do not stand beside these" in tables  # the paper's rows, of patients
    assert "simulated" in (output / "risk" / "readers" / "reader_tables.md").read_text()
    again = CliRunner().invoke(app, ["risk", "evaluate", "712", "-o", str(output / "risk")])
    assert again.exit_code == 0, again.output


def test_fusion_demo_ends_with_tables_that_say_what_they_are_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shrunk: one epoch and seed, 19 phantoms; stages find the dataset by its number, and go on as it was begun."""
    design = replace(LESION_DESIGN, training=8, tuning=4, external=6, excluded=1, in_plane_pixels=64)
    study = FusionSettings(models=("dmfn", "regnet"), seeds=(0,), epochs=1, pixels=32)
    monkeypatch.setattr("nnunet_amt.demo.FusionDemoSettings", lambda: FusionDemoSettings(design=design, study=study))
    output = tmp_path / "demo"
    result = CliRunner().invoke(app, ["demo", "--fusion", "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert "Phantoms of lesions, drawn by a program with drawn CTC levels" in result.output
    fusion = output / "risk" / "fusion"
    assert f"open {fusion / 'binary' / 'evaluation' / 'lesion_tables.html'}" in result.output
    tables = (fusion / "binary" / "evaluation" / "lesion_tables.md").read_text()
    assert "The cases are phantoms, so the paper's results do not stand beside these" in tables
    assert "pg/ml" in tables
    assert "imulated" in (fusion / "binary" / "readers" / "lesion_reader_tables.md").read_text()
    made = {
        path: path.stat().st_mtime_ns
        for path in output.rglob("*")
        if path.name.endswith((".gz", ".npz", "weights.pth"))
    }
    assert CliRunner().invoke(app, ["demo", "--fusion", "-o", str(output)]).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in made} == made
    words = ["713", "--task", "multiclass", "-o", str(output / "risk")]
    trained = CliRunner().invoke(app, ["risk", "train", *words, "--model", "dmfn", "--epochs", "1", "--repeats", "1"])
    assert trained.exit_code == 0, trained.output
    again = CliRunner().invoke(app, ["risk", "evaluate", *words])
    assert again.exit_code == 0, again.output
