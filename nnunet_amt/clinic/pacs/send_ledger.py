"""What an archive has acknowledged: kept on disk, so that a rerun sends only the rest."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from nnunet_amt.clinic.pacs.outgoing import OutgoingObject
from nnunet_amt.errors import BadInputError

LEDGER_FILE = "sent.sqlite"
OTHER_CONTENT = (
    "the archive was sent other content under this SOPInstanceUID before; archives keep the first, so this would be "
    "lost in silence: write the object anew with its own UID, or insist with --again"
)
TWO_CONTENTS = (
    "another file given has the same SOPInstanceUID and other content; an archive keeps one of them: give one"
)
_PATIENCE_SECONDS = 30.0
_TABLE = """CREATE TABLE IF NOT EXISTS sent (
    destination TEXT NOT NULL, sop_uid TEXT NOT NULL, sha256 TEXT NOT NULL, acknowledged TEXT NOT NULL,
    PRIMARY KEY (destination, sop_uid))"""


class SendLedger:
    """A file that knows which object, with which content, a destination has acknowledged.

    It holds SOPInstanceUIDs, so only its owner may read it. Several processes may use one at a time; what was
    remembered is on the disk when `remember` returns.

    Parameters
    ----------
    path
        The file, made where missing.

    Raises
    ------
    BadInputError
        If it is no such file or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._opened(make=True) as database:
                database.execute(_TABLE)
        except OSError as error:
            raise BadInputError(
                f"--ledger {path}: cannot be written ({error.strerror}); choose another place"
            ) from error

    def content_sent(self, destination: str, sop_uid: str) -> str | None:
        """Give the SHA-256 of what a destination acknowledged last under a SOPInstanceUID; None if nothing."""
        with self._opened() as database:
            row = database.execute(
                "SELECT sha256 FROM sent WHERE destination = ? AND sop_uid = ?", (destination, sop_uid)
            ).fetchone()
        return None if row is None else str(row[0])

    def remember(self, destination: str, sop_uid: str, sha256: str) -> None:
        """Write down that a destination has acknowledged an object."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with self._opened() as database:
            database.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?)", (destination, sop_uid, sha256, now))

    @contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        if make and not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        try:
            database = sqlite3.connect(self.path, timeout=_PATIENCE_SECONDS)
            try:
                database.execute("PRAGMA synchronous=FULL")
                with database:
                    yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise BadInputError(
                f"--ledger {self.path}: cannot be used ({error}); choose another file, or remove it: then "
                "everything is sent again, and the archive keeps what it has"
            ) from error


def default_ledger() -> Path:
    """Give where the ledger lies if nobody says: in the user's folder of states, as what is sent may be read-only."""
    given = os.environ.get("XDG_STATE_HOME", "")
    states = Path(given) if Path(given).is_absolute() else Path.home() / ".local" / "state"
    return states / "nnunet_amt" / LEDGER_FILE


@dataclass(frozen=True)
class Due:
    """What is to be sent now, and what is not.

    Attributes
    ----------
    objects
        To send.
    known
        Files of what was acknowledged before, and copies of a file that is sent.
    refused
        Files that would be lost in the archive, each with the reason.
    """

    objects: tuple[OutgoingObject, ...]
    known: tuple[Path, ...]
    refused: tuple[tuple[Path, str], ...]


def sort_out(
    objects: Sequence[OutgoingObject], ledger: SendLedger | None, destination: str, *, again: bool = False
) -> Due:
    """Tell what a destination lacks; with `again` it is sent what it has acknowledged too."""
    contents: dict[str, set[str]] = {}
    for one in objects:
        contents.setdefault(one.sop_uid, set()).add(one.sha256)
    due: dict[str, OutgoingObject] = {}
    known: list[Path] = []
    refused: list[tuple[Path, str]] = []
    for one in objects:
        earlier = None if ledger is None or again else ledger.content_sent(destination, one.sop_uid)
        if len(contents[one.sop_uid]) > 1:
            refused.append((one.path, TWO_CONTENTS))
        elif one.sop_uid in due or earlier == one.sha256:
            known.append(one.path)
        elif earlier is not None:
            refused.append((one.path, OTHER_CONTENT))
        else:
            due[one.sop_uid] = one
    return Due(tuple(due.values()), tuple(known), tuple(refused))
