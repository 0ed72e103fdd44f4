"""tables.html: the result tables as one HTML page that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from nnunet_amt.base.files import write_text
from nnunet_amt.evaluation.results.tables import ResultTables

PAGE_STYLE = """\
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
_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ tables.title }}</title>
<style>
{{ style | safe }}
</style>
</head>
<body>
<h1>{{ tables.title }}</h1>
{% for table in tables.tables %}
<div class="wide">
<table>
<caption>{{ table.title }}</caption>
<thead><tr><th scope="col">Subgroup</th><th scope="col" class="number">Cases</th>
{%- for column in table.columns %}<th scope="col">{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows -%}
<tr class="{{ row.kind }}">
{%- if row.kind == "group" -%}
<th scope="colgroup" colspan="{{ table.columns | length + 2 }}">{{ row.title }}</th>
{%- else -%}
<th scope="row">{{ "published" if row.kind == "published" else row.title }}</th><td class="number">{{ row.cases }}</td>
{%- for cell in row.cells %}<td>{{ cell }}</td>{% endfor %}
{%- endif -%}
</tr>
{% endfor -%}
</tbody>
</table>
</div>
{% endfor %}
{% for sentence in tables.left_out %}<p>{{ sentence }}</p>
{% endfor %}
<ul>
{% for note in tables.notes %}<li>{{ note }}</li>
{% endfor %}</ul>
</body>
</html>
"""


def write_tables_html(path: Path, tables: ResultTables) -> None:
    """Write `tables_html` to a file."""
    write_text(path, tables_html(tables))


def tables_html(tables: ResultTables) -> str:
    """Lay out the tables as a page with its style in it, for the screen and for print."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(_TEMPLATE).render(tables=tables, style=PAGE_STYLE)
