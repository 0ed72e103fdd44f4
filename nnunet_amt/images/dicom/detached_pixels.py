"""Find the pixel files of headers that have them in files of their own (``.mhd`` and ``.nhdr``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_HEADER_ENDINGS = (".mhd", ".nhdr")
_LONGEST_HEADER = 1 << 16
_KEY = re.compile(
    rb"^[ \t]*(?:elementdatafile[ \t]*=|data[ ]?file[ \t]*:)[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)


def pixel_files(header: Path) -> Sequence[Path]:
    """Give the files that a header names.

    Parameters
    ----------
    header
        Any image file.

    Returns
    -------
    sequence of Path
        Sorted; nothing for formats of one file. Where the header gives a list or a pattern, or a file that is not
        there, all files beside it: too many rather than too few.
    """
    if not header.name.lower().endswith(_HEADER_ENDINGS):
        return []
    try:
        with header.open("rb") as file:
            found = _KEY.search(file.read(_LONGEST_HEADER))
        named = header.parent / found.group(1).decode(errors="replace").strip() if found else None
        if named is not None and named.is_file():
            return [named]
    except OSError:
        return []  # whoever reads the image says so
    if named is not None and named.name.upper() == "LOCAL":
        return []
    return sorted(path for path in header.parent.iterdir() if path.is_file() and path != header)
