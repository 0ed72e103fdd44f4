"""comparison.md and comparison.html: the sentences, the tables and the pictures to read."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt import __version__
from nnunet_amt.base.files import write_text
from nnunet_amt.evaluation.comparison.tables import ComparisonRow, ComparisonTable
from nnunet_amt.writing.html import PAGE_STYLE

_FOOT = f"nnunet_amt {__version__}. Research use only."
_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ title }}</title>
<style>
{{ style | safe }}
img { max-width: 100%; height: auto; background: #fff; }
figure { margin: 1rem 0; }
.pictures { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
figure img { width: 22rem; }
figure.wide-picture img { width: 44rem; }
@media print { table, figure { break-inside: avoid; } }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% for sentence in sentences %}<p>{{ sentence }}</p>
{% endfor %}
<div class="pictures">
{% for picture in pictures %}<figure{% if picture.wide %} class="wide-picture"{% endif %}>
<img src="{{ picture.source }}" alt="{{ picture.text }}"></figure>
{% endfor %}</div>
{% for table in tables %}
<div class="wide">
<table>
<caption>{{ table.title }}</caption>
<thead><tr><th scope="col">{{ table.heading }}</th>
{%- for column in table.columns %}<th scope="col">{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows -%}
<tr class="{{ row.kind }}">
{%- if row.kind == "group" -%}
<th scope="colgroup" colspan="{{ table.columns | length + 1 }}">{{ row.title }}</th>
{%- else -%}
<th scope="row">{{ row.title }}</th>{% for cell in row.cells %}<td>{{ cell }}</td>{% endfor %}
{%- endif -%}
</tr>
{% endfor -%}
</tbody>
</table>
</div>
<ul>
{% for note in table.notes %}<li>{{ note }}</li>
{% endfor %}</ul>
{% endfor %}
<p>{{ foot }}</p>
</body>
</html>
"""


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes
    ----------
    file
        A PNG.
    text
        What is to be seen on it, for those who cannot.
    wide
        Whether it is made for the width of a page, not of a column.
    """

    file: Path
    text: str
    wide: bool = False

    @property
    def source(self) -> str:
        """The picture itself, so that the page needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.file.read_bytes()).decode('ascii')}"


def write_page_markdown(
    path: Path, title: str, sentences: Sequence[str], tables: Sequence[ComparisonTable], pictures: Sequence[Picture]
) -> None:
    """Write sentences first, then the figures beside the file, then pipe tables of GitHub's Markdown."""
    parts = [f"# {title}", *map(_text, sentences)]
    parts += [f"![{picture.text}]({picture.file.name})" for picture in pictures]
    for table in tables:
        parts += [f"## {_text(table.title)}", _table(table)]
        if table.notes:
            parts.append("\n".join(f"- {_text(note)}" for note in table.notes))
    write_text(path, "\n\n".join([*parts, _FOOT]) + "\n")


def write_page_html(
    path: Path, title: str, sentences: Sequence[str], tables: Sequence[ComparisonTable], pictures: Sequence[Picture]
) -> None:
    """Write the same as one HTML page with its style and pictures in it."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    page = environment.from_string(_TEMPLATE).render(
        title=title, sentences=sentences, tables=tables, pictures=pictures, style=PAGE_STYLE, foot=_FOOT
    )
    write_text(path, page)


def _table(table: ComparisonTable) -> str:
    head = [table.heading, *table.columns]
    rule = ["---"] * len(head)
    return "\n".join(map(_line, [head, rule, *(_cells(row, len(head)) for row in table.rows)]))


def _cells(row: ComparisonRow, width: int) -> list[str]:
    return [f"**{row.title}**", *[""] * (width - 1)] if row.kind == "group" else [row.title, *row.cells]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_text, cells))} |"


def _text(text: str) -> str:
    return text.replace("|", "\\|")
