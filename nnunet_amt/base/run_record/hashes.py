"""Fingerprints of files and folders: what tells whether results still belong to what they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nnunet_amt.base.run_record.paths import told_path

_LABEL_MAP_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class RunInput:
    """What a stage read, and how it is to be recorded.

    Attributes
    ----------
    path
        A file, or a folder.
    by
        ``"content"``: every byte is hashed. ``"names_and_sizes"``: for folders of CTs and preprocessed arrays, many
        GB that no record is worth reading again; a file that was changed and kept its size is not noticed.
    names
        The files in the folder that count; None for its label maps, or for all of them where there are none.
    told
        Whether the path is written down; a manifest's may name a hospital.
    """

    path: Path
    by: Literal["content", "names_and_sizes"] = "content"
    names: tuple[str, ...] | None = None
    told: bool = True


def describe_input(given: Path | RunInput, start: Path) -> dict[str, Any]:
    """Give the entry of an input in a record that stands in the folder `start`.

    Returns
    -------
    dict
        ``path``, where it can be told (see `told_path`); ``sha256`` or ``names_and_sizes_sha256``, null if the input
        is gone; ``files``, for a folder.
    """
    item = given if isinstance(given, RunInput) else RunInput(given)
    entry: dict[str, Any] = {}
    if item.told and (path := told_path(item.path, start)) is not None:
        entry["path"] = path
    if item.by == "names_and_sizes":
        entry["names_and_sizes_sha256"], entry["files"] = names_and_sizes_sha256(item.path)
    elif item.path.is_dir():
        entry["sha256"], entry["files"] = folder_sha256(item.path, item.names)
    else:
        entry["sha256"] = file_sha256(item.path)
    return entry


def file_sha256(path: Path) -> str | None:
    """SHA-256 of a file in hexadecimal, read piece by piece; None if it is not there."""
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):  # a checkpoint need not fit into memory
            digest.update(block)
    return digest.hexdigest()


def folder_sha256(folder: Path, names: Sequence[str] | None = None) -> tuple[str, int]:
    """Hash the content of files in a folder, not of those in folders below it.

    Parameters
    ----------
    folder
        The folder. Hidden files, half-written ones among them, and run records never count.
    names
        See `RunInput`.

    Returns
    -------
    tuple of str and int
        SHA-256 of one line ``<SHA-256 of the file>  <name>`` a file, sorted by name, as ``sha256sum`` writes them;
        and the number of files.
    """
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and _counts(path.name)]
    if names is not None:
        files = [path for path in files if path.name in names]
    else:
        files = [path for path in files if path.name.endswith(_LABEL_MAP_ENDINGS)] or files
    return _sha256_of_lines([f"{file_sha256(path)}  {path.name}" for path in files])


def names_and_sizes_sha256(folder: Path) -> tuple[str | None, int]:
    """Hash names and sizes of all files in and below a folder; what is in them is not read.

    Returns
    -------
    tuple of str and int
        SHA-256 of one line ``<bytes>  <name>`` a file, sorted by name, None if there is no folder; and the number of
        files.
    """
    if not folder.is_dir():
        return None, 0
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    counted = {name.as_posix(): path for name, path in found.items() if all(map(_counts, name.parts))}
    return _sha256_of_lines([f"{counted[name].stat().st_size}  {name}" for name in sorted(counted)])


def _counts(name: str) -> bool:
    return not name.startswith((".", "nnunet_amt_runs"))


def _sha256_of_lines(lines: Sequence[str]) -> tuple[str, int]:
    text = "".join(f"{line}\n" for line in lines)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest(), len(lines)
