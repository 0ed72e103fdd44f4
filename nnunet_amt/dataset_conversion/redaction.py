"""Keep the hospital's file names out of messages: many name the patient."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

# Shorter names are too likely to be words of the message, and say nothing of a person.
_SHORTEST_INNER_NAME = 5
_FILE, _INNER = "the file", "one of its files"


def without_file_names(message: str, *paths: Path) -> str:
    """Put words in place of the names of files and folders.

    The manifest's line and column, which stand before a message, say which file it is.

    Parameters
    ----------
    message
        For example ``"DOE_JANE.zip: MILLER01.dcm is truncated"``.
    paths
        A case's image and mask; the names inside a folder or a zip are replaced too.

    Returns
    -------
    str
        For example ``"the file: one of its files is truncated"``.
    """
    for path in paths:
        message = message.replace(str(path), _FILE)
    words = {name: _INNER for path in paths for name in _inner_names(path) if len(name) >= _SHORTEST_INNER_NAME}
    words |= {path.name: _FILE for path in paths if path.name}
    if not words:
        return message
    longest_first = sorted(words, key=len, reverse=True)
    names = "|".join(re.escape(name) for name in longest_first)
    return re.sub(rf"(?<![\w.])(?:{names})(?!\w)", lambda found: words[found.group()], message)


def _inner_names(path: Path) -> Iterator[str]:
    """Give the names of what lies in a folder or zip; nothing if it cannot be read."""
    try:
        if path.is_dir():
            for inner in path.rglob("*"):
                yield inner.name
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    yield name
                    yield from Path(name).parts
    except (OSError, zipfile.BadZipFile):
        return
