"""Tables, sentences and pictures as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Collection

from nnunet_amt.writing.table import Document

_STYLE = """\
body { font: 15px/1.45 system-ui, "Segoe UI", Arial, sans-serif; color: #1a1a1a; margin: 2rem auto; max-width: 80rem;
       padding: 0 1rem; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; margin: .75rem 0 2rem; }
caption { font-weight: 600; font-size: 1.1rem; text-align: left; padding: .4rem 0; }
th, td { padding: .25rem .6rem; text-align: left; font-weight: normal; font-variant-numeric: tabular-nums;
         white-space: nowrap; }
thead th { border-bottom: 1px solid; font-weight: 600; }
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
