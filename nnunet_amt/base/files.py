"""Files written so that a crash never leaves half of one under its final name, and CSV files read row by row."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shutil
import socket
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nnunet_amt.base.csv_cells import guarded_cell, unguarded_cell
from nnunet_amt.base.json_file import parse_json
from nnunet_amt.base.processes import is_running
from nnunet_amt.base.spreadsheet_text import bare_cell, decoded_table, table_text
from nnunet_amt.errors import BadInputError, DiskFullError, ManifestError

CsvRow = Mapping[str, object] | Iterable[object]

PARTIAL_MARK = ".partial-"
NEARLY_FULL_BYTES = 1_000_000
_POINTERS = (b"/annex/objects/", b"version https://git-lfs.github.com/spec/")
_LONGEST_POINTER = 32_768
_WRITER = re.compile(rf"{re.escape(PARTIAL_MARK)}(\d+)-([0-9a-f]{{8}})-.+")
_STARTED = time.time()
_looked_through: set[Path] = set()  # folders, by this process, for what killed runs left


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; rename it to `path` if the block ends well.

    The temporary name, see `partial_name`, keeps the ending of `path`, because writers choose their format by it.
    What runs that were killed left beside it goes. Raises DiskFullError if the disk filled up while writing.

    Parameters
    ----------
    path
        Final name. Its folder is made where missing.

    Yields
    ------
    Path
        The temporary name. It is gone after the block, renamed or removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _look_through(path.parent)
    partial = path.with_name(partial_name(path.name))
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(_disk_full_message(path)) from error
        raise
    except RuntimeError as error:
        if is_nearly_full(path.parent):  # torch and blosc2 hide the operating system's word for it
            raise DiskFullError(_disk_full_message(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Let one thread of one process at a time, of all that ask, do what stands in the block; the folder is made."""
    import fcntl  # not on Windows, where the rest of this file runs

    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network drives have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def partial_name(name: str) -> str:
    """Give a temporary name, ``.partial-<process>-<machine>-case.nii.gz``, that no other process uses.

    Machines that share a drive may have processes of one number. The machine is a checksum of its name.
    """
    return f"{PARTIAL_MARK}{os.getpid()}-{machine_mark()}-{name}"


def _look_through(folder: Path) -> None:
    """Remove what killed processes of this machine left half-written in a folder, once before we write there."""
    if folder not in _looked_through:  # a dataset's folder holds thousands of files
        _looked_through.add(folder)
        remove_leftovers(folder.glob(f"{PARTIAL_MARK}*"))


def remove_leftovers(
    partials: Iterable[Path], *, old_seconds: float | None = None, nobody_writes: bool = False
) -> None:
    """Remove the temporary files and folders that killed runs left.

    Parameters
    ----------
    partials
        Paths whose names begin with `PARTIAL_MARK`. What a process of this machine is at work on stays.
    old_seconds
        What another machine made, and what has no name of `partial_name`, goes when it is older; it stays if None.
    nobody_writes
        Whether all of them are left over, as where all workers are known to be done.
    """
    for path in partials:
        with suppress(OSError):  # another run does the same, or it is not ours
            if not nobody_writes and _is_being_written(path, old_seconds):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _is_being_written(partial: Path, old_seconds: float | None) -> bool:
    """Whether somebody may be at work on a file; one before us may have had our number, as in a container all have."""
    writer = _WRITER.fullmatch(partial.name)
    written = partial.lstat().st_mtime
    if writer is None or writer[2] != machine_mark():
        return old_seconds is None or time.time() - written < old_seconds
    process_id = int(writer[1])
    return written >= _STARTED if process_id == os.getpid() else is_running(process_id)


@contextmanager
def files_together(folder: Path) -> Iterator[Path]:
    """Give a folder to write files to, which go to `folder` one right after the other if the block ends well.

    Raises DiskFullError if the disk filled up while writing.

    Yields
    ------
    Path
        A folder in `folder`, gone after the block.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _look_through(folder)
    staging = folder / partial_name("files")
    staging.mkdir()
    try:
        yield staging
        for written in sorted(staging.iterdir()):
            written.replace(folder / written.name)
    except DiskFullError as error:  # names a file that is gone by now
        raise DiskFullError(_disk_full_message(folder)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def machine_mark() -> str:
    """Eight hexadecimal digits that tell this machine from others."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def read_record(path: Path) -> dict[str, Any]:
    """Read a JSON object that an earlier run left; empty if it is missing or broken: the work is done again then."""
    try:
        content = parse_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is not TOML, not UTF-8, or nested too deep.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def csv_text(columns: Sequence[str], rows: Iterable[CsvRow]) -> str:
    """Lay rows out as CSV under a line of column names; None and what a row lacks are empty cells.

    No cell is one that a spreadsheet runs, see `guarded_cell`; the readers below give the texts back as they were.
    """
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in (columns, *rows):
        if isinstance(row, Mapping) and not row.keys() <= set(columns):
            raise ValueError(f"columns {sorted(row.keys() - set(columns))} are not among {list(columns)}")
        cells = [guarded_cell(cell) for cell in (map(row.get, columns) if isinstance(row, Mapping) else row)]
        ends_line = any("\r" in cell for cell in cells)  # for a reader, which the plain writer does not know
        (quoted if ends_line else plain).writerow(cells)
    return text.getvalue()


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[CsvRow]) -> None:
    """Write what `csv_text` lays out, whole or not at all."""
    write_text(path, csv_text(columns, rows))


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON to `path`, whole or not at all; NaN is refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def is_nearly_full(folder: Path) -> bool:
    """Whether the disk of a folder has less room than a file of ours needs."""
    return shutil.disk_usage(folder).free < NEARLY_FULL_BYTES


def require_no_file(output: Path) -> None:
    """Refuse a file where a folder for results is to be, before any work is done."""
    if output.exists() and not output.is_dir():
        raise BadInputError(f"{output}: is a file; give a folder for the results")


def require_folder(folder: Path, advice: str) -> None:
    """Refuse what is not there or is a file, with the advice which folder to give."""
    if not folder.is_dir():
        raise BadInputError(f"{folder}: {'is a file' if folder.exists() else 'no such folder'}; {advice}")


def files_below(folder: Path) -> list[Path]:
    """List what lies in a folder and its subfolders, but no subfolder, sorted.

    Linked subfolders, which are not entered, and links to nothing are listed too: `why_unreadable` tells what is to be
    said of them. Raises OSError if a subfolder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise error  # a folder that must not be listed is an error, not empty

    found = []
    for parent, folders, names in os.walk(folder, onerror=fail):
        found += [Path(parent, name) for name in names]
        found += [path for name in folders if (path := Path(parent, name)).is_symlink()]
    return sorted(found)


def why_unreadable(path: Path) -> str | None:
    """Say what a path is that is no file with content, and what to do: ``"is a link to nothing; ..."``.

    None of an ordinary file, and of one that may not be read: whoever opens it has the system's word for that.
    """
    try:
        is_file = path.is_file()
    except PermissionError as error:
        return f"cannot be read ({error.strerror}); check its permissions"
    if is_file:
        pointer = "is a pointer in place of the file; fetch the file (git annex get, git lfs pull)"
        return pointer if _points(path) else None
    if path.is_symlink() and path.is_dir():
        return "is a linked folder, which is not followed; give the folder itself, or copy it to where the link stands"
    if path.is_symlink():
        return "is a link to nothing; fetch the file that it stands for (git annex get), or copy it there"
    if path.is_dir():
        return "is a folder where a file should be; rename or remove it"
    return "is no ordinary file; remove it" if path.exists() else "does not exist"


def _points(path: Path) -> bool:
    """Tell whether git-annex or Git LFS has left a text of where the content is in place of it."""
    if path.stat().st_size > _LONGEST_POINTER:
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(max(_POINTERS, key=len))).startswith(_POINTERS)
    except OSError:
        return False


def require_free_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Refuse to start work that will not fit on the disk.

    Raises DiskFullError if the disk of `folder` has less than `needed_bytes` free.

    Parameters
    ----------
    folder
        Where the work will write; it need not exist yet.
    needed_bytes
        A cautious estimate, in bytes.
    what
        What is to be written, for the message.
    """
    existing = folder.resolve()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        raise DiskFullError(
            f"{folder}: {what} needs about {needed_bytes / 1e9:.1f} GB, the disk has {free / 1e9:.1f} GB free; "
            "free some space or choose another folder"
        )


def _disk_full_message(path: Path) -> str:
    return f"{path}: the disk is full; free some space and run the same command again, it goes on where it stopped"


def numbered_rows(path: Path, which: str) -> Iterator[tuple[int, list[str]]]:
    """Give the number of its first line and the stripped cells of every row that is not blank.

    Raises ManifestError if the file cannot be read or is no strict CSV.

    Parameters
    ----------
    path
        See `decoded_table` and `table_text` for what is understood.
    which
        The file that is wanted, for the message.
    """
    yield from numbered_cells(_text_of(path, which), str(path))


def numbered_cells(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Do the same with the text of a file that messages call `name`, whatever separates its cells."""
    table = table_text(text)
    reader = csv.reader(io.StringIO(table.text, newline=""), delimiter=table.separator, strict=True)
    line = 1 + table.skipped
    try:
        for cells in reader:
            if any(stripped := [unguarded_cell(bare_cell(cell)) for cell in cells]):
                yield line, stripped
            line = reader.line_num + 1 + table.skipped
    except csv.Error as error:
        raise ManifestError(f"{name} line {line}: is not CSV ({error}); check its quotation marks") from error


def require_columns(path: Path, columns: Sequence[str], *, required: Sequence[str]) -> None:
    """Refuse a header that lacks a column or names one twice.

    Raises
    ------
    ManifestError
        Of the first such column.
    """
    for column in required:
        if column not in columns:
            found = ", ".join(columns) or "none"
            raise ManifestError(f"{path} line 1: has no column {column!r} (its columns: {found}); name it so")
    for column in columns:
        if column and columns.count(column) > 1:
            raise ManifestError(f"{path} line 1, column {column!r}: stands there twice; remove one")


def row_texts(path: Path, line: int, *, columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Name the cells of a row by their columns; cells without a column name are left out.

    Raises ManifestError if there are more or fewer cells than columns; empty ones at its end do not count.
    """
    while len(cells) > len(columns) and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != len(columns):
        raise ManifestError(
            f"{path} line {line}: has {len(cells)} cells, the header has {len(columns)}; "
            "put cells that hold a comma between quotation marks, and write empty cells too"
        )
    return {column: cell for column, cell in zip(columns, cells, strict=True) if column}


def _text_of(path: Path, which: str) -> str:
    try:
        text = decoded_table(path.read_bytes(), name=str(path))
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}); give {which}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{path} line {line}: is no UTF-8 text (byte 0x{error.object[error.start]:02x}); save it as CSV UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ManifestError(f"{path} line {line}: holds a NUL byte, which no text does; save or copy the file again")
    return text


def read_rows(path: Path, *needed: str) -> list[dict[str, str]]:
    """Read a CSV file that a program of ours wrote, with a column ``case_id`` and others that are needed.

    Raises BadInputError if it cannot be read, lacks a column, or a row has more or fewer cells than the header.
    """
    again = "make these results again"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [[unguarded_cell(cell) for cell in cells] for cells in csv.reader(file, strict=True) if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise BadInputError(f"{path}: cannot be read ({cause}); {again}") from error
    columns = rows[0] if rows else []
    for column in ("case_id", *needed):
        if column not in columns:
            raise BadInputError(f"{path}: has no column {column!r}; {again}")
    if len(set(columns)) < len(columns):
        raise BadInputError(f"{path}: a column stands there twice ({', '.join(columns)}); {again}")
    for number, cells in enumerate(rows[1:], start=1):
        if len(cells) != len(columns):
            raise BadInputError(f"{path} row {number}: has {len(cells)} cells, the header has {len(columns)}; {again}")
    return [dict(zip(columns, cells, strict=True)) for cells in rows[1:]]
