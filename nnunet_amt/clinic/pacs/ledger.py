"""The ledger of a receiver: every object, series and job, in sqlite, each step a transaction that outlives a crash.

A *series* is what arrives, a *job* is one revision of it: the slices that were there when it was complete. Both have a
state:

- series: ``receiving`` (its quiet time is not over), ``incomplete`` (it is, but slices seem to lack), ``complete``,
  ``refused``;
- job: ``waiting``, ``running``, ``segmented`` (the result waits to be returned), ``returned``, ``set_aside`` (failed
  too often), ``refused`` (would fail again), ``superseded`` (later slices made another revision before its return).

A result is returned only while its series is complete and of its revision. Nothing is ever forgotten: where pixels are
removed the rows stay. Series and studies are told by marks, salted digests of their UIDs.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass

from nnunet_amt.clinic.pacs.incoming_object import IncomingObject
from nnunet_amt.clinic.pacs.ledger_database import LedgerDatabase
from nnunet_amt.errors import BadInputError

MOST_FAILURES = 3
MOST_KILLS = 20  # of one job: where each try ends the process, no other would have its turn


@dataclass(frozen=True)
class SeriesToLookAt:
    """A series whose quiet time is over."""

    series_uid: str
    study_uid: str
    mark: str
    sender: str
    looks: int
    objects: int
    files: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """A revision of a series, to be segmented or returned.

    Attributes
    ----------
    mark
        Of the series; results are called by it and the revision.
    files
        The slices, relative to the folder of objects.
    results
        Objects to return, relative to the folder of results; none before it is segmented.
    """

    series_uid: str
    revision: int
    mark: str
    study_mark: str
    attempts: int
    files: tuple[str, ...]
    results: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of its folders."""
        return f"{self.mark}-r{self.revision}"


class Ledger(LedgerDatabase):
    """The ledger of a folder, made where it is missing."""

    # What the receiver of objects does.

    def digest_of(self, sop_uid: str) -> str | None:
        """Give the SHA-256 of an object that was received; None if it was not."""
        row = self._row("SELECT sha256 FROM objects WHERE sop_uid = ?", (sop_uid,))
        return None if row is None else str(row[0])

    def add_object(
        self, found: IncomingObject, *, sha256: str, size: int, file: str, sender: str, quiet_seconds: float
    ) -> None:
        """Enter an object that lies on the disk; its series is looked at when nothing more came for the quiet time.

        A job of the series that nobody has begun is superseded: there will be another one, with this object.
        """
        now = time.time()
        with self._changing() as db:
            db.execute(
                "INSERT INTO series (series_uid, study_uid, mark, study_mark, sender, state, first_received,"
                " last_received, look_at) VALUES (?, ?, ?, ?, ?, 'receiving', ?, ?, ?)"
                " ON CONFLICT (series_uid) DO UPDATE SET looks = 0, sender = excluded.sender,"
                " state = CASE WHEN removed IS NULL THEN 'receiving' ELSE 'refused' END,"
                " reason = CASE WHEN removed IS NULL THEN '' ELSE 'more slices came after its pixels were removed' END,"
                " last_received = excluded.last_received, look_at = excluded.look_at",
                (found.series_uid, found.study_uid, self.mark(found.series_uid), self.mark(found.study_uid), sender,
                 now, now, now + quiet_seconds),
            )  # fmt: skip
            db.execute(
                "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (found.sop_uid, found.series_uid, found.sop_class, sha256, size, file, now),
            )
            db.execute(
                "UPDATE jobs SET state = 'superseded', reason = 'more slices came' WHERE series_uid = ?"
                " AND state = 'waiting'",
                (found.series_uid,),
            )

    def files(self) -> set[str]:
        """Give the files of all objects whose pixels are kept."""
        rows = self._rows("SELECT file FROM objects JOIN series USING (series_uid) WHERE removed IS NULL")
        return {str(file) for (file,) in rows}

    def listens_again(self, *, quiet_seconds: float) -> None:
        """Let the quiet time of every series begin anew: while nobody listened its sender could not go on."""
        with self._changing() as db:
            db.execute(
                "UPDATE series SET look_at = max(look_at, ?) WHERE state IN ('receiving', 'incomplete')",
                (time.time() + quiet_seconds,),
            )

    # What decides whether a series is complete.

    def series_to_look_at(self) -> list[SeriesToLookAt]:
        """Give the series whose time has come, the one that has waited longest first."""
        rows = self._rows(
            "SELECT series_uid, study_uid, mark, sender, looks FROM series"
            " WHERE state IN ('receiving', 'incomplete') AND removed IS NULL AND look_at <= ? ORDER BY look_at",
            (time.time(),),
        )
        found = []
        for series_uid, study_uid, mark, sender, looks in rows:
            files = tuple(file for (file,) in self._rows(
                "SELECT file FROM objects WHERE series_uid = ? ORDER BY file", (series_uid,)
            ))  # fmt: skip
            found.append(SeriesToLookAt(series_uid, study_uid, mark, sender, looks, len(files), files))
        return found

    def make_job(self, series: SeriesToLookAt, *, asked: str) -> int | None:
        """Call a series complete and make a job of its slices; gives the revision, None if more slices came meanwhile.

        Parameters
        ----------
        asked
            What became of asking the archive for the count.
        """
        with self._changing() as db:
            if not _is_as_it_was(db, series):
                return None
            db.execute(
                "UPDATE series SET state = 'complete', reason = '', asked = ?, revision = revision + 1"
                " WHERE series_uid = ?",
                (asked, series.series_uid),
            )
            revision = int(
                db.execute("SELECT revision FROM series WHERE series_uid = ?", (series.series_uid,)).fetchone()[0]
            )
            db.execute(
                "UPDATE objects SET first_revision = ? WHERE series_uid = ? AND first_revision IS NULL",
                (revision, series.series_uid),
            )
            db.execute(
                "UPDATE jobs SET state = 'superseded', reason = 'more slices came' WHERE series_uid = ?"
                " AND state NOT IN ('returned', 'superseded')",
                (series.series_uid,),
            )
            db.execute(
                "INSERT INTO jobs (series_uid, revision, state, created) VALUES (?, ?, 'waiting', ?)",
                (series.series_uid, revision, time.time()),
            )
        return revision

    def series_not_ready(self, series: SeriesToLookAt, *, reason: str, look_again_seconds: float | None) -> None:
        """Enter why a series is not complete, and when to look again; None refuses it, unless more comes."""
        state = "refused" if look_again_seconds is None else "incomplete"
        with self._changing() as db:
            if _is_as_it_was(db, series):
                db.execute(
                    "UPDATE series SET state = ?, reason = ?, looks = looks + 1, look_at = ? WHERE series_uid = ?",
                    (state, reason, time.time() + (look_again_seconds or 0.0), series.series_uid),
                )

    # What the worker does.

    def take_back_running(self) -> int:
        """Let jobs wait again whose worker is gone; only for who holds the worker's lock. Gives how many there were."""
        with self._changing() as db:
            taken = db.execute("UPDATE jobs SET state = 'waiting', kills = kills + 1 WHERE state = 'running'").rowcount
            db.execute(
                "UPDATE jobs SET state = 'set_aside', reason = ? WHERE state = 'waiting' AND kills >= ?",
                (f"the process that worked on it was killed {MOST_KILLS} times; perhaps memory ran out", MOST_KILLS),
            )
        return int(taken)

    def take_job(self) -> Job | None:
        """Take the job that failed or was killed least, then waits longest; None if there is none to do now."""
        with self._changing() as db:
            row = db.execute(
                f"{_SELECT_JOB} WHERE jobs.state = 'waiting' AND next_try <= ? AND {_OF_TODAY}"
                " ORDER BY kills + attempts, created LIMIT 1",
                (time.time(),),
            ).fetchone()
            if row is None:
                return None
            job = self._job(db, row)
            db.execute(
                "UPDATE jobs SET state = 'running', started = ? WHERE series_uid = ? AND revision = ?",
                (time.time(), job.series_uid, job.revision),
            )
        return job

    def segmented(self, job: Job, results: Sequence[str]) -> None:
        """Enter the result of a job that runs, objects relative to the folder of results."""
        self._end(job, "running", "state = 'segmented', reason = '', attempts = 0, next_try = 0, segmented = ?,"
                  " results = ?", (time.time(), json.dumps(list(results))))  # fmt: skip

    # What returns results.

    def job_to_return(self) -> Job | None:
        """Give the result to return now; None if there is none. One that was put off goes behind the others."""
        with self._reading() as db:
            row = db.execute(
                f"{_SELECT_JOB} WHERE jobs.state = 'segmented' AND next_try <= ? AND {_OF_TODAY}"
                " ORDER BY next_try, segmented LIMIT 1",
                (time.time(),),
            ).fetchone()
            return None if row is None else self._job(db, row)

    def returned(self, job: Job) -> None:
        """Enter that the archive has acknowledged every object of a result."""
        self._end(job, "segmented", "state = 'returned', reason = '', returned = ?", (time.time(),))

    # What both do where it did not go well.

    def failed(self, job: Job, reason: str, *, backoff_seconds: Sequence[float]) -> bool:
        """Count a failure of a job; at the third it is set aside, and True is given."""
        attempts = job.attempts + 1
        if attempts >= MOST_FAILURES:
            self._end(job, None, "state = 'set_aside', reason = ?, attempts = ?", (reason, attempts))
            return True
        pause = backoff_seconds[min(attempts, len(backoff_seconds)) - 1]
        self._try_again(job, reason, attempts, pause)
        return False

    def put_off(self, job: Job, reason: str, *, seconds: float) -> None:
        """Try a job again later without counting: what stopped it is not its own fault."""
        self._try_again(job, reason, job.attempts, seconds)

    def refuse(self, job: Job, reason: str) -> None:
        """Give a job up that would fail in the same way each time."""
        self._end(job, None, "state = 'refused', reason = ?", (reason,))

    def again(self, study_mark: str) -> int:
        """Take the jobs of a study that were set aside or refused again; gives how many.

        Raises
        ------
        BadInputError
            If there is none, or its pixels are removed.
        """
        with self._changing() as db:
            rows = db.execute(
                "SELECT series.series_uid, removed FROM jobs JOIN series USING (series_uid)"
                " WHERE study_mark = ? AND jobs.state IN ('set_aside', 'refused')",
                (study_mark,),
            ).fetchall()
            if not rows:
                raise BadInputError(f"--again {study_mark}: no job of such a study was set aside; --status lists them")
            if any(removed is not None for _, removed in rows):
                raise BadInputError(f"--again {study_mark}: its pixels are removed (--keep-days); send it again")
            return _take_again(db, "state IN ('set_aside', 'refused') AND series_uid IN"
                                   " (SELECT series_uid FROM series WHERE study_mark = ?)", study_mark)  # fmt: skip

    def again_all(self) -> int:
        """Take every job that was set aside again; gives how many.

        Not those that were refused, which would be again, and not those whose pixels are removed.

        Raises
        ------
        BadInputError
            If there is none.
        """
        with self._changing() as db:
            changed = _take_again(db, "state = 'set_aside' AND series_uid IN (SELECT series_uid FROM series"
                                      " WHERE removed IS NULL)")  # fmt: skip
        if not changed:
            raise BadInputError("--again all: no job was set aside whose pixels are kept; --status lists them")
        return changed

    # What keeps the disk free.

    def series_over(self, *, quiet_since: float) -> list[tuple[str, str]]:
        """Give series_uid and mark of what nothing is to be done with any more, and that got nothing new since."""
        rows = self._rows(
            "SELECT series_uid, mark FROM series WHERE removed IS NULL AND last_received < ? AND series_uid NOT IN"
            " (SELECT jobs.series_uid FROM jobs WHERE jobs.state IN ('waiting', 'running', 'segmented'))",
            (quiet_since,),
        )
        return [(str(series_uid), str(mark)) for series_uid, mark in rows]

    def removed(self, series_uid: str) -> None:
        """Enter that the pixels of a series are to be removed; done before it, so that no job takes it meanwhile."""
        with self._changing() as db:
            db.execute("UPDATE series SET removed = ? WHERE series_uid = ?", (time.time(), series_uid))

    def _try_again(self, job: Job, reason: str, attempts: int, pause: float) -> None:
        self._end(job, None, "state = CASE results WHEN '[]' THEN 'waiting' ELSE 'segmented' END, reason = ?,"
                  " attempts = ?, next_try = ?", (reason, attempts, time.time() + pause))  # fmt: skip

    def _end(self, job: Job, state: str | None, change: str, values: tuple[object, ...]) -> None:
        """Change a job that is in a state, or at work at all; one that was superseded meanwhile stays so."""
        states = f"('{state}')" if state else "('running', 'segmented')"
        with self._changing() as db:
            db.execute(
                f"UPDATE jobs SET {change} WHERE series_uid = ? AND revision = ? AND state IN {states}",
                (*values, job.series_uid, job.revision),
            )

    def _job(self, db: sqlite3.Connection, row: tuple) -> Job:
        series_uid, revision, mark, study_mark, attempts, results = row
        files = db.execute(
            "SELECT file FROM objects WHERE series_uid = ? AND first_revision <= ? ORDER BY file",
            (series_uid, revision),
        ).fetchall()
        return Job(series_uid, revision, mark, study_mark, attempts, tuple(file for (file,) in files),
                   tuple(json.loads(results)))  # fmt: skip


_SELECT_JOB = (
    "SELECT series_uid, jobs.revision, mark, study_mark, attempts, results FROM jobs JOIN series USING (series_uid)"
)
_OF_TODAY = "series.state = 'complete' AND series.revision = jobs.revision AND removed IS NULL"


def _take_again(db: sqlite3.Connection, which: str, *values: object) -> int:
    changed = db.execute(
        "UPDATE jobs SET state = CASE results WHEN '[]' THEN 'waiting' ELSE 'segmented' END, attempts = 0,"
        f" kills = 0, next_try = 0, reason = '' WHERE {which}",
        values,
    ).rowcount
    return int(changed)


def _is_as_it_was(db: sqlite3.Connection, series: SeriesToLookAt) -> bool:
    count = db.execute("SELECT count(*) FROM objects WHERE series_uid = ?", (series.series_uid,)).fetchone()[0]
    return bool(count == series.objects)
