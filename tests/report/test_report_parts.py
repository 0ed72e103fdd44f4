"""The small parts: our Markdown read back, words for figures, the policy, pictures."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path

import pytest

from nnunet_amt.errors import ImageReadError
from nnunet_amt.report.content_policy import content_policy, source_hash
from nnunet_amt.report.markdown_reader import MarkdownTable, read_markdown
from nnunet_amt.report.pictures import read_picture
from nnunet_amt.report.study_content import shown_path
from nnunet_amt.report.text_table import comparison_table, markdown_table
from nnunet_amt.writing.numbers import duration, file_size, moment, number


def test_markdown_of_ours_is_read_back(tmp_path: Path) -> None:
    lines = [
        "# Title",
        "",
        "- **Bold**: a note.",
        "## Part",
        "| A | B |",
        "| --- | ---: |",
        "| a\\|b | 2 |",
        "",
        "Told.",
    ]
    (tmp_path / "file.md").write_text("\n".join(lines))
    first, second = read_markdown(tmp_path / "file.md")
    assert (first.heading, first.notes, first.tables) == ("Title", ("Bold: a note.",), ())
    assert (second.heading, second.notes) == ("Part", ("Told.",))
    assert second.tables == (MarkdownTable(("A", "B"), (("a|b", "2"),)),)
    assert read_markdown(tmp_path / "none.md") == ()


def test_variable_and_value_name_a_row_together() -> None:
    table = markdown_table(
        "T", MarkdownTable(("Variable", "Value", "n"), (("sex", "female", "3"), ("cases", "", "5"))), heads=2
    )
    assert [row.title for row in table.rows] == ["sex: female", "cases"]
    assert table.columns == ("Variable", "n")


def test_a_table_of_the_comparison_keeps_its_groups() -> None:
    rows = [{"kind": "group", "title": "G"}, {"kind": "row", "title": "Dice", "cells": ["0.8"]}]
    table = comparison_table({"title": "T", "heading": "Metric", "columns": ["a"], "notes": ["n"], "rows": rows})
    assert (table.columns, table.notes) == (("Metric", "a"), ("n",))
    assert [(row.kind, row.title, row.cells) for row in table.rows] == [("group", "G", ()), ("row", "Dice", ("0.8",))]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4 s"), (12.0, "12 s"), (200.0, "3 min 20 s"), (18120.0, "5 h 2 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_moments_and_numbers() -> None:
    assert [file_size(n) for n in (12_000, 3_400_000, 41_000_000, 2e9)] == ["12 kB", "3.4 MB", "41 MB", "2.0 GB"]
    assert moment("2026-11-21T13:05:59+01:00") == "2026-11-21 12:05 UTC"
    assert moment("some day") == "some day"
    assert number(1234567) == "1\u202f234\u202f567"


def test_the_policy_holds_the_hashes_of_its_blocks() -> None:
    digest = b64encode(hashlib.sha256(b"a{}").digest()).decode()
    assert source_hash("a{}") == f"'sha256-{digest}'"
    policy = content_policy([], ["a{}"], {"img-src": ["blob:"], "worker-src": ["blob:"]})
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script-src 'none'" in policy
    assert "img-src data: blob:" in policy
    assert policy.endswith("worker-src blob:")


def test_only_a_png_is_a_picture(tmp_path: Path) -> None:
    assert read_picture(tmp_path / "none.png", "nothing") is None
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ImageReadError, match=r"text\.png: is not a PNG"):
        read_picture(tmp_path / "text.png", "nothing")


def test_a_path_outside_of_the_study_is_told_by_its_last_name(tmp_path: Path) -> None:
    assert shown_path(tmp_path / "study" / "predictions", tmp_path / "study") == "predictions"
    assert shown_path(tmp_path / "jane" / "predictions", tmp_path / "study") == "predictions"
    assert shown_path(tmp_path / "study" / "raw" / "labelsTs", tmp_path / "study") == "raw/labelsTs"
