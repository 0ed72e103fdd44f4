"""Paths and commands as a record tells them: they lead to the files from the record, and name nobody.

The home folder, and with it whoever ran a stage, is no one's business to whom results are passed on.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

HOME_MARK = "~"
# Folders whose entries are named for people.
_HOMES = (PurePosixPath("/home"), PurePosixPath("/Users"))
_OUR_NAMES = ("nnunet_amt", "nnunet_amt.exe")


def told_path(path: Path, start: Path) -> str | None:
    """Say how to get from a record's folder to what a stage read.

    Parameters
    ----------
    path
        A file or folder.
    start
        Folder that the record stands in at last.

    Returns
    -------
    str or None
        Relative to `start`, with ``/``; from the home folder on, ``~/data``, where the relative path would name it.
        None where neither can be had without a person's name, or the two are on different drives.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100, resolve() would follow a link to elsewhere at the end
    target = absolute.parent.resolve() / absolute.name
    home = _home()
    try:
        relative = Path(os.path.relpath(target, start.resolve()))
    except ValueError:  # another drive
        return None
    if not _names_somebody(relative, target, home):
        return relative.as_posix()
    if home is not None and target.is_relative_to(home):
        inside = target.relative_to(home)
        return None if home.name in inside.parts else f"{HOME_MARK}/{inside.as_posix()}"
    return None


def told_words(words: Sequence[str], files_named: bool = True) -> list[str]:
    """Give the words of a command without the folders and machines that they name.

    Parameters
    ----------
    words
        As the shell has parsed them.
    files_named
        Keep the last name of an absolute path, and relative ones; otherwise a file becomes ``FILE`` with its ending.
    """
    return [_told_word(word, files_named) for word in words]


def command_line(files_named: bool = True) -> str:
    """Give the command that this process was started with; ``python`` where it is not ours, but a script or a test."""
    program = Path(sys.argv[0])
    if program.name not in _OUR_NAMES and program.parts[-2:] != ("nnunet_amt", "__main__.py"):
        return "python"
    return shlex.join(["nnunet_amt", *told_words(sys.argv[1:], files_named)])


def _home() -> Path | None:
    try:
        home = Path.home().resolve()
    except (RuntimeError, OSError):
        return None
    return None if len(home.parts) < 3 else home  # "/root" names nobody


def _names_somebody(relative: Path, target: Path, home: Path | None) -> bool:
    if home is not None and home.name in relative.parts:
        return True
    downwards = sum(part != os.pardir for part in relative.parts)
    bases = {*_HOMES, *(() if home is None else (PurePosixPath(home.parent.as_posix()),))}
    pure = PurePosixPath(target.as_posix())
    return any(pure.is_relative_to(base) and downwards >= len(pure.relative_to(base).parts) > 0 for base in bases)


def _told_word(word: str, files_named: bool) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    if word.startswith("-") and not equals:
        glued = not word.startswith("--") and ("/" in word or "\\" in word)  # -o/folder
        return f"{word[:2]}{_told_value(word[2:], files_named)}" if glued else word
    if "://" in value:  # a scheduler: the machine is no part of what was done
        return f"{option}{equals}{value.partition('://')[0]}://"
    return f"{option}{equals}{_told_value(value, files_named)}"


def _told_value(value: str, files_named: bool) -> str:
    path, on_windows = Path(value), PureWindowsPath(value)
    name = on_windows.name if on_windows.is_absolute() else path.name
    if not files_named:
        is_file = "/" in value or "\\" in value or (value not in ("", ".", "..") and _exists(path))
        return f"FILE{Path(name).suffix}" if is_file else value
    home = _home()
    if path.is_absolute() or on_windows.is_absolute() or (home is not None and home.name in path.parts[:-1]):
        return name or "/"
    return value


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # longer than a name may be
        return False
