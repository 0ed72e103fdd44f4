"""Subgroups, institutions and intervals through the whole stage and its command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE
from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError, UnmatchedCasesError
from nnunet_amt.evaluation import RESULT_FILES, EvaluationSettings, evaluate
from tests.evaluation.builders import row_mask, write_pair

CASE_IDS = ("half", "missed", "whole", "without")
SETTINGS = EvaluationSettings(bootstrap_resamples=50)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four cases, and a cohort file that knows no institutions."""
    for case_id, stop, length in zip(CASE_IDS, (10, 0, 20, 0), (20, 20, 20, 0), strict=True):
        write_pair(tmp_path, case_id, row_mask(60, (0, stop)), row_mask(60, (0, length)))
    (tmp_path / "cohort.csv").write_text("case_id,split\n" + "".join(f"{case_id},external\n" for case_id in CASE_IDS))
    return tmp_path


def run(
    folder: Path,
    cohort: Path | None = None,
    settings: EvaluationSettings = SETTINGS,
    progress: Progress = silent,
) -> set[str]:
    """Evaluate and name the files that are there then."""
    evaluate(
        folder / "predictions",
        folder / "references",
        folder / "out",
        cohort=cohort,
        settings=settings,
        progress=progress,
    )
    return {path.name for path in (folder / "out").iterdir()}


@pytest.mark.usefixtures("undrawn")
def test_institutions_have_a_figure_that_goes_with_them(folder: Path) -> None:
    cohort = folder / "institutions.csv"
    cohort.write_text("case_id,institution\n" + "".join(f"{case_id},H{len(case_id)}\n" for case_id in CASE_IDS))
    assert run(folder, cohort) == {*RESULT_FILES, RECORD_FILE}
    assert run(folder) == {name for name in (*RESULT_FILES, RECORD_FILE) if not name.startswith("institutions.")}


@pytest.mark.usefixtures("no_figures")
def test_options_of_the_command_reach_the_results(folder: Path) -> None:
    cohort = folder / "more.csv"
    rows = [
        f"{case_id},H{i},{stage}" for i, (case_id, stage) in enumerate(zip(CASE_IDS, ("I", "I", "II", ""), strict=True))
    ]
    cohort.write_text("\n".join(["case_id,institution,stage", *rows]))
    folders = [str(folder / name) for name in ("predictions", "references")]
    options = ["--cohort", str(cohort), "--subgroup", "stage", "--cluster", "institution", "--ci-always"]
    done = CliRunner().invoke(app, ["evaluate", *folders, "-o", str(folder / "out"), *options])
    assert done.exit_code == 0, done.output
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert [group["subgroup"] for group in summary["subgroups"] if group["group"] == "stage"] == [
        "I",
        "II",
        "not stated",
    ]
    assert (summary["clusters"], summary["settings"]["cluster"]) == (4, "institution")
    assert summary["voxel"]["dice"]["ci95"] is not None


@pytest.mark.usefixtures("no_figures")
def test_a_cohort_file_that_contradicts_the_references_leaves_the_results_as_they_are(folder: Path) -> None:
    cohort = folder / "healthy.csv"
    rows = [f"{case_id},{'yes' if case_id == 'without' else 'no'}" for case_id in CASE_IDS]
    cohort.write_text("\n".join(["case_id,no_tumour", *rows]))
    run(folder, cohort)
    before = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    assert json.loads(before["summary.json"])["specificity"]["scans"] == 1
    cohort.write_text(cohort.read_text().replace("half,no", "half,yes"))
    with pytest.raises(UnmatchedCasesError, match=r"healthy\.csv, column 'no_tumour': says yes of 1 case \(half\)"):
        run(folder, cohort)
    assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == before


def test_a_subgroup_that_cannot_be_made_is_told_before_any_case_is_read(folder: Path) -> None:
    told: list[str] = []
    settings = EvaluationSettings(subgroup_columns=("stage",))
    with pytest.raises(BadInputError, match="subgroup 'stage': the cohort file has no such column; it has split"):
        run(
            folder,
            cohort=folder / "cohort.csv",
            settings=settings,
            progress=lambda done, total, what: told.append(what),
        )
    assert told == []
