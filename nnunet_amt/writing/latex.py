r"""tables.tex: the result tables for \input into a LaTeX document that loads array and booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nnunet_amt.base.files import write_text
from nnunet_amt.evaluation.results.tables import ResultTable, ResultTables, TableRow

# of a width of its own, so that a long name or interval is broken
_TITLE_COLUMN = r">{\raggedright\arraybackslash}p{2.7cm}"
_CELL_COLUMN = r">{\raggedright\arraybackslash}p{2.95cm}"
_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "–": "--",
}
_ANY_SPECIAL = re.compile("[" + re.escape("".join(_SPECIAL)) + "]")
_LINE_BREAKS = re.compile(r"\s+")


def write_tables_latex(path: Path, tables: ResultTables) -> None:
    """Write `tables_latex` to a file."""
    write_text(path, tables_latex(tables))


def tables_latex(tables: ResultTables) -> str:
    r"""Lay out the tables as two table environments of the width of an A4 page with margins of 2 cm.

    They need ``\usepackage{array,booktabs}``; names outside Latin script need LuaLaTeX or XeLaTeX.
    """
    head = [
        f"% {_LINE_BREAKS.sub(' ', tables.title)}; needs \\usepackage{{array,booktabs}} and a text width of 17 cm",
        *(f"% {_LINE_BREAKS.sub(' ', note)}" for note in tables.left_out),
    ]
    return "\n".join([*head, *(_environment(table, tables.notes) for table in tables.tables)]) + "\n"


def escape_latex(text: str) -> str:
    """Write text so that LaTeX sets it as it is."""
    return _ANY_SPECIAL.sub(lambda found: _SPECIAL[found[0]], _LINE_BREAKS.sub(" ", text))


def _environment(table: ResultTable, notes: tuple[str, ...]) -> str:
    columns = " & ".join(["Subgroup", "Cases", *map(escape_latex, table.columns)])
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escape_latex(table.title)}}}",
            rf"\begin{{tabular}}{{@{{}}{_TITLE_COLUMN}r*{{{len(table.columns)}}}{{{_CELL_COLUMN}}}@{{}}}}",
            r"\toprule",
            rf"{columns} \\",
            r"\midrule",
            *_rows(table),
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\smallskip\raggedright",
            *(escape_latex(note) for note in notes),
            r"\end{table}",
        ]
    )


def _rows(table: ResultTable) -> Iterator[str]:
    for row in table.rows:
        if row.kind == "group":
            yield r"\addlinespace"
            yield rf"\multicolumn{{{len(table.columns) + 2}}}{{@{{}}l}}{{\textbf{{{escape_latex(row.title)}}}}} \\"
        else:
            yield " & ".join([_title(row), str(row.cases), *map(escape_latex, row.cells)]) + r" \\"


def _title(row: TableRow) -> str:
    # the braces keep a name that begins with [ from being read as the option of the line before
    return r"\quad\textit{published}" if row.kind == "published" else f"{{{escape_latex(row.title)}}}"
