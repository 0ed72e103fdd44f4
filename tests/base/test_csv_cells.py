"""No cell of a CSV file of ours is a formula to a spreadsheet, and every text comes back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.base.csv_cells import guarded_cell, unguarded_cell
from nnunet_amt.base.files import numbered_rows, read_rows, write_csv

FORMULAS = [
    *("=1+1", "+1", "+49 30 1", "-2+3", "-cmd|' /C calc'!A0", "@SUM(A1)", "-", "−5"),
    *("\t=1", "\r=1", "\n=1", "\tx", "\rx", "\nx", "  =1", "\u00a0=1", "\u200b=1", "\ufeff=1", "\x00=1"),
    *("＝1+1", "＋1", "－1", "＠SUM", "﹦1", "﹢1", "﹣1", "﹫x"),
    *("-1e5x", "--1", "-1-1", "-１", "-=1", "-inf"),
]
PLAIN = ["P001", "a=b", "", "'", "it's", "1+1", "-5", "-0.25", "-1e-05", "'-5", "– (0.1–0.9)", "±1", "< 0.001"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert guarded_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_and_negative_numbers_stay(text: str) -> None:
    assert guarded_cell(text) == text


@pytest.mark.parametrize("text", [*FORMULAS, *PLAIN])
@pytest.mark.parametrize("apostrophes", range(3))
def test_every_text_comes_back(text: str, apostrophes: int) -> None:
    """Also one that somebody has guarded before: it gets one apostrophe more."""
    given = "'" * apostrophes + text
    assert unguarded_cell(guarded_cell(given)) == given


def test_numbers_and_nothing() -> None:
    assert [guarded_cell(value) for value in (-3, -0.5, float("-inf"), None)] == ["-3", "-0.5", "-inf", ""]


def test_files_are_guarded_and_read_back_equal(tmp_path: Path) -> None:
    """In the column of case ids too, and in the names of columns, which a cohort may bring along."""
    given = [text for text in (*FORMULAS, *PLAIN) if text and "\x00" not in text]
    rows = [{"case_id": text, "=note": text, "x": -1.5} for text in given]
    write_csv(tmp_path / "t.csv", ("case_id", "=note", "x"), rows)
    written = (tmp_path / "t.csv").read_bytes().decode()
    assert written.startswith("case_id,'=note,x\n")
    assert read_rows(tmp_path / "t.csv") == [{**row, "x": "-1.5"} for row in rows]
    stripped = [cells for _, cells in numbered_rows(tmp_path / "t.csv", "the table")][1:]
    assert stripped == [[text, text, "-1.5"] for text in given]  # texts that end in no blank
