"""Files that a browser sent: kept below a folder under names that lead nowhere else, zips unpacked."""

from __future__ import annotations

import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, BinaryIO

from nnunet_amt.base.files import require_free_space
from nnunet_amt.errors import BadInputError

_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 100
_DEEPEST = 12  # folders in one another
_MOST_MEMBERS = 200_000  # of a zip: some 700 CTs of 300 slices
_BIGGEST_RATIO = 200  # unpacked to packed: pixels reach 10, a zip made to fill a disk 1000

SentFile = tuple[str, BinaryIO]


def keep_files(folder: Path, files: Sequence[SentFile]) -> None:
    """Keep what was sent in one folder; of names that are alike each gets a number.

    Parameters
    ----------
    folder
        It is made.
    files
        The name that the browser gave, of which the last part counts, and the content.
    """
    folder.mkdir(parents=True)
    for name, content in files:
        _keep(folder, _plain_parts(name)[-1:], content)


def keep_folders(folder: Path, files: Sequence[SentFile]) -> None:
    """Keep what was sent in the folders that the names tell, and unpack zips, each into a folder of its name.

    A zip in a zip is kept as it is.

    Raises
    ------
    BadInputError
        If a zip is damaged, locked by a password, or unpacks to much more than CTs do.
    DiskFullError
        If the disk has no room for what a zip holds.
    """
    folder.mkdir(parents=True)
    for name, content in files:
        parts = _plain_parts(name)
        if name.lower().endswith(".zip"):
            _unpack(folder, parts, content)
        else:
            _keep(folder, parts, content)


def _unpack(folder: Path, parts: Sequence[str], content: BinaryIO) -> None:
    shown = parts[-1]
    try:
        with zipfile.ZipFile(content) as archive:
            members = _members(archive, shown)
            require_free_space(folder, sum(member.file_size for member in members), shown)
            for member in members:
                with archive.open(member) as file:
                    _keep(folder, [*parts[:-1], Path(shown).stem, *_plain_parts(member.filename)], file)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
        raise BadInputError(f"{shown}: is damaged, or no zip ({error}); make it anew and send it again") from None
    except RuntimeError:  # zipfile's of what is encrypted
        raise BadInputError(f"{shown}: is locked by a password; unpack it and send the files") from None


def _members(archive: zipfile.ZipFile, shown: str) -> list[zipfile.ZipInfo]:
    """List the files of a zip; what macOS puts beside them is left out."""
    members = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
    packed, unpacked = (sum(getattr(one, size) for one in members) for size in ("compress_size", "file_size"))
    if len(members) > _MOST_MEMBERS or unpacked > _BIGGEST_RATIO * max(packed, 1024):
        raise BadInputError(
            f"{shown}: holds {len(members)} files of {unpacked / 1e9:.1f} GB, {unpacked / max(packed, 1):.0f} times "
            f"its own size; unpack it into the opened folder and search that"
        )
    return members


def _keep(folder: Path, parts: Sequence[str], content: IO[bytes]) -> None:
    place = folder.joinpath(*parts)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):  # a file has the name of this one's folder
        place = folder / "_".join(parts)
    for free in _free_names(place):
        try:
            with free.open("xb") as kept:
                shutil.copyfileobj(content, kept)
            return
        except FileExistsError:
            continue


def _free_names(place: Path) -> Iterator[Path]:
    yield place
    number = 2
    while True:
        yield place.with_name(f"{number:05d}_{place.name}")
        number += 1


def _plain_parts(name: str) -> list[str]:
    """Give the folders and the name of a file, in letters that every file system takes; there is always a name."""
    parts = [_NOT_IN_NAMES.sub("_", part)[-_LONGEST_NAME:].strip("._") for part in re.split(r"[/\\]", name)]
    return [part for part in parts if part][-_DEEPEST:] or ["file"]
