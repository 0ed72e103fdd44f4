"""The record among the results of an evaluation and of the analyses after it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import pytest

from nnunet_amt.base.run_record import RECORD_FILE, file_sha256, input_path, read_runs
from nnunet_amt.errors import GeometryMismatchError
from nnunet_amt.evaluation import EvaluationSettings, evaluate
from nnunet_amt.evaluation.component_analysis import MinimumSize, analyse_components
from nnunet_amt.evaluation.failures import analyse_failures
from tests.evaluation.builders import row_mask, write_pair
from tests.evaluation.four_cases import CASE_IDS, SETTINGS, write_four_cases


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_four_cases(tmp_path)


def _evaluate(folder: Path, settings: EvaluationSettings = SETTINGS, *, figures: bool = False) -> None:
    label_maps = folder / "predictions", folder / "references"
    evaluate(*label_maps, folder / "out", cohort=folder / "cohort.csv", settings=settings, figures=figures)


def test_evaluation_tells_what_it_read_and_wrote(folder: Path) -> None:
    _evaluate(folder, figures=True)
    [run] = read_runs(folder / "out")
    assert (run["stage"], run["seed"], run["counts"]) == ("evaluate", 711, {"cases": 4})
    settings = {**asdict(SETTINGS), "subgroup_columns": [], "missing_as_empty": False}
    assert run["settings"] == settings
    for name in ("predictions", "references"):
        assert input_path(folder / "out", run, name) == folder / name
        lines = [f"{file_sha256(path)}  {path.name}\n" for path in sorted((folder / name).iterdir())]
        assert run["inputs"][name] == {
            "path": f"../{name}",
            "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
            "files": len(CASE_IDS),
        }
    assert run["inputs"]["cohort"] == {"path": "../cohort.csv", "sha256": file_sha256(folder / "cohort.csv")}
    written = {path.name for path in (folder / "out").iterdir()} - {RECORD_FILE}
    assert run["outputs"] == {name: {"sha256": file_sha256(folder / "out" / name)} for name in written}


def test_results_and_their_record_are_replaced_together(folder: Path) -> None:
    _evaluate(folder)
    sizes = [MinimumSize(7, "voxels")]
    analyse_components(
        folder / "predictions", folder / "references", folder / "out", minimum_sizes=sizes, settings=SETTINGS
    )
    _evaluate(folder, EvaluationSettings(bootstrap_resamples=50, seed=7))
    runs = read_runs(folder / "out")
    assert [run["seed"] for run in runs] == [7]  # the table of components went with the new evaluation
    assert not (folder / "out" / "component_analysis.md").exists()


def test_record_that_cannot_be_read_stops_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    _evaluate(folder)
    (folder / "out" / RECORD_FILE).write_text("{", encoding="utf-8")
    _evaluate(folder)
    assert len(read_runs(folder / "out")) == 1
    assert [f"{RECORD_FILE}: cannot be read" in record.getMessage() for record in caplog.records] == [True]


def test_evaluation_that_is_refused_leaves_results_and_record(folder: Path) -> None:
    _evaluate(folder)
    before = (folder / "out" / RECORD_FILE).read_bytes()
    write_pair(folder, "half", row_mask(60, (4, 16)), row_mask(50, (0, 20)))
    with pytest.raises(GeometryMismatchError):
        _evaluate(folder)
    assert (folder / "out" / RECORD_FILE).read_bytes() == before


def test_analyses_tell_their_inputs_and_stand_beside_each_other(folder: Path) -> None:
    analyse_failures(folder / "predictions", folder / "references", folder / "out", settings=SETTINGS)
    sizes = [MinimumSize(7, "voxels")]
    analyse_components(
        folder / "predictions", folder / "references", folder / "out", minimum_sizes=sizes, settings=SETTINGS
    )
    failures, components = read_runs(folder / "out")
    assert (failures["stage"], components["stage"]) == ("failures", "components")
    assert "failures.json" in failures["outputs"]
    assert failures["inputs"] == components["inputs"]
    assert set(failures["inputs"]) == {"predictions", "references"}
    assert components["settings"]["minimum_sizes"] == [{"value": 7, "unit": "voxels"}]
