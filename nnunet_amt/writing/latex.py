r"""Tables for \input into a LaTeX document that loads array and booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nnunet_amt.writing.table import Document, Row, Table

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


def latex_document(document: Document) -> str:
    r"""Lay out each table as a table environment of the width of an A4 page with margins of 2 cm, notes below it.

    The first column after the heads holds a short number. They need ``\usepackage{array,booktabs}``; names outside
    Latin script need LuaLaTeX or XeLaTeX.
    """
    head = [
        f"% {_LINE_BREAKS.sub(' ', document.title)}; needs \\usepackage{{array,booktabs}} and a text width of 17 cm",
        *(f"% {_LINE_BREAKS.sub(' ', sentence)}" for sentence in document.left_out),
    ]
    return "\n".join([*head, *(_environment(table, document.notes) for table in document.tables)]) + "\n"


def escape_latex(text: str) -> str:
    """Write text so that LaTeX sets it as it is."""
    return _ANY_SPECIAL.sub(lambda found: _SPECIAL[found[0]], _LINE_BREAKS.sub(" ", text))


def _environment(table: Table, notes: tuple[str, ...]) -> str:
    columns = " & ".join(map(escape_latex, (table.heading, *table.columns)))
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escape_latex(table.title)}}}",
            rf"\begin{{tabular}}{{@{{}}{_TITLE_COLUMN}r*{{{len(table.columns) - 1}}}{{{_CELL_COLUMN}}}@{{}}}}",
            r"\toprule",
            rf"{columns} \\",
            r"\midrule",
            *_rows(table),
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\smallskip\raggedright",
            *map(escape_latex, (*table.notes, *notes)),
            r"\end{table}",
        ]
    )


def _rows(table: Table) -> Iterator[str]:
    for row in table.rows:
        if row.kind == "group":
            yield r"\addlinespace"
            yield rf"\multicolumn{{{len(table.columns) + 1}}}{{@{{}}l}}{{\textbf{{{escape_latex(row.title)}}}}} \\"
        else:
            yield " & ".join([_title(row), *map(escape_latex, row.cells)]) + r" \\"


def _title(row: Row) -> str:
    # the braces keep a name that begins with [ from being read as the option of the line before
    title = escape_latex(row.title)
    return rf"\quad\textit{{{title}}}" if row.kind == "published" else f"{{{title}}}"
