"""What the page is made from: paths as they may be told, and tables read back from results."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from dataclasses import fields, replace
from pathlib import Path
from unittest import mock

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation import EvaluationSettings
from nnunet_amt.report import write_report
from nnunet_amt.report.study_content import path_word, read_study_content
from nnunet_amt.study import find_study
from tests.report.studies import TABLE_1, PageReader, blank_figures


def test_a_path_is_a_word_that_leads_there_from_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a run record tells it: from the home folder on where names lie between, and not at all where they must."""
    monkeypatch.setenv("HOME", str(tmp_path / "people" / "jane"))
    study = tmp_path / "study"
    for path, word in (
        (study / "raw" / "labelsTs", "raw/labelsTs"),
        (study / "my predictions", "'my predictions'"),
        (study / "-p", "./-p"),
        (tmp_path / "elsewhere" / "predictions", "../elsewhere/predictions"),
        (tmp_path / "people" / "jane" / "her masks", "~/'her masks'"),
        (Path("/home/john/masks"), "WAY_TO/masks"),
    ):
        assert path_word(path, study) == word


def test_every_setting_of_an_evaluation_can_be_given_on_the_command_line(study: Path) -> None:
    """But for the number of resamples, which has no option. A setting that is as usual is not named."""
    content = read_study_content(find_study(study))
    dataset = "nnUNet_raw/Dataset711_Tiny"
    plain = f"nnunet_amt evaluate predictions {dataset}/labelsTs -o again --cohort {dataset}/cohort.csv"
    assert content.evaluate_command(output=study / "again") == plain
    unusual = EvaluationSettings(
        connectivity=6, minimum_predicted_voxels=3, false_positive_rule="no_overlap", foreground=255,
        surface_distances=True, seed=5, cluster="institution", ci_always=True, subgroup_columns=("a b", "c"),
    )  # fmt: skip
    content = replace(content, summary=replace(content.summary, settings=unusual))
    command = content.evaluate_command(output=study / "again")
    assert command == (
        f"{plain} --connectivity 6 --minimum-voxels 3 --false-positive-rule no_overlap "
        "--foreground 255 --surface-distances --seed 5 --cluster institution --ci-always --subgroup 'a b' --subgroup c"
    )
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    options = {option for parameter in commands.commands["evaluate"].params for option in parameter.opts}
    given = {word for word in shlex.split(command) if word.startswith("--")}
    assert given <= options
    assert len(given - {"--cohort"}) == len(fields(EvaluationSettings)) - 1
    failures = content.failures_command()
    assert "--connectivity 6 --minimum-voxels 3 --false-positive-rule no_overlap --foreground 255" in failures
    assert "--seed" not in failures


def triage_commands(page: Path) -> list[str]:
    """The commands that a reader of the page copies from beside the triage."""
    found = re.findall(r'<code data-triage="command">(.*?)</code>', page.read_text(encoding="utf-8"))
    return [html.unescape(command) for command in found]


def run_in(folder: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with mock.patch("nnunet_amt.evaluation.evaluate.write_figures", blank_figures):
        for command in commands:
            program, *words = shlex.split(command)
            assert program == "nnunet_amt"
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, done.output


def check_triage(study: Path, evaluated: str, triaged: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept the one false positive of case 3, of 60 voxels, by the commands on the page."""
    (study / "decisions.csv").write_text("case_id,lesion,voxels,decision,note\nAMT-0003,1,60,accept,a node\n")
    run_in(study, triage_commands(study / "report.html"), monkeypatch)
    before, after = (json.loads((study / name / "summary.json").read_text()) for name in (evaluated, triaged))
    at_01 = before["lesion"]["threshold"].index(0.1)
    assert (before["lesion"]["fp"][at_01], after["lesion"]["fp"][at_01]) == (1, 0)
    assert {**before["settings"], "bootstrap_resamples": 10_000} == after["settings"]
    assert before["voxel"]["dice"]["mean"] == after["voxel"]["dice"]["mean"]
    again = (study / "report_triaged.html").read_text(encoding="utf-8")
    assert 'data-decision="accept"' in again
    # decided on once more it is counted in the same place, and nothing is heaped up
    [evaluate, _] = triage_commands(study / "report_triaged.html")
    assert f"-o {triaged} " in evaluate


def test_the_commands_of_the_triage_run_in_the_folder_of_a_study(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the layout of ``study`` and ``demo``, in a folder whose name a shell would take apart."""
    folder = tmp_path / "the study's folder"
    shutil.copytree(study, folder)
    title = "Jane's; rm -rf"
    write_report(folder, folder / "report.html", title=title)
    cohort = "nnUNet_raw/Dataset711_Tiny/cohort.csv"
    assert triage_commands(folder / "report.html") == [
        "nnunet_amt evaluate predictions nnUNet_raw/Dataset711_Tiny/labelsTs -o evaluation_triaged "
        f"--cohort {cohort} --triage decisions.csv",
        f"nnunet_amt report . --evaluation evaluation_triaged -o report_triaged.html --title {shlex.quote(title)}",
    ]
    check_triage(folder, "evaluation", "evaluation_triaged", monkeypatch)


def test_the_commands_of_the_triage_run_after_single_commands_on_predictions_elsewhere(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One case is without a prediction, lesions are joined by faces only, the results have a name of their own."""
    folder, elsewhere = tmp_path / "work" / "study", tmp_path / "else where"
    shutil.copytree(study / "nnUNet_raw", folder / "nnUNet_raw")
    shutil.copytree(study / "predictions", elsewhere / "predictions")
    (elsewhere / "predictions" / "AMT-0002.nii.gz").unlink()
    words = "evaluate '../../else where/predictions' nnUNet_raw/Dataset711_Tiny/labelsTs -o my/results"
    first = [f"nnunet_amt {words} --connectivity 6 --missing-as-empty", "nnunet_amt report ."]
    run_in(folder, first, monkeypatch)
    assert triage_commands(folder / "report.html")[0] == (
        "nnunet_amt evaluate '../../else where/predictions' nnUNet_raw/Dataset711_Tiny/labelsTs -o "
        "my/results_triaged --connectivity 6 --missing-as-empty --triage decisions.csv"
    )
    check_triage(folder, "my/results", "my/results_triaged", monkeypatch)


def test_tables_of_results_come_back_with_their_groups_and_notes(study: Path) -> None:
    [table] = read_study_content(find_study(study)).cohort_tables or ()
    assert table.as_json() == TABLE_1


def test_results_of_an_earlier_version_say_what_to_run_again(study: Path, tmp_path: Path) -> None:
    """Its failures.json and component_analysis.json hold no tables, and its dataset has them in Markdown only."""
    shutil.copytree(study, tmp_path / "study")
    dataset = tmp_path / "study" / "nnUNet_raw" / "Dataset711_Tiny"
    (dataset / "cohort_tables.json").unlink()
    failures = tmp_path / "study" / "evaluation_failures" / "failures.json"
    record = json.loads(failures.read_text())
    record.pop("tables", None)
    failures.write_text(json.dumps(record))
    (tmp_path / "study" / "evaluation" / "component_analysis.json").write_text('{"rows": []}')
    page = write_report(tmp_path / "study", tmp_path / "report.html", viewer=False).path.read_text()
    text = PageReader(page).text()
    assert "Not here: Tables 1 and 2 are missing from the dataset, or were written by an earlier version." in text
    assert "Not here: The failure analysis was made by an earlier version" in text
    assert "nnunet_amt failures predictions nnUNet_raw/Dataset711_Tiny/labelsTs -o evaluation_failures" in text
    assert "Not here: The analysis of lesion definitions was made by an earlier version" in text
    assert "Features of the tumours in the worst" in text, "its figure is shown all the same"


def test_a_broken_table_is_named(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    tables = tmp_path / "study" / "nnUNet_raw" / "Dataset711_Tiny" / "cohort_tables.json"
    tables.write_text('[{"title": "Table 1"}]')
    with pytest.raises(BadInputError, match=r"cohort_tables\.json: is not what convert writes .*nnunet_amt convert"):
        read_study_content(find_study(tmp_path / "study"))
