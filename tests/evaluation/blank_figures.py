"""Stand-ins for figures, which take seconds and have tests of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from PIL import Image


@contextmanager
def without_figures(function: str) -> Iterator[None]:
    """Replace a function that draws to a path, named by its module, by one that writes a blank PNG and SVG."""
    with mock.patch(function, blank):
        yield


def blank(path: Path, *_: object) -> None:
    Image.new("L", (20, 10), 255).save(path.with_suffix(".png"))
    path.with_suffix(".svg").write_text("<svg/>")
