"""The record of a stage's runs: what is in it, when it grows, when it does not."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from nnunet_amt import __version__
from nnunet_amt.base.run_record import RECORD_FILE, RunInput, input_path, read_runs, recorded_run


@dataclass(frozen=True)
class Settings:
    seed: int = 711
    columns: tuple[str, ...] = ("sex",)
    table: Path = Path("/somewhere/cohort.csv")


def _run(folder: Path, text: str = "result", **options: object) -> None:
    with recorded_run(folder, "evaluate", outputs=["result.txt", "absent.txt"], **options):  # type: ignore[arg-type]
        folder.mkdir(exist_ok=True)
        (folder / "result.txt").write_text(text)


def test_record_tells_what_was_done(tmp_path: Path) -> None:
    predictions, results = tmp_path / "predictions", tmp_path / "results"
    predictions.mkdir()
    (predictions / "a.nii").write_bytes(b"abc")
    inputs: dict[str, Path | RunInput] = {
        "predictions": predictions,
        "absent": RunInput(tmp_path / "absent.csv", path_recorded=False),
    }
    with recorded_run(results, "evaluate", settings=Settings(), seed=711, inputs=inputs, outputs=["x.csv"]) as notes:
        time.sleep(0.05)
        notes.counts["cases"] = 1
        notes.cost.update(seconds_per_case=0.05, parameters=None)
        notes.settings["fold"] = "0"
        results.mkdir()
        (results / "x.csv").write_bytes(b"abc")
    content = json.loads((results / RECORD_FILE).read_text())
    assert content["schema_version"] == 1
    [run] = content["runs"]
    assert list(run) == [
        *("stage", "command", "started", "seconds", "software", "machine", "settings", "seed", "inputs", "outputs"),
        *("counts", "cost"),
    ]
    assert run["stage"] == "evaluate"
    assert run["command"] == "python"
    assert 0.05 <= run["seconds"] < 10
    assert datetime.fromisoformat(run["started"]).utcoffset() == timedelta(0)
    assert run["software"]["nnunet_amt"] == __version__
    assert run["software"]["python"] == platform.python_version()
    assert run["machine"].items() >= {"system": platform.system(), "device": "cpu"}.items()
    assert set(run["machine"]) == {"system", "cores", "device"}  # no host, no user
    assert run["settings"] == {"seed": 711, "columns": ["sex"], "table": "cohort.csv", "fold": "0"}
    abc = hashlib.sha256(b"abc").hexdigest()
    of_folder = hashlib.sha256(f"{abc}  a.nii\n".encode()).hexdigest()
    assert run["inputs"] == {
        "predictions": {"path": "../predictions", "sha256": of_folder, "files": 1},
        "absent": {"sha256": None},
    }
    assert run["outputs"] == {"x.csv": {"sha256": abc}}
    assert run["counts"] == {"cases": 1}
    assert run["cost"]["peak_memory_bytes"] > 1_000_000  # a Python process
    assert run["cost"]["seconds_per_case"] == 0.05
    assert "parameters" not in run["cost"]
    assert read_runs(results) == [run]


def test_runs_are_added_behind_the_earlier_ones(tmp_path: Path) -> None:
    _run(tmp_path, "first")
    _run(tmp_path, "second")
    assert [run["outputs"]["result.txt"]["sha256"] for run in read_runs(tmp_path)] == [
        hashlib.sha256(text).hexdigest() for text in (b"first", b"second")
    ]


def test_run_that_does_the_same_again_is_not_added(tmp_path: Path) -> None:
    _run(tmp_path, settings=Settings())
    before = (tmp_path / RECORD_FILE).read_bytes()
    _run(tmp_path, settings=Settings())
    assert (tmp_path / RECORD_FILE).read_bytes() == before
    _run(tmp_path, settings=Settings(seed=712))
    assert len(read_runs(tmp_path)) == 2


def test_results_that_replace_others_replace_their_runs(tmp_path: Path) -> None:
    """An evaluation keeps the run of another stage in its folder, but not of one whose files it writes anew."""
    with recorded_run(tmp_path, "failures", outputs=["failures.md"]):
        (tmp_path / "failures.md").write_text("text")
    with recorded_run(tmp_path, "components", outputs=["result.txt"]):
        (tmp_path / "result.txt").write_text("earlier")
    _run(tmp_path, "first", keep_earlier=False)
    _run(tmp_path, "second", keep_earlier=False)
    assert [run["stage"] for run in read_runs(tmp_path)] == ["failures", "evaluate"]


def test_run_that_fails_leaves_the_record_as_it_was(tmp_path: Path) -> None:
    _run(tmp_path)
    before = (tmp_path / RECORD_FILE).read_bytes()
    with pytest.raises(KeyboardInterrupt), recorded_run(tmp_path, "evaluate"):
        raise KeyboardInterrupt
    assert (tmp_path / RECORD_FILE).read_bytes() == before
    with recorded_run(tmp_path, "predict") as notes:
        notes.nothing_done = True
    assert (tmp_path / RECORD_FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("broken", ["{", "[]", '{"schema_version": 9, "runs": []}', '{"schema_version": 1}', "\udcff"])
def test_broken_record_is_begun_anew(broken: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / RECORD_FILE).write_text(broken, encoding="utf-8", errors="surrogateescape")
    with caplog.at_level(logging.WARNING):
        assert read_runs(tmp_path) == []
    assert len(caplog.records) == (0 if broken == '{"schema_version": 1}' else 1)
    _run(tmp_path)
    assert len(read_runs(tmp_path)) == 1


def test_entries_that_are_no_runs_are_passed_over(tmp_path: Path) -> None:
    _run(tmp_path)
    [run] = read_runs(tmp_path)
    runs = [run, 7, {"stage": "evaluate"}, {**run, "inputs": None}]
    (tmp_path / RECORD_FILE).write_text(json.dumps({"schema_version": 1, "runs": runs}))
    assert read_runs(tmp_path) == [run]


def test_parts_write_a_file_each_and_are_read_as_one(tmp_path: Path) -> None:
    for part in (1, 0, 1):
        with recorded_run(tmp_path, "predict", settings={"part": part}, part=(part, 2)) as notes:
            notes.counts["cases"] = part
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["nnunet_amt_runs_part0of2.json", "nnunet_amt_runs_part1of2.json"]
    assert sorted(run["counts"]["cases"] for run in read_runs(tmp_path)) == [0, 1]  # the third did nothing new
    with recorded_run(tmp_path, "predict", part=(0, 1)):
        pass
    assert (tmp_path / RECORD_FILE).is_file()
    assert len(read_runs(tmp_path)) == 3


def test_folder_that_is_renamed_is_recorded_as_at_its_final_place(tmp_path: Path) -> None:
    final, staging, predictions = tmp_path / "deep" / "results", tmp_path / "staging", tmp_path / "predictions"
    for folder in (final, staging, predictions):
        folder.mkdir(parents=True)
    with recorded_run(final, "failures"):
        pass
    with recorded_run(staging, "evaluate", inputs={"p": predictions}, keep_earlier=False, final_folder=final):
        pass
    assert [run["stage"] for run in read_runs(final)] == ["failures"]
    earlier, run = read_runs(staging)
    assert earlier["stage"] == "failures"
    assert run["inputs"]["p"]["path"] == "../../predictions"


def test_input_is_found_again_from_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, results = tmp_path / "people" / "qzxv", tmp_path / "drive" / "results"
    (home / "labels").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    inputs = {"near": results.parent / "predictions", "far": home / "labels", "gone": results.parent / "gone"}
    with recorded_run(results, "evaluate", inputs=inputs):
        inputs["near"].mkdir(parents=True)
    [run] = read_runs(results)
    assert "qzxv" not in (results / RECORD_FILE).read_text()
    assert input_path(results, run, "near") == inputs["near"]
    assert input_path(results, run, "far") == home / "labels"
    assert input_path(results, run, "gone") is None
    assert input_path(results, run, "unknown") is None
