"""Objects on the disk: whole, written through and in the ledger before their sender is told that we have them."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import PARTIAL_MARK
from nnunet_amt.clinic.pacs.incoming_object import ObjectRefusedError, read_object
from nnunet_amt.clinic.pacs.ledger import Ledger

DUPLICATE_UID, OUT_OF_RESOURCES = 0x0111, 0xA700  # PS3.7, annex C; PS3.4, B.2.3
_FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(folder: Path) -> int:
    """Tell how much room the disk of a folder has."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class Announced:
    """What the sender of an object says of it, and who that is."""

    sop_class: str
    sop_uid: str
    syntax: str
    sender: str


class ObjectStore:
    """The objects of a receiver: a folder a series, named by marks; no name is made of what an object says.

    Parameters
    ----------
    folder
        Where they lie.
    ledger
        What knows them.
    keep_free_bytes
        Room that is to stay on the disk: what would take from it is refused.
    quiet_seconds
        See `Ledger.add_object`.
    room
        Tells how much the disk has.
    """

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        *,
        keep_free_bytes: int,
        quiet_seconds: float,
        room: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.folder, self.ledger = folder, ledger
        self.keep_free_bytes, self.quiet_seconds = keep_free_bytes, quiet_seconds
        self._room = room
        self._lock = threading.Lock()  # the same object may come over two associations at once
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder)

    def store(self, header: bytes, dataset: bytes, announced: Announced) -> bool:
        """Keep an object; False if it is there already, byte for byte.

        Parameters
        ----------
        header
            Preamble and file meta information.
        dataset
            As it was sent.

        Raises
        ------
        ObjectRefusedError
            With the status that its sender is given: it cannot be read, another object has its UID, or the disk is
            full. What was accepted before stays as it is.
        """
        found = read_object(dataset, syntax=announced.syntax, sop_class=announced.sop_class, sop_uid=announced.sop_uid)
        digest = hashlib.sha256(dataset).hexdigest()
        with self._lock:
            known = self.ledger.digest_of(found.sop_uid)
            if known == digest:
                return False
            if known is not None:
                raise ObjectRefusedError(DUPLICATE_UID, "has the UID of another object, and other content")
            size = len(header) + len(dataset)
            if self._room(self.folder) - size < self.keep_free_bytes:
                raise ObjectRefusedError(OUT_OF_RESOURCES, "the disk has no room for it")
            name = hashlib.sha256(found.sop_uid.encode()).hexdigest()[:32]
            path = self.folder / self.ledger.mark(found.series_uid) / f"{name}.dcm"
            try:
                _write_through(path, header, dataset)
                self.ledger.add_object(
                    found, sha256=digest, size=size, file=str(path.relative_to(self.folder)), sender=announced.sender,
                    quiet_seconds=self.quiet_seconds,
                )  # fmt: skip
            except (OSError, sqlite3.OperationalError) as error:
                path.unlink(missing_ok=True)
                if isinstance(error, sqlite3.OperationalError) or error.errno in _FULL:
                    raise ObjectRefusedError(OUT_OF_RESOURCES, f"it could not be kept ({_words(error)})") from error
                raise
        return True

    def tidy(self) -> list[str]:
        """Remove what was half-received when the receiver last ended; give files of the ledger that are lost.

        Of what is removed no sender was told that we have it.
        """
        known = self.ledger.files()
        found = {str(path.relative_to(self.folder)): path for path in self.folder.glob("*/*")}
        for name, path in found.items():
            if name not in known:
                path.unlink()
        return sorted(known - found.keys())

    def remove_series(self, mark: str) -> None:
        """Remove the pixels of a series."""
        shutil.rmtree(self.folder / mark, ignore_errors=True)


def _write_through(path: Path, *parts: bytes) -> None:
    """Write a file so that it is there whole after a crash of the machine, or not at all."""
    if not path.parent.is_dir():
        path.parent.mkdir(exist_ok=True)
        _sync_folder(path.parent.parent)
    partial = path.with_name(f"{PARTIAL_MARK}{path.name}")
    try:
        with partial.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _words(error: Exception) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else str(error)
