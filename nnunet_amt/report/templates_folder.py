"""The templates and style sheets of the page."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TICKS = re.compile(r"`([^`]+)`")
_FOLDER = Path(__file__).with_name("templates")


def page_environment() -> Environment:
    """Give what renders the templates: every text is escaped, and a name that is not there is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    environment.filters["code"] = _code
    return environment


def _code(text: str) -> Markup:
    """Set what stands between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(_TICKS.sub(r"<code>\1</code>", str(escape(text))))


def stylesheet(name: str) -> str:
    """Read a style sheet as it will stand in the page."""
    return (_FOLDER / name).read_text(encoding="utf-8")
