"""Options that mean the same are spelled the same in every command."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from nnunet_amt.cli.commands import GROUPS, app
from nnunet_amt.cli.options import DatasetArgument, NnunetCommand, Output

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
SPELLINGS = {
    "output": ["--output", "-o"],
    "dataset": ["--dataset", "-d"],
    "jobs": ["--jobs", "-j"],
    "device": ["--device"],
    "trainer": ["--trainer"],
    "fold": ["--fold"],
    "cohort": ["--cohort"],
    "executor": ["--executor"],
    "evaluation": ["--evaluation"],
    "seed": ["--seed"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_one_meaning_has_one_spelling(name: str) -> None:
    spelled = {option.name: option.opts for option in COMMANDS[name].params if option.param_type_name == "option"}
    shared = spelled.keys() & SPELLINGS
    assert {option: spelled[option] for option in shared} == {option: SPELLINGS[option] for option in shared}


def test_every_command_is_listed_in_a_group() -> None:
    listed = [command.__name__.replace("_", "-") for commands in GROUPS.values() for command in commands]
    assert listed == list(COMMANDS)
    shown = CliRunner().invoke(app, ["--help"]).output
    assert [shown.index(group) for group in GROUPS] == sorted(shown.index(f"─ {group} ─") + 2 for group in GROUPS)


def run(*words: str) -> tuple[int, str]:
    """Run a command that shows the dataset and the folder it understood and the words that it would pass on."""
    passing = typer.Typer()

    @passing.command(cls=NnunetCommand)
    def command(context: typer.Context, dataset: DatasetArgument, output: Output = Path()) -> None:
        print(dataset, output, *context.args)

    result = CliRunner().invoke(passing, words)
    return result.exit_code, result.output.strip()


@pytest.mark.parametrize(
    "words",
    [
        ("711", "-o", "a", "-part_id", "-1", "--c"),
        ("-d", "711", "--output", "a", "-part_id", "-1", "--c"),
        ("-part_id", "-1", "--c", "--dataset", "711", "-o", "a"),
        ("-part_id", "-1", "--dataset=711", "-o", "a", "--c"),
    ],
)
def test_a_dataset_is_the_first_word_or_an_option_and_the_rest_is_passed_on(words: tuple[str, ...]) -> None:
    """-part_id is one word, not -d with some others."""
    assert run(*words) == (0, "711 a -part_id -1 --c")


@pytest.mark.parametrize("words", [(), ("-step_size", "0.7"), ("1000",), ("-d", "1000"), ("-d",)])
def test_a_dataset_that_is_missing_or_wrong_is_refused(words: tuple[str, ...]) -> None:
    exit_code, shown = run(*words)
    assert exit_code == 2
    assert "DATASET" in shown
