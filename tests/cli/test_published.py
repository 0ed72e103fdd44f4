"""The published tables on the screen, and the check of them and of a table of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt import paper
from nnunet_amt.cli.commands import app

runner = CliRunner()


def test_the_command_shows_all_four_tables() -> None:
    result = runner.invoke(app, ["published"])
    assert result.exit_code == 0
    for words in ("Table 1", "58.0 (21–85)", "Table 2", "Fujifilm", "Table 3", "0.82±0.15", "Table 4"):
        assert words in result.output
    text = " ".join(result.output.split())
    assert "Do the rows add up? The manufacturer rows of Table 3 do not average to the overall row." in text


def test_the_check_ends_with_0_and_names_the_rows() -> None:
    result = runner.invoke(app, ["published", "--check"])
    assert result.exit_code == 0
    assert "The manufacturer rows of Table 3 do not average to the overall row" in result.output
    assert result.output.count("beyond") == 4
    assert result.output == runner.invoke(app, ["published", "--paper", "takemura", "--check"]).output


def test_the_tables_are_in_the_package_as_json() -> None:
    tables = json.loads(Path(paper.__file__).with_name("published_tables.json").read_text(encoding="utf-8"))
    assert tables["table_3"][0]["dice"] == [0.82, 0.15, 0.79, 0.84]
    assert tuple(tables["table_1"]["cases"].values()) == (485, 62, 164)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("tet-risk", ["fonc.2025.1616816", "Table 1: patients", "56.85±9.702", "0.7908–0.9604", "Junior 3", "0.885"]),
        ("wang", ["Wang et al.", "Table 2: diagnoses", "TSCC", "15.89±7.75", "0.818–0.561", "14 classes"]),
    ],
)
def test_the_other_papers_are_shown(name: str, shown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnunet_amt.cli.console.out._width", 250)  # COLUMNS counts when the console is made
    result = runner.invoke(app, ["published", "--paper", name])
    assert result.exit_code == 0
    assert [words for words in shown if words not in result.output] == []
    assert "Do the figures fit together?" in result.output


@pytest.mark.parametrize(
    ("name", "line", "last"),
    [
        ("takemura", "doubtful  Table 3, Canon Medical Systems, Dice 0.89", "4 that cannot be, 3 doubtful, 0 notices."),
        ("tet-risk", "cannot be  Table 1, contour, p, testing LRT", "4 that cannot be, 2 doubtful, 4 notices."),
        ("wang", "cannot be  Text, male patients, number 501: 197", "14 that cannot be, 10 doubtful, 2 notices."),
    ],
)
def test_findings_are_a_line_each_and_counted(name: str, line: str, last: str) -> None:
    result = runner.invoke(app, ["published", "--paper", name, "--check"])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert sum(one.startswith(line) for one in lines) == 1
    assert lines[-1] == f"found: {last}"
    shown = sum(one.startswith(("cannot be  ", "doubtful  ", "notice  ")) for one in lines)
    assert shown == sum(int(word) for word in last.replace(",", "").split() if word.isdigit())


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    """36 of 41 and 14 of 20 are 50 of 61: 0.820, and 0.857 of 42; 0.85 lies outside both."""
    table = tmp_path / "mine.csv"
    table.write_text("row,n_positive,n_negative,sensitivity,specificity,accuracy\na,41,20,0.878,0.700,0.820\n")
    result = runner.invoke(app, ["published", "--csv", str(table)])
    assert (result.exit_code, result.output) == (0, "found: 0 that cannot be, 0 doubtful, 0 notices.\n")
    table.write_text("row,n_positive,n_negative,sensitivity,specificity,accuracy\na,41,20,0.878,0.700,0.951\n")
    result = runner.invoke(app, ["published", "--csv", str(table), "--check"])
    assert result.exit_code == 0
    assert result.output.startswith("cannot be  a, accuracy 0.951: the accuracy is an average")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("row,auc\n", "has columns but no row"),
        ("row,sensitivty\na,0.8\n", "'sensitivty': is unknown; did you mean 'sensitivity'?"),
        ("row,sensitivity\na,high\n", "line 2, column 'sensitivity': 'high' is no number"),
    ],
)
def test_a_bad_table_is_one_line_and_exit_code_2(tmp_path: Path, content: str, words: str) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(content)
    result = runner.invoke(app, ["published", "--csv", str(table)])
    assert result.exit_code == 2
    assert words in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--paper", "smith"], "--paper smith: must be one of takemura, tet-risk, wang"),
        (["--paper", "wang", "--csv", "x.csv"], "two tables to check; give one of them"),
        (["--csv", "missing.csv"], "missing.csv: cannot be read"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(words: list[str], told: str) -> None:
    result = runner.invoke(app, ["published", *words])
    assert result.exit_code == 2
    assert told in result.output
    assert len(result.output.splitlines()) == 1


def test_the_help_has_every_column_of_a_table() -> None:
    from nnunet_amt.statistics.consistency.table_file import COLUMNS

    shown = " ".join(runner.invoke(app, ["published", "--help"], env={"COLUMNS": "120"}).output.split())
    limits = {"auc_low", "auc_high", "mean_low", "mean_high"}
    columns = [c for c in COLUMNS if not c.endswith(("_low", "_high")) or c in limits]
    assert [column for column in (*columns, "count_NAME", "percent_NAME", "size_NAME") if column not in shown] == []
