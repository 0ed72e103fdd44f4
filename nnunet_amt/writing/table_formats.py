r"""Tables, sentences and pictures as Markdown, as one HTML page that needs nothing else, and as LaTeX to \input."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from nnunet_amt.writing.table import Document, RowKind, Table

_STYLE = """\
body { font: 15px/1.45 system-ui, "Segoe UI", Arial, sans-serif; color: #1a1a1a; margin: 2rem auto; max-width: 80rem;
       padding: 0 1rem; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; margin: .75rem 0 2rem; }
caption { font-weight: 600; font-size: 1.1rem; text-align: left; padding: .4rem 0; }
th, td { padding: .25rem .6rem; text-align: left; font-weight: normal; font-variant-numeric: tabular-nums;
         white-space: nowrap; }
thead th { border-bottom: 1px solid; font-weight: 600; white-space: normal; vertical-align: bottom; }
.number { text-align: right; }
.group th { font-weight: 600; padding-top: .8rem; }
.published { color: #595959; font-style: italic; }
.published th { padding-left: 1.7rem; }
.wide { overflow-x: auto; }
li { margin: .2rem 0; }
@media print { body { font-size: 8pt; margin: 0; max-width: none; } th, td { padding: 1pt 3pt; } }"""
_PICTURE_STYLE = """
img { max-width: 100%; height: auto; background: #fff; }
figure { margin: 1rem 0; }
.pictures { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
figure img { width: 22rem; }
figure.wide-picture img { width: 44rem; }
@media print { table, figure { break-inside: avoid; } }"""
_TEMPLATE = """\
{%- macro class(number) %}{% if number in number_columns %} class="number"{% endif %}{% endmacro -%}
{%- macro bullets(notes) %}<ul>
{% for note in notes %}<li>{{ note }}</li>
{% endfor %}</ul>
{% endmacro -%}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ document.title }}</title>
<style>
{{ style | safe }}
</style>
</head>
<body>
<h1>{{ document.title }}</h1>
{% for sentence in document.sentences %}<p>{{ sentence }}</p>
{% endfor %}
{%- if document.pictures %}
<div class="pictures">
{% for picture in document.pictures %}<figure{% if picture.wide %} class="wide-picture"{% endif %}>
<img src="{{ picture.source }}" alt="{{ picture.text }}"></figure>
{% endfor %}</div>
{% endif %}
{%- for table in document.tables %}
<div class="wide">
<table>
<caption>{{ table.title }}</caption>
<thead><tr><th scope="col">{{ table.heading }}</th>
{%- for column in table.columns %}<th scope="col"{{ class(loop.index0) }}>{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows -%}
<tr class="{{ row_class if row.kind == "row" else row.kind }}">
{%- if row.kind == "group" -%}
<th scope="colgroup" colspan="{{ table.columns | length + 1 }}">{{ row.title }}</th>
{%- else -%}
<th scope="row">{{ row.title }}</th>
{%- for cell in row.cells %}<td{{ class(loop.index0) }}>{{ cell }}</td>{% endfor %}
{%- endif -%}
</tr>
{% endfor -%}
</tbody>
</table>
</div>
{% if table.notes %}{{ bullets(table.notes) }}{% endif %}
{%- endfor %}
{% for sentence in document.left_out %}<p>{{ sentence }}</p>
{% endfor %}
{%- if document.notes %}
{{ bullets(document.notes) }}{% endif %}
{%- if document.foot %}<p>{{ document.foot }}</p>
{% endif -%}
</body>
</html>
"""
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
_LINE_ENDS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
# Not the stars of emphasis, nor an "n < 5" or "[3]" of ours: they are what they look like.
_MARKDOWN = re.compile(r"[\\|`]|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])|(?<=\])[(\[:]")
_RULES = {"l": "---", "r": "---:"}


def escape_markdown(text: str) -> str:
    """Write text on one line so that no part of it ends a cell, is a link or a picture, or is read as HTML."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", _LINE_ENDS.sub(" ", text))


def pipe_table(table: Table, *, alignments: str = "", sources: Mapping[RowKind, str] | None = None) -> str:
    """Lay out the columns and rows of a table, without its title and notes.

    Parameters
    ----------
    table
        What is laid out.
    alignments
        ``l`` (left) or ``r`` (right) for each column that is written, as ``"lrr"``; columns beyond stand left.
    sources
        What a column "Source" after the heads says of each kind of row; None for no such column. Published rows have
        no head then.
    """
    head = [table.heading, *([] if sources is None else ["Source"]), *table.columns]
    lines = [head, [_RULES[letter] for letter in alignments.ljust(len(head), "l")]]
    for row in table.rows:
        if row.kind == "group":
            lines.append([f"**{row.title}**", *[""] * (len(head) - 1)])
        elif sources is None:
            lines.append([row.title, *row.cells])
        else:
            lines.append(["" if row.kind == "published" else row.title, sources[row.kind], *row.cells])
    return "\n".join(f"| {' | '.join(map(escape_markdown, cells))} |" for cells in lines)


def markdown_document(document: Document, *, alignments: str = "", sources: Mapping[RowKind, str] | None = None) -> str:
    """Lay out sentences and pictures first, then the notes, then the tables, all laid out by `pipe_table`."""
    parts = [f"# {escape_markdown(document.title)}", *map(escape_markdown, document.sentences)]
    parts += [f"![{escape_markdown(picture.text)}]({picture.file.name})" for picture in document.pictures]
    parts += _list(document.notes)
    for table in document.tables:
        parts += [f"## {escape_markdown(table.title)}", pipe_table(table, alignments=alignments, sources=sources)]
        parts += _list(table.notes)
    parts += [*map(escape_markdown, document.left_out), *([document.foot] if document.foot else [])]
    return "\n\n".join(parts) + "\n"


def _list(notes: Iterable[str]) -> list[str]:
    """Give a list of the notes as one paragraph; nothing for none."""
    text = "\n".join(f"- {escape_markdown(note)}" for note in notes)
    return [text] if text else []


def html_document(document: Document, *, number_columns: Collection[int] = (), row_class: str = "row") -> str:
    """Lay out a document as a page with its style and pictures in it, for the screen and for print.

    Parameters
    ----------
    document
        Its sentences and pictures stand first, then the tables.
    number_columns
        Columns that hold a plain number, by their place among a table's columns; they stand right.
    row_class
        CSS class of rows that are neither titles of groups nor published.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(_TEMPLATE).render(
        document=document,
        number_columns=number_columns,
        row_class=row_class,
        style=_STYLE + (_PICTURE_STYLE if document.pictures else ""),
    )


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
    rows: list[str] = []
    for row in table.rows:
        title = escape_latex(row.title)
        if row.kind == "group":
            rows.append(r"\addlinespace")
            rows.append(rf"\multicolumn{{{len(table.columns) + 1}}}{{@{{}}l}}{{\textbf{{{title}}}}} \\")
        else:  # the braces keep a name that begins with [ from being read as the option of the line before
            title = rf"\quad\textit{{{title}}}" if row.kind == "published" else f"{{{title}}}"
            rows.append(" & ".join([title, *map(escape_latex, row.cells)]) + r" \\")
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escape_latex(table.title)}}}",
            rf"\begin{{tabular}}{{@{{}}{_TITLE_COLUMN}r*{{{len(table.columns) - 1}}}{{{_CELL_COLUMN}}}@{{}}}}",
            r"\toprule",
            " & ".join(map(escape_latex, (table.heading, *table.columns))) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\smallskip\raggedright",
            *map(escape_latex, (*table.notes, *notes)),
            r"\end{table}",
        ]
    )
