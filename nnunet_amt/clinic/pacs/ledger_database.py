"""The database of a receiver's ledger: its tables, transactions that outlive a crash, and the marks in it."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnunet_amt.errors import BadInputError

LEDGER = "ledger.sqlite"
_SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS series (
    series_uid TEXT PRIMARY KEY, study_uid TEXT NOT NULL, mark TEXT NOT NULL, study_mark TEXT NOT NULL,
    sender TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', asked TEXT NOT NULL DEFAULT '',
    first_received REAL NOT NULL, last_received REAL NOT NULL, look_at REAL NOT NULL, looks INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 0, removed REAL);
CREATE TABLE IF NOT EXISTS objects (
    sop_uid TEXT PRIMARY KEY, series_uid TEXT NOT NULL REFERENCES series, sop_class TEXT NOT NULL,
    sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, file TEXT NOT NULL, received REAL NOT NULL, first_revision INTEGER);
CREATE TABLE IF NOT EXISTS jobs (
    series_uid TEXT NOT NULL REFERENCES series, revision INTEGER NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '', attempts INTEGER NOT NULL DEFAULT 0, kills INTEGER NOT NULL DEFAULT 0,
    next_try REAL NOT NULL DEFAULT 0, created REAL NOT NULL, started REAL, segmented REAL, returned REAL,
    results TEXT NOT NULL DEFAULT '[]', PRIMARY KEY (series_uid, revision));
CREATE INDEX IF NOT EXISTS objects_of_series ON objects (series_uid);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, next_try);
"""
_MARK_LETTERS = 10
_LOCK_SECONDS = 60.0


class LedgerDatabase:
    """The database of a folder, made where it is missing. Each thread has a connection of its own."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER
        self._local = threading.local()
        folder.mkdir(parents=True, exist_ok=True)
        with self._changing() as db:
            for statement in _TABLES.split(";"):
                db.execute(statement)
            for name, value in (("salt", secrets.token_hex(16)), ("schema_version", str(_SCHEMA_VERSION))):
                db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value))
        facts = dict(self._rows("SELECT name, value FROM facts"))
        if facts["schema_version"] != str(_SCHEMA_VERSION):
            raise BadInputError(f"{self.path}: is of another version of nnunet_amt; take a new folder")
        self._salt = facts["salt"]

    def mark(self, uid: str) -> str:
        """Give what a study, series or object is called where its UID is not to be seen."""
        return hashlib.sha256(f"{self._salt} {uid}".encode()).hexdigest()[:_MARK_LETTERS]

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.path, timeout=_LOCK_SECONDS, isolation_level=None)
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = FULL")
            self._local.connection = found
        return found

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that nobody else changes anything beside."""
        db = self._connection()
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that sees one moment."""
        db = self._connection()
        db.execute("BEGIN")
        try:
            yield db
        finally:
            db.execute("COMMIT")

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> list[tuple]:
        return self._connection().execute(query, values).fetchall()

    def _row(self, query: str, values: tuple[object, ...]) -> tuple | None:
        found: tuple | None = self._connection().execute(query, values).fetchone()
        return found
