"""What the page is put together from: sections, pictures, templates, and its Content-Security-Policy."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.errors import ImageReadError
from nnunet_amt.writing.table import Table

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).with_name("templates")
_TICKS = re.compile(r"`([^`]+)`")
_PARENTHESES = re.compile(r"\([^()]{,40}\)")  # longer ones may break
_PNG = b"\x89PNG\r\n\x1a\n"
_COLUMN_PIXELS = 1400
_NOTHING = "'none'"
# Nothing is fetched, sent, framed or submitted.
_ALWAYS: dict[str, tuple[str, ...]] = {
    "default-src": (_NOTHING,),
    "img-src": ("data:",),
    "connect-src": (_NOTHING,),
    "base-uri": (_NOTHING,),
    "form-action": (_NOTHING,),
}


@dataclass(frozen=True)
class Missing:
    """A part that the study does not hold: what and why, in a sentence, and the commands that make it."""

    what: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A section of the page: its id, its heading without a number, and the template that lays out the content.

    `folded` says in a few words what a section holds that is folded on the screen; empty for one that stands open.
    """

    anchor: str
    title: str
    template: str
    content: object
    folded: str = ""


@dataclass(frozen=True)
class Picture:
    """A PNG in the page.

    Attributes
    ----------
    source
        Its ``data:`` address.
    width, height
        In pixels.
    alt
        What is seen, for who cannot see it.
    """

    source: str
    width: int
    height: int
    alt: str = ""
    caption: str = ""

    @property
    def is_wide(self) -> bool:
        """Whether it takes the width of a page: figures are drawn for one column or for two, at 300 dpi."""
        return self.width > _COLUMN_PIXELS


def read_picture(path: Path, *, alt: str, caption: str = "") -> Picture | None:
    """Read a PNG file; None if there is none.

    Raises
    ------
    ImageReadError
        If the file is not a PNG.
    """
    if not path.is_file():
        return None
    try:
        return png_picture(path.read_bytes(), alt=alt, caption=caption)
    except ValueError as error:
        raise ImageReadError(f"{path}: is not a PNG; run the command that made it again") from error


def png_picture(data: bytes, *, alt: str = "", caption: str = "") -> Picture:
    """Take the bytes of a PNG.

    Raises
    ------
    ValueError
        If they are none.
    """
    if len(data) < 24 or not data.startswith(_PNG):
        raise ValueError("not a PNG")
    width, height = struct.unpack(">II", data[16:24])
    return Picture(f"data:image/png;base64,{base64.b64encode(data).decode()}", width, height, alt, caption)


def page_environment(folder: Path | None = None) -> Environment:
    """Give what renders the templates: every text is escaped, and a name that is not there is an error.

    Templates of another page stand in a `folder` of their own, and may use those of the report.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    def code(text: str) -> Markup:
        """Set what stands between backticks as code."""
        return Markup(_TICKS.sub(r"<code>\1</code>", str(escape(text))))

    def whole(text: str) -> Markup:
        """Keep what stands in parentheses on one line."""
        return Markup(_PARENTHESES.sub(r'<span class="whole">\g<0></span>', str(escape(text))))

    environment = Environment(
        loader=FileSystemLoader([_TEMPLATES] if folder is None else [folder, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    environment.filters["code"] = code
    environment.filters["whole"] = whole
    environment.filters["split_at_groups"] = split_at_groups
    return environment


def split_at_groups(table: Table) -> tuple[Table, Table | None]:
    """Split a table into its first rows, with the notes, and the groups of rows behind them; None without any."""
    start = next((i for i, row in enumerate(table.rows) if row.kind == "group"), None)
    if start is None:
        return table, None
    groups = replace(table, title=f"{table.title}, by subgroup", rows=table.rows[start:], notes=())
    return replace(table, rows=table.rows[:start]), groups


def page_block(name: str) -> str:
    """Read a style sheet or a script as it will stand in the page."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def content_policy(
    *, scripts: Iterable[str], styles: Iterable[str], extra: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Write the policy of a page that may run and show what stands in it, and nothing else.

    Parameters
    ----------
    scripts, styles
        The inlined blocks, letter by letter as they stand between their tags.
    extra
        More sources by directive, such as ``{"img-src": ("blob:",)}``.
    """
    directives = {name: list(sources) for name, sources in _ALWAYS.items()}
    directives["script-src"] = [source_hash(text) for text in scripts] or [_NOTHING]
    directives["style-src"] = [source_hash(text) for text in styles] or [_NOTHING]
    for name, sources in (extra or {}).items():
        known = directives.setdefault(name, [])
        known += [source for source in sources if source not in known and source != _NOTHING]
        if len(known) > 1 and _NOTHING in known:
            known.remove(_NOTHING)
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def source_hash(text: str) -> str:
    """Give the source of an inlined script or style: ``'sha256-...'`` of its UTF-8 bytes."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
