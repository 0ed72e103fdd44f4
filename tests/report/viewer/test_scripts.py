"""The page's scripts that need no browser, run by Node where there is one."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import nnunet_amt.report.viewer
from nnunet_amt.base.csv_cells import guarded_cell
from nnunet_amt.evaluation.summary.triage import read_triage

ASSETS = Path(nnunet_amt.report.viewer.__file__).parent / "assets"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node.js; the browser tests cover the same in Chromium")


def run(scripts: tuple[str, ...], expression: str, given: Any = None) -> Any:
    """Give the value of an expression in which `amt` holds what the scripts define."""
    code = "globalThis.window = globalThis;\n"
    code += "".join((ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in scripts)
    code += f"\nconst amt = window.amtViewer, given = {json.dumps(given)};"
    code += f"\nprocess.stdout.write(JSON.stringify({expression}));"
    shown = subprocess.run([str(NODE), "-"], input=code, capture_output=True, text=True, check=True)
    return json.loads(shown.stdout)


NOTES = (
    "",
    "plain",
    'says "yes", twice',
    "=1+1",
    "+1",
    "-1",
    "@x",
    "'=1",
    "''=1",
    "'quoted'",
    " spaces ",
    "＝1",
    "\n=1",
    "-5",
    "'-5",
    "a\nb",
    "\t=1",
    "é",
)


def test_notes_survive_the_way_out_and_back_and_are_no_formulas(tmp_path: Path) -> None:
    rows = [
        {"case_id": f"=c,{i}", "lesion": 1, "voxels": 10 + i, "decision": "accept", "note": note}
        for i, note in enumerate(NOTES)
    ]
    text, back = run(("triage_csv",), "[amt.toCsv(given), amt.fromCsv(amt.toCsv(given))]", rows)
    assert [row["note"] for row in back] == list(NOTES)
    cells = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["case_id"] for row in cells] == [f"'{row['case_id']}" for row in rows]
    assert [row["note"] for row in cells] == list(map(guarded_cell, NOTES)), "as in every other file of ours"
    path = tmp_path / "decisions.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert {case_id for case_id, _ in read_triage(path).verdicts} == {row["case_id"] for row in rows}


def test_a_file_that_a_spreadsheet_saved_is_read_and_another_one_refused() -> None:
    text = '\ufeffcase_id,lesion,voxels,decision\r\n"a",1,10,accept\r\n\r\n'
    assert run(("triage_csv",), "amt.fromCsv(given)", text) == [
        {"case_id": "a", "lesion": "1", "voxels": "10", "decision": "accept", "note": ""}
    ]
    refused = "(() => { try { amt.fromCsv(given); } catch (error) { return error.message; } })()"
    assert "no column voxels" in run(("triage_csv",), refused, "case_id,lesion,decision\na,1,accept\n")


def test_outlines_go_round_voxels_and_holes() -> None:
    def outlines(*rows: str) -> list[list[list[int]]]:
        slice_ = {"width": len(rows[0]), "height": len(rows), "filled": [int(c) for row in rows for c in row]}
        loops: list[list[list[int]]] = run(("contours",), "amt.outlines(given)", slice_)
        return loops

    (loop,) = outlines("000", "010", "000")
    assert sorted(loop) == [[1, 1], [1, 2], [2, 1], [2, 2]]
    outer, inner = sorted(outlines("111", "101", "111"), key=len, reverse=True)
    assert (len(outer), len(inner)) == (12, 4)  # 3 voxels a side; the hole is one
    assert outlines("00", "00") == []
    assert sum(map(len, outlines("10", "01"))) == 8  # two voxels that touch at a corner


def test_a_slice_is_cut_across_each_axis() -> None:
    # 2 x 3 x 4 voxels (x, y, z), only (1, 2, 3) is predicted (2) and referenced (1)
    labels = {"size": [2, 3, 4], "voxels": [0] * 23 + [3]}
    for axis, index, width, height in ((0, 1, 3, 4), (1, 2, 2, 4), (2, 3, 2, 3)):
        cut = run(("contours",), f"amt.maskSlice(given, {axis}, {index}, 2)", labels)
        filled = [value for _, value in sorted(cut["filled"].items(), key=lambda item: int(item[0]))]
        assert (cut["width"], cut["height"]) == (width, height)
        assert filled == [0] * (width * height - 1) + [1]
