"""The result tables as LaTeX and HTML."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nnunet_amt.evaluation.results.tables import result_tables
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.evaluation.summary.summary import summarise
from nnunet_amt.writing.table import Document
from nnunet_amt.writing.table_formats import escape_latex, escape_markdown, html_document, latex_document
from tests.evaluation.builders import evaluated, row_mask

SETTINGS = EvaluationSettings(bootstrap_resamples=100)
FOUND = evaluated(row_mask(60, (0, 20)), row_mask(60, (0, 20)))
MISSED = evaluated(row_mask(60), row_mask(60, (0, 20)))
# as a hospital may be called, or a joker calls it
NASTY = "[2] A&B 100% $5 #1 a_b {c} ~d^e \\f|g <b>&amp;</b> >5 Köln"


def nasty_tables() -> Document:
    summary = summarise([FOUND, MISSED], settings=SETTINGS)
    subgroups = [("sex", "F", summary), ("my_column", NASTY, summary)]
    return result_tables(settings=SETTINGS, overall=summary, subgroups=subgroups, subjects="patients")


def test_latex_special_characters_are_set_as_they_are() -> None:
    assert escape_latex("a_b & 5% #1 $2 {x}") == r"a\_b \& 5\% \#1 \$2 \{x\}"
    assert escape_latex("\\~^|") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}\textbar{}"
    assert escape_latex("0.5±0.1 (0–1), > 5\n%") == r"0.5$\pm$0.1 (0--1), $>$ 5 \%"


def test_latex_rows_have_as_many_cells_as_columns() -> None:
    text = latex_document(nasty_tables())
    lines = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert len(lines) == 2 * (1 + 2 + 1 + 1)  # head, overall with the published row, F, the joker's; in two tables
    assert all(len(re.findall(r"(?<!\\)&", line)) == 5 for line in lines)
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_and_fits_the_page(tmp_path: Path) -> None:
    (tmp_path / "tables.tex").write_text(latex_document(nasty_tables()), encoding="utf-8")
    (tmp_path / "main.tex").write_text(
        r"\documentclass{article}\usepackage[a4paper,margin=2cm]{geometry}\usepackage{array,booktabs}"
        r"\begin{document}\input{tables.tex}\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Overfull \\hbox" not in done.stdout


class Cells(HTMLParser):
    """Collect the rows of a page, and whatever it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def test_html_holds_the_cells_as_they_are_and_loads_nothing() -> None:
    tables = nasty_tables()
    page = Cells()
    page.feed(html_document(tables))
    assert (page.links, "script" in page.tags, "b" in page.tags) == ([], False, False)
    titles = [row[0] for row in page.rows]
    first = ["Subgroup", "Overall", "published", "Sex", "F", "my_column", NASTY]
    assert titles == first * 2
    assert page.rows[1] == ["Overall", *tables.tables[0].rows[0].cells]
    assert page.rows[1][1] == "2"
    assert [len(row) for row in page.rows] == [6, 6, 6, 1, 6, 1, 6] * 2


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("a|b", r"a\|b"),
        ("a\\|b", r"a\\\|b"),  # a backslash before the bar would end the cell after all
        ("a\nb\r\n| c |", r"a b \| c \|"),
        ("<script>alert(1)</script>", r"\<script>alert(1)\</script>"),
        ("[x](javascript:alert(1))", r"[x]\(javascript:alert(1))"),
        ("![x](http://a.b/c.png)", r"![x]\(http://a.b/c.png)"),
        ("[x]: http://a.b", r"[x]\: http://a.b"),
        ("&lt;b&gt; `c`", r"\&lt;b\&gt; \`c\`"),
        (
            "small (< 5 cm), IoU > 0.5, 0.80 [3], **bold**, a_b, A&B 3 & 4",
            "small (< 5 cm), IoU > 0.5, 0.80 [3], **bold**, a_b, A\\&B 3 & 4",
        ),
    ],
)
def test_markdown_of_other_peoples_texts_is_text(given: str, written: str) -> None:
    """What is not in CommonMark's way stays as it is."""
    assert escape_markdown(given) == written
