"""The whole stage, on four cases that can be computed on paper."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from nnunet_amt.base.run_record import RECORD_FILE, read_runs
from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.comparison import COMPARISON_FILES, ComparisonSettings, compare
from nnunet_amt.evaluation.comparison.comparison import Comparison
from nnunet_amt.evaluation.comparison.figures import FIGURES
from nnunet_amt.writing.table import Picture
from tests.evaluation.blank_figures import blank
from tests.evaluation.comparison.evaluations import FIRST, OTHER, random_evaluation, write_evaluation
from tests.evaluation.comparison.test_costs import write_run

SETTINGS = ComparisonSettings(bootstrap_resamples=100, published=True)
COHORT = "case_id,manufacturer,sex\na,Siemens,F\nb,Siemens,M\nc,,F\nd,,M\n"


@pytest.fixture(scope="module", autouse=True)
def no_figures() -> Iterator[None]:
    """Figures have tests of their own."""
    with mock.patch("nnunet_amt.evaluation.comparison.compare.write_figures", blank_figures):
        yield


def blank_figures(folder: Path, _: Comparison) -> tuple[Picture, ...]:
    for name in FIGURES:
        blank(folder / name)
    return tuple(Picture(folder / f"{name}.png", name) for name in FIGURES)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models, the third a copy of the first, compared."""
    folder = tmp_path_factory.mktemp("study")
    write_evaluation(folder / "first", FIRST)
    write_evaluation(folder / "other", OTHER)
    shutil.copytree(folder / "first", folder / "copy")
    (folder / "cohort.csv").write_text(COHORT)
    write_run(folder / "first", {"stage": "evaluate", "inputs": {"cohort": {"path": "../cohort.csv"}}})
    compare([folder / name for name in ("first", "other", "copy")], folder / "out", settings=SETTINGS)
    return folder


@pytest.fixture(scope="module")
def content(study: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((study / "out" / "comparison.json").read_text())
    return found


def metric(entries: list[dict[str, Any]], name: str, threshold: float | None = None) -> dict[str, Any]:
    (found,) = [entry for entry in entries if (entry["metric"], entry["iou_threshold"]) == (name, threshold)]
    return found


def rows(study: Path, name: str) -> list[dict[str, str]]:
    with (study / "out" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_writes_what_it_says(study: Path) -> None:
    assert {path.name for path in (study / "out").iterdir()} == {*COMPARISON_FILES, RECORD_FILE}
    assert all(path.stat().st_size for path in (study / "out").iterdir())


def test_json(content: dict[str, Any]) -> None:
    assert (content["schema_version"], content["cases"], content["reference_lesions"]) == (3, 4, 3)
    assert (content["first"], content["difference"]) == ("first", "other minus first")
    assert [model["name"] for model in content["models"]] == ["first", "other", "copy"]
    assert content["settings"]["connectivity"] == 26
    assert content["settings"]["tie_margin"] == 0.01
    other = content["comparisons"][0]
    assert other["other"] == "other"
    dice = metric(other["metrics"], "dice")
    assert dice["difference"] == pytest.approx(0.55 / 3)
    assert (dice["n"], dice["ci95"], dice["test"], dice["p"]) == (3, None, "permutation", pytest.approx(1.0))
    assert metric(other["metrics"], "fp_per_scan", 0.6)["difference"] == 0.75
    assert metric(other["metrics"], "fp_per_scan", 0.6)["test"] is None
    lost = {"iou_threshold": 0.5, "both": 2, "only_first": 0, "only_other": 1, "neither": 0}
    assert {key: other["mcnemar"][1][key] for key in lost} == lost
    assert other["win_tie_loss"] == {"win": 1, "tie": 0, "loss": 3}
    assert content["models"][0]["cost"] == dict.fromkeys(content["models"][0]["cost"])
    assert content["secondary_tests"] == 14
    assert content["models"][0]["specificity"]["value"] == 1.0
    marked = content["models"][1]["specificity"]
    assert (marked["scans"], marked["negative"], marked["false_positives"], marked["value"]) == (1, 0, 1, 0.0)
    assert marked["wilson95"] == [0.0, pytest.approx(0.7935, abs=1e-4)]


def test_a_copy_is_equal_in_everything(content: dict[str, Any]) -> None:
    copy = content["comparisons"][1]
    assert {entry["difference"] for entry in copy["metrics"]} == {0}
    assert {(entry["p"], entry["p_holm"]) for entry in copy["metrics"] if entry["test"]} == {(1, 1)}
    assert copy["win_tie_loss"] == {"win": 0, "tie": 4, "loss": 0}
    assert "the mean Dice of copy is the same to three decimals as that of first" in content["sentences"][1]


def test_published_results_are_told_to_be_of_others(content: dict[str, Any]) -> None:
    assert content["published"]["paired"] is False
    assert content["published"]["table_3"]["dice"]["mean"] == 0.82
    table = content["tables"][0]
    assert table["columns"] == ["first", "other", "copy", "Published (other patients)"]
    assert table["rows"][1] == {
        "kind": "row",
        "title": "Dice score",
        "cells": ["0.667", "0.637", "0.667", "0.82 (0.79–0.84)"],
    }
    assert any("not paired" in note for note in table["notes"])


def test_tables_are_ready_text(content: dict[str, Any]) -> None:
    titles = [table["title"] for table in content["tables"]]
    assert titles == [
        "Accuracy on the same 4 cases",
        "Differences: other model minus first",
        "The 3 reference lesions, by who found them",
        "Scans without a tumour",
        "Case by case, Dice of the other model against first",
        "Cost beside accuracy",
        "Differences by subgroup: other minus first",
        "Differences by subgroup: copy minus first",
        "Differences along the IoU threshold: other model minus first",
    ]
    for table in content["tables"]:
        assert set(table) == {"title", "heading", "columns", "rows", "notes"}
        for row in table["rows"]:
            assert len(row["cells"]) == (0 if row["kind"] == "group" else len(table["columns"]))
            assert all(isinstance(cell, str) and cell for cell in row["cells"])
    lesions = content["tables"][2]["rows"][2]
    assert (lesions["title"], lesions["cells"][:5]) == ("IoU > 0.5", ["2", "0", "1", "0", "1.00"])
    scans = {row["title"]: row["cells"] for row in content["tables"][3]["rows"]}
    # in d the first marks nothing, the other 10 voxels: Wilson of 1 of 1 and of 0 of 1
    assert scans["first"] == scans["copy"] == ["1", "1", "1.000 (0.207–1.000)", "0.000 (0.000–3.689)"]
    assert scans["other"] == ["1", "0", "0.000 (0.000–0.793)", "1.000 (0.025–5.572)"]
    verdicts = content["tables"][4]["rows"][0]
    assert verdicts["cells"] == ["1", "0", "3", "b (+1.000)", "a (−0.250)"]


def test_a_precision_that_is_left_out_is_said_and_stands_beside_with_0(content: dict[str, Any]) -> None:
    """The first predicts nothing of b's tumour: 0 there, so that a, b and c differ by 0, 1 and -1/3; d has none."""
    other = content["comparisons"][0]["metrics"]
    assert (metric(other, "precision")["difference"], metric(other, "precision")["n"]) == (pytest.approx(-1 / 6), 2)
    with_0 = metric(other, "precision_or_0")
    assert (with_0["difference"], with_0["n"], with_0["test"]) == (pytest.approx(2 / 9), 3, None)
    table = content["tables"][1]
    row = next(row for row in table["rows"] if row["title"] == "Precision, 0 without a prediction")
    assert row["cells"] == ["+0.222", "3", "–", "–", "–", "–", "–"]
    (note,) = [note for note in table["notes"] if "predicts nothing (" in note]
    assert note.startswith("A case with a tumour in which a model predicts nothing (first in 1, other in 0, copy in 1)")


def test_without_such_a_case_there_is_no_such_row(tmp_path: Path) -> None:
    cases = {f"c{i}": ([(0, 15)], [(0, 20)]) for i in range(3)}
    folders = [write_evaluation(tmp_path / name, cases) for name in ("first", "other")]
    content = json.loads((compare(folders, tmp_path / "out", settings=SETTINGS).output / "comparison.json").read_text())
    assert "0 without a prediction" not in json.dumps(content["tables"])
    assert metric(content["comparisons"][0]["metrics"], "precision_or_0")["n"] == 3


def test_patients_with_several_cts_are_drawn_and_tested_whole(tmp_path: Path) -> None:
    """48 CTs of 24 patients, one better and one worse by the other model in each: no patient speaks for either."""
    names = [f"c{i:02d}" for i in range(48)]
    first = {name: ([(0, 80)], [(0, 100)]) for name in names}
    other = {name: ([(0, 85 if i % 2 else 75)], [(0, 100)]) for i, name in enumerate(names)}
    folders = [write_evaluation(tmp_path / name, cases) for name, cases in (("first", first), ("other", other))]
    cohort = tmp_path / "cohort.csv"
    cohort.write_text("case_id,patient\n" + "".join(f"{name},p{i // 2}\n" for i, name in enumerate(names)))
    settings = replace(SETTINGS, cluster="patient")
    result = compare(folders, tmp_path / "out", cohort=cohort, settings=settings)
    assert result.comparison.clusters == 24
    content = json.loads((result.output / "comparison.json").read_text())
    dice = metric(content["comparisons"][0]["metrics"], "dice")
    # 24 equal sums, all of one sign: the chance that signs agree, of 100,000 draws
    assert (dice["p"], dice["p_wilcoxon"]) == (pytest.approx(1e-5, abs=2e-5), None)
    assert dice["ci95"] is None, "every patient has the same difference, so that draws of patients have no width"
    text = (result.output / "comparison.md").read_text()
    assert "The pairs of a patient change places together, and lesions with them: 24 patients are tested" in text
    assert "percentile bootstrap over 24 patients with all of their cases" in text
    assert "Intervals are withheld under 20 patients." in text
    assert "permutation test of the lesions found of each patient" in text


def test_patients_of_one_ct_each_are_cases(tmp_path: Path) -> None:
    """Nothing is clustered then: Wilcoxon's and McNemar's tests and Wilson's intervals stay."""
    names = [f"c{i:02d}" for i in range(20)]
    first = {name: ([(0, 60 + i)], [(0, 100)]) for i, name in enumerate(names)}
    other = {name: ([(0, 70 + i)], [(0, 100)]) for i, name in enumerate(names)}
    folders = [write_evaluation(tmp_path / name, cases) for name, cases in (("first", first), ("other", other))]
    cohort = tmp_path / "cohort.csv"
    cohort.write_text("case_id,patient\n" + "".join(f"{name},p{i}\n" for i, name in enumerate(names)))
    result = compare(folders, tmp_path / "out", cohort=cohort, settings=replace(SETTINGS, cluster="patient"))
    content = json.loads((result.output / "comparison.json").read_text())
    assert content["clusters"] is None
    assert metric(content["comparisons"][0]["metrics"], "dice")["p_wilcoxon"] is not None
    assert metric(content["models"][0]["metrics"], "sensitivity", 0.5)["ci95"] is not None
    assert "over cases (no patient has two)" in (result.output / "comparison.md").read_text()


def test_subgroups_come_from_the_cohort_of_the_first_evaluation(content: dict[str, Any]) -> None:
    found = {(row["group"], row["subgroup"]): row for row in content["comparisons"][0]["subgroups"]}
    assert [(*key, row["cases"]) for key, row in found.items()] == [
        ("tumour", "with a tumour", 3),
        ("tumour", "without a tumour", 1),
        ("manufacturer", "Siemens", 2),
        ("manufacturer", "not stated", 2),
        ("tumour_size", "small", 3),
        ("tumour_size", "no lesion", 1),
        ("sex", "F", 2),
        ("sex", "M", 2),
    ]
    assert metric(found["sex", "F"]["metrics"], "dice")["difference"] == pytest.approx((-0.25 - 0.2) / 2)
    assert metric(found["sex", "M"]["metrics"], "fp_per_scan", 0.5)["difference"] == 0.5
    assert metric(found["tumour_size", "no lesion"]["metrics"], "dice")["difference"] is None
    assert all("p" not in entry for row in found.values() for entry in row["metrics"])


def test_markdown_opens_with_the_result_in_words(study: Path) -> None:
    lines = (study / "out" / "comparison.md").read_text().splitlines()
    assert lines[:3:2] == [
        "# Comparison of 3 models on 4 cases",
        "On 3 cases the mean Dice of other is 0.183 higher than that of first (no interval; permutation p = 1.00). "
        "Of 3 reference lesions it finds 3 at IoU > 0.5, first 2: its sensitivity is 0.333 higher (no interval; "
        "McNemar p = 1.00). "
        "It marks 0.500 more false positives per scan at IoU > 0.5 (no interval; permutation p = 0.50, Holm 1.00). "
        "Case by case its Dice is better in 1, worse in 3, and differs by less than 0.01 in 0 of 4.",
    ]
    assert not re.search("significan", "\n".join(lines), re.IGNORECASE)


def test_mean_and_ranks_that_disagree_are_said_in_words(tmp_path: Path) -> None:
    """The other finds 82 voxels of 100 instead of 80 in 33 cases (+0.012), and 5 in three (-0.79)."""
    first = {f"c{i:02d}": ([(0, 80)], [(0, 100)]) for i in range(36)}
    other = {name: ([(0, 82 if i < 33 else 5)], [(0, 100)]) for i, name in enumerate(first)}
    folders = [write_evaluation(tmp_path / name, cases) for name, cases in (("first", first), ("other", other))]
    (sentence,) = compare(folders, tmp_path / "out", settings=SETTINGS).sentences
    assert "the mean Dice of other is 0.055 lower than that of first" in sentence
    assert "Mean and ranks disagree: in a typical case its Dice is 0.012 higher" in sentence


def test_another_primary_endpoint_is_marked_and_an_unknown_one_refused(study: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, primary="sensitivity_0.5")
    result = compare([study / name for name in ("first", "other")], tmp_path / "out", settings=settings)
    content = json.loads((result.output / "comparison.json").read_text())
    titles = [row["title"] for row in content["tables"][1]["rows"]]
    assert [title for title in titles if "primary" in title] == ["Sensitivity (primary)"]
    assert "(Sensitivity at IoU > 0.5)" in " ".join(content["tables"][1]["notes"])
    with pytest.raises(BadInputError, match="primary is 'sensitivity'; choose one of dice, iou"):
        ComparisonSettings(primary="sensitivity")


def test_the_page_needs_no_other_file(study: Path) -> None:
    page = (study / "out" / "comparison.html").read_text()
    assert page.count("data:image/png;base64,") == page.count("<img ") == 2
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert str(study) not in page
    assert page.count("<table>") == page.count("<caption>") == 9
    assert 'font: 15px/1.45 system-ui, "Segoe UI"' in page  # the style is not escaped


def test_rows_of_cases(study: Path) -> None:
    first, *_ = found = rows(study, "comparison_cases.csv")
    assert len(found) == 2 * 4
    assert (first["case_id"], first["first"], first["other"], first["verdict"]) == ("a", "first", "other", "loss")
    assert [first[f"found_{side}_0.5"] for side in ("first", "other")] == ["1", "1"]
    assert [found[3][column] for column in ("dice_first", "dice_other", "difference", "fp_other_0.5")] == [
        "",
        "0.0",
        "",
        "1",
    ]


def test_rows_of_metrics(study: Path) -> None:
    found = rows(study, "comparison_metrics.csv")
    assert len(found) == 2 * (5 + 2 * 19 + 2 + 8 * 11)
    first = found[0]
    assert [first[name] for name in ("first", "other", "group", "cases", "metric", "n")] == [
        *("first", "other", "overall", "4", "dice", "3"),
    ]
    assert float(first["value_first"]) == pytest.approx(2 / 3)
    assert float(first["value_other"]) == pytest.approx(2.55 / 4)


def test_the_run_is_recorded(study: Path) -> None:
    (run,) = read_runs(study / "out")
    assert (run["stage"], run["seed"], run["counts"]) == ("compare", 711, {"cases": 4, "models": 3})
    assert [run["inputs"][key]["path"] for key in ("a", "b", "c", "cohort")] == [
        *("../first", "../other", "../copy", "../cohort.csv"),
    ]
    assert run["inputs"]["a"]["sha256"] == run["inputs"]["c"]["sha256"] != run["inputs"]["b"]["sha256"]
    assert set(run["outputs"]) == set(COMPARISON_FILES)


def test_again_it_writes_the_same(study: Path) -> None:
    names = [name for name in COMPARISON_FILES if not name.endswith("png")]  # as the SVGs of the same figures
    before = {name: (study / "out" / name).read_bytes() for name in names}
    compare([study / name for name in ("first", "other", "copy")], study / "out", settings=SETTINGS)
    assert {name: (study / "out" / name).read_bytes() for name in names} == before


def test_enough_cases_have_intervals(tmp_path: Path) -> None:
    folders = [
        random_evaluation(tmp_path / name, 24, skill, seed) for name, skill, seed in (("a", 0.9, 2), ("b", 0.3, 3))
    ]
    result = compare(folders, tmp_path / "out", settings=SETTINGS)
    difference = result.comparison.others[0].difference("dice")
    assert difference.ci95 is not None
    assert difference.ci95[0] < difference.value < difference.ci95[1]  # type: ignore[operator]
    assert difference.value == pytest.approx(
        result.comparison.results[1].value("dice").value - result.comparison.results[0].value("dice").value  # type: ignore[operator]
    )
    assert re.search(
        r"mean Dice of b is 0\.\d{3} lower than that of a \(95% CI 0\.\d{3} to 0\.\d{3} lower; ", result.sentences[0]
    )


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("first", {}, "holds results of evaluate; give another folder for the results"),
        (".", {}, "results of evaluate are below it"),
        ("out", {"settings": ComparisonSettings(cluster="institution")}, "no case has an institution"),
        ("out", {"model_folders": {"x": Path()}}, "model folder of 'x': no model is called so; they are first, other"),
        ("out", {"cohort": Path("nowhere.csv")}, "nowhere.csv: cannot be read"),
    ],
)
def test_bad_calls_are_refused(study: Path, output: str, options: dict[str, Any], message: str) -> None:
    before = (study / "out" / "comparison.json").read_bytes()
    with pytest.raises(BadInputError) as caught:
        compare([study / "first", study / "other"], study / output, **options)
    assert message in str(caught.value)
    assert (study / "out" / "comparison.json").read_bytes() == before
    assert (study / "first" / "cases.csv").is_file()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tie_margin": -0.1}, "tie_margin is -0.1; give a number from 0 to less than 1"),
        ({"tie_margin": float("nan")}, "tie_margin is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"cluster": "scan"}, "cluster is 'scan'; choose one of case, patient, institution"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError) as caught:
        ComparisonSettings(**settings)
    assert message in str(caught.value)


def test_the_papers_results_do_not_stand_beside_phantoms(study: Path, tmp_path: Path) -> None:
    """Of cases that nothing is recorded of, who asks for them must know."""
    shutil.copytree(study / "first", tmp_path / "drawn")
    path = tmp_path / "drawn" / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"subjects": "phantoms"}))
    with pytest.raises(BadInputError, match="drawn: its cases are phantoms, the paper's are patients; leave --publ"):
        compare([study / "other", tmp_path / "drawn"], tmp_path / "out", settings=SETTINGS)
    assert not (tmp_path / "out").exists()
    compare(
        [study / "other", tmp_path / "drawn"], tmp_path / "unpublished", settings=replace(SETTINGS, published=False)
    )
    assert (
        "<h1>Comparison of 2 models on 4 cases (phantoms)</h1>"
        in (tmp_path / "unpublished/comparison.html").read_text()
    )


def test_command(study: Path) -> None:
    arguments = ["compare", str(study / "first"), str(study / "other"), "-o", str(study / "command")]
    arguments += ["--names", "ours", "--names", "default", "--ci-always", "--tie-margin", "0.3"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "On 3 cases the mean Dice of default is 0.183 higher than that of ours (95% CI " in result.stdout
    assert "better in 1, worse in 1, and differs by less than 0.3 in 2 of 4" in result.stdout
    assert result.stdout.splitlines()[-1].strip() == f"look at {study / 'command' / 'comparison.html'}"
    assert "published" not in (study / "command" / "comparison.md").read_text().casefold()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["first"], "error: 1 evaluation given"),
        (["first", "nowhere"], "no such folder; give a folder that nnunet_amt evaluate wrote"),
        (["first", "other", "--cluster", "x"], "error: --cluster x: must be one of case, patient, institution"),
        (["first", "other", "--model-folder", "x"], "error: --model-folder x: must be NAME=FOLDER"),
        (["first", "other", "--tie-margin", "2"], "error: tie_margin is 2; give a number from 0"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(
    study: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(study)
    result = CliRunner().invoke(app, ["compare", *arguments, "-o", "refused"])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (study / "refused").exists()
