"""What a receiver has done with each study, read from its ledger and nothing else: for the terminal and the page."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, get_args

from nnunet_amt.clinic.pacs.ledger_database import LEDGER
from nnunet_amt.errors import BadInputError

State = Literal["received", "waiting", "running", "returned", "refused", "set_aside"]
COUNTED = "the archive counts"  # how `SeriesStatus.asked` begins where there was a count
STATES: tuple[State, ...] = get_args(State)
_QUERY = """
SELECT study_mark, mark, series.state, series.reason, asked, sender, first_received, last_received, series.revision,
       removed, (SELECT count(*) FROM objects WHERE objects.series_uid = series.series_uid),
       jobs.state, jobs.reason, jobs.attempts, jobs.next_try, jobs.returned
FROM series LEFT JOIN jobs ON jobs.series_uid = series.series_uid AND jobs.revision = series.revision
ORDER BY first_received DESC
"""


@dataclass(frozen=True)
class SeriesStatus:
    """A series that was received, and how far it is.

    Attributes
    ----------
    study, series
        Marks: nobody is told who the patient is.
    state
        ``received`` until it is whole; then that of its newest revision.
    reason
        Why it waits, was refused or set aside; empty where all is well.
    asked
        What became of asking the archive for the count of images.
    returned
        When the archive had acknowledged all of the result, in ISO 8601; None before.
    """

    study: str
    series: str
    state: State
    reason: str
    asked: str
    sender: str
    objects: int
    revision: int
    first_received: str
    last_received: str
    returned: str | None
    seconds_to_return: float | None
    next_try: str | None
    pixels_removed: bool

    @property
    def note(self) -> str:
        """Why, and of a series that was taken for whole whether anybody had counted its images."""
        uncounted = self.revision > 0 and self.asked and not self.asked.startswith(COUNTED)
        return "; ".join(filter(None, [self.reason, f"not counted: {self.asked}" if uncounted else ""]))

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON holds it."""
        return asdict(self)


def read_status(folder: Path) -> list[SeriesStatus]:
    """Read what a receiver knows, the newest first; it may run meanwhile, and is not disturbed.

    Raises
    ------
    BadInputError
        If there is no ledger, or it cannot be read.
    """
    path = folder / LEDGER
    if not path.is_file():
        raise BadInputError(f"{folder}: holds no {LEDGER}; give the folder that a receiver was started with")
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            return [_status(row) for row in connection.execute(_QUERY)]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise BadInputError(f"{path}: cannot be read ({error}); is it the ledger of a receiver?") from error


def receivers_below(folder: Path) -> list[Path]:
    """Find the folders of receivers in a folder, itself included."""
    return sorted(path.parent for path in (*folder.glob(LEDGER), *folder.glob(f"*/{LEDGER}")))


def _status(row: tuple) -> SeriesStatus:
    (study, series, state, reason, asked, sender, first, last, revision, removed, objects,
     job_state, job_reason, attempts, next_try, returned) = row  # fmt: skip
    shown = _shown_state(state, job_state)
    why = reason if state != "complete" else job_reason
    if shown == "waiting" and attempts:
        why = f"{why} (failed {attempts} of 3 times)"
    return SeriesStatus(
        study, series, shown, why or "", asked, sender, objects, revision, _moment(first), _moment(last),
        _moment(returned) if returned and shown == "returned" else None,
        round(returned - last, 1) if returned and shown == "returned" else None,
        _moment(next_try) if shown == "waiting" and next_try else None,
        removed is not None,
    )  # fmt: skip


def _shown_state(series: str, job: str | None) -> State:
    if series == "refused" or (series == "complete" and job == "refused"):
        return "refused"
    if series != "complete":
        return "received"
    known: dict[str | None, State] = {"running": "running", "returned": "returned", "set_aside": "set_aside"}
    return known.get(job, "waiting")


def _moment(when: float) -> str:
    return datetime.fromtimestamp(when, timezone.utc).isoformat(timespec="seconds")
