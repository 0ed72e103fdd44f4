"""What the screen shows of an evaluation."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest
import typer
from rich.console import Console

from nnunet_amt.cli import console
from nnunet_amt.cli.console import overall_table
from nnunet_amt.errors import BadInputError, DiskFullError
from nnunet_amt.evaluation import EvaluationSettings
from nnunet_amt.evaluation.measure.case import CaseEvaluation
from nnunet_amt.evaluation.summary.summary import summarise
from tests.evaluation.builders import evaluated, row_mask

FOUND = evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20)))
MISSED = evaluated(row_mask(60, (40, 55)), row_mask(60, (0, 20)))


def shown(cases: list[CaseEvaluation], subjects: str | None = "patients") -> list[str]:
    settings = EvaluationSettings(bootstrap_resamples=1000)
    text = io.StringIO()
    Console(file=text, width=80).print(overall_table(summarise(cases, settings=settings), subjects=subjects))
    return text.getvalue().splitlines()


def test_intervals_stand_beside_the_published_ones_from_twenty_cases_on() -> None:
    lines = shown([FOUND] * 19 + [MISSED])
    dice = next(line for line in lines if "Dice" in line)
    # 1 of 20 missed: a resample misses 0 to 3 of 20 but for 1.6% of them, so the mean is 0.85 to 1.
    assert "0.95 (0.85–1.00)" in dice
    assert "0.82 (0.79–0.84)" in dice
    assert "published** (164 cases)" in lines[1]


def test_the_published_ones_stand_beside_patients_alone() -> None:
    for subjects, said in (("phantoms", "phantoms: no published"), (None, "not on record as patients: no published")):
        text = " ".join(" ".join(shown([FOUND, MISSED], subjects)).split())
        assert said in text
        assert "0.82" not in text
        assert "other patients" not in text


def test_few_cases_have_none_and_it_says_from_when_on() -> None:
    lines = shown([FOUND, MISSED])
    dice = next(line for line in lines if "Dice" in line)
    assert "0.50  " in dice
    assert dice.count("(") == 1
    assert "from 20 cases on" in "".join(lines)


def test_the_specificity_stands_there_where_cases_have_no_tumour() -> None:
    """Of one scan without a tumour none is free: Wilson from 0 to 0.79."""
    found, marked = (evaluated(row_mask(60, (0, 20)), row_mask(60, *runs)) for runs in (((0, 20),), ()))
    lines = shown([found, marked])
    [row] = [line for line in lines if "specificity by scan" in line]
    assert "0.00 (0.00–0.79)" in row
    assert "1 without a tumour: Dice 0 where something is predicted, else none" in " ".join(" ".join(lines).split())
    assert not any("specificity" in line for line in shown([found]))


def test_what_is_undefined_is_a_dash() -> None:
    empty = evaluated(row_mask(60), row_mask(60))
    assert sum("│ –" in line for line in shown([empty])) == 5  # all but the false positives per scan


def test_what_to_type_next_is_what_a_shell_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder may be named with blanks, and as if it were a command."""
    folder = "my study; rm -rf $HOME"
    console.show_next("nnunet_amt", "evaluate", Path(folder), "-o", "evaluation", note="    # then compare")
    line = capsys.readouterr().out.splitlines()[1]
    assert line == f"  nnunet_amt evaluate '{folder}' -o evaluation    # then compare"
    assert shlex.split(line, comments=True)[2] == folder


def test_names_of_files_are_one_line_and_move_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    @console.one_line_errors
    def fail() -> None:
        raise BadInputError("a\nb\x1b[2J\u202ec/Köln 1\u00a0: damaged")

    with pytest.raises(typer.Exit):
        fail()
    assert capsys.readouterr().err == "error: a\\nb\\x1b[2J\\u202ec/Köln 1\u00a0: damaged\n"
    console.show_written([Path("a\nb")])
    assert capsys.readouterr().out == "written\n  a\\nb\n"


def test_a_full_disk_below_the_output_is_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that prints its result, into a file."""

    @console.one_line_errors
    def write() -> None:
        with open("/dev/full", "w") as full:  # noqa: PTH123
            full.write("x")

    with pytest.raises(typer.Exit) as raised:
        write()
    assert raised.value.exit_code == DiskFullError.exit_code == 1
    assert "free some space" in capsys.readouterr().err
