"""Jobs: command lines that run on when the page, the browser or the server is gone.

All that is known of them is on disk. A job is a folder ``.nnunet_amt_app/jobs/NUMBER`` of the opened folder:

- ``job.json``: what is to run, written once;
- ``alive``: locked by the process that sees to the job for as long as that process lives, however it ends;
- ``started.json``, ``ended.json``: written by that process, see `nnunet_amt.app.run_job`;
- ``stop``: there once somebody asked for the end;
- ``lines.jsonl``: what the command said, a JSON object a line.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import IO, Any, Literal

from nnunet_amt.base.files import require_free_space, write_json
from nnunet_amt.base.json_file import read_json
from nnunet_amt.base.processes import without_current_folder
from nnunet_amt.errors import BadInputError

APP_FOLDER = ".nnunet_amt_app"  # of the opened folder: what the page itself keeps
JobState = Literal["queued", "running", "done", "failed", "stopped"]

JOB, ALIVE, STARTED, ENDED, STOP, LINES = "job.json", "alive", "started.json", "ended.json", "stop", "lines.jsonl"
NEEDED_BYTES = 1_000_000_000  # free on the disk before anything is begun; stages reckon their own needs
_LAST_BYTES = 64 * 1024
_JOB_FORM = {"kind": str, "study": (str, None), "command": [str], "takes_device": bool, "created": str}
_STARTED_FORM = {"started": str}
_ENDED_FORM = {"ended": str, "exit_code": (int, None)}


@dataclass(frozen=True)
class Job:
    """A command line, and how far it is.

    Attributes
    ----------
    id
        Its number, from 1, in the order in which jobs were asked for.
    kind
        What it is, such as ``study`` or ``segment``.
    study
        Name of the study that it is about, if of one.
    command
        As one would type it; paths are whole.
    state
        ``queued`` waits for those before it that take the device.
    started, ended, exit_code
        None as long as they are not known: of a job whose process was killed the last two never are.
    takes_device
        Whether it may not run beside others that do.
    """

    id: str
    kind: str
    study: str | None
    command: tuple[str, ...]
    state: JobState
    created: datetime
    started: datetime | None
    ended: datetime | None
    exit_code: int | None
    takes_device: bool

    @property
    def is_over(self) -> bool:
        """Whether it will do nothing any more."""
        return self.state in ("done", "failed", "stopped")

    @property
    def is_gone(self) -> bool:
        """Whether its process ended without a word: by kill -9, or with the machine."""
        return self.state == "failed" and self.exit_code is None

    @property
    def command_line(self) -> str:
        """Give the command as a shell takes it."""
        return shlex.join(self.command)


@dataclass(frozen=True)
class Line:
    """A line that a command said, when, and where it ends in the file of lines, in bytes: from there one reads on."""

    position: int
    at: str
    text: str


class JobStore:
    """The jobs of an opened folder."""

    def __init__(self, folder: Path) -> None:
        self.opened = folder.resolve()
        self.folder = self.opened / APP_FOLDER / "jobs"
        self._over: dict[str, Job] = {}  # they never change again
        self._runners: list[subprocess.Popen[bytes]] = []  # of this server, to be waited for when they end

    def submit(
        self,
        kind: str,
        command: Sequence[str],
        *,
        study: str | None = None,
        takes_device: bool,
        needed_bytes: int = NEEDED_BYTES,
    ) -> Job:
        """Start a command line in a process of its own session, or let it wait for its turn.

        Parameters
        ----------
        command
            ``nnunet_amt`` and its words, or the path of a program and its words. It is run in the root of the file
            system, so paths must be whole.

        Raises
        ------
        BadInputError
            If the very same command waits or runs.
        DiskFullError
            If the disk has no room to begin.
        """
        require_free_space(self.folder, needed_bytes, "a job")
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / "lock"):
            same = [job for job in self.jobs() if job.command == tuple(command) and not job.is_over]
            if same:
                raise BadInputError(f"job {same[0].id}: does just this, and is {same[0].state}; wait for it or stop it")
            id_ = str(max(self._numbers(), default=0) + 1)
            place = self.place(id_)
            place.mkdir()
            with (place / ALIVE).open("wb") as alive:
                fcntl.flock(alive, fcntl.LOCK_EX)  # the started process takes the lock over, nobody sees it free
                content = {"kind": kind, "study": study, "command": list(command), "takes_device": takes_device}
                write_json(place / JOB, {**content, "created": now()})
                self._runners.append(self._start(id_, alive))
        return self.job(id_)

    def jobs(self) -> tuple[Job, ...]:
        """Read all jobs, in the order in which they were asked for."""
        self._runners = [runner for runner in self._runners if runner.poll() is None]
        ids = map(str, sorted(self._numbers()))
        return tuple(self.job(id_) for id_ in ids if (self.place(id_) / JOB).exists())

    def job(self, id_: str) -> Job:
        """Read a job.

        Raises
        ------
        BadInputError
            If there is none of this number, or its files are damaged.
        """
        if id_ not in self._over:
            job = self._read(id_)
            if not job.is_over:
                return job
            self._over[id_] = job
        return self._over[id_]

    def stop(self, id_: str) -> None:
        """Ask for the end of a job, as Ctrl-C does: what is finished stays, a training keeps its last checkpoint.

        One that waits never begins; one that is over stays as it is.
        """
        if not self.job(id_).is_over:
            (self.place(id_) / STOP).touch()

    def is_stopping(self, id_: str) -> bool:
        """Whether the end of a job was asked for."""
        return (self.place(id_) / STOP).exists()

    def ahead_of(self, id_: str) -> tuple[Job, ...]:
        """Give the jobs that a job waits for: those before it that take the device and are not over."""
        before = (job for job in self.jobs() if int(job.id) < int(id_))
        return tuple(job for job in before if job.takes_device and not job.is_over)

    def lines(self, id_: str, *, after: int = 0) -> tuple[Line, ...]:
        """Read what a job said after a position, see `Line`; 0 is the beginning."""
        try:
            with (self.place(id_) / LINES).open("rb") as file:
                if after > 0:
                    file.seek(after - 1)
                    after += len(file.readline()) - 1  # nothing, if a line ends there
                return tuple(_whole_lines(file.read(), after))
        except FileNotFoundError:
            return ()

    def last_lines(self, id_: str) -> tuple[Line, ...]:
        """Read the last lines of a job, some hundred of them."""
        try:
            size = (self.place(id_) / LINES).stat().st_size
        except FileNotFoundError:
            return ()
        return self.lines(id_, after=max(0, size - _LAST_BYTES))

    def place(self, id_: str) -> Path:
        """Give the folder of a job, which need not be there."""
        if not (id_.isascii() and id_.isdigit()):
            raise BadInputError(f"job {id_}: is no number of a job")
        return self.folder / id_

    def _numbers(self) -> list[int]:
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return [int(name) for name in names if name.isascii() and name.isdigit()]

    def _read(self, id_: str) -> Job:
        place = self.place(id_)
        if not (place / JOB).exists():
            raise BadInputError(f"job {id_}: there is no such job")
        advice = f"remove the folder {place}"
        lives = _is_locked(place / ALIVE)  # first: what a process wrote before its end is read after it
        content = read_json(place / JOB, form=_JOB_FORM, advice=advice)
        started, ended = (
            read_json(place / name, form=form, advice=advice) if (place / name).exists() else {}
            for name, form in ((STARTED, _STARTED_FORM), (ENDED, _ENDED_FORM))
        )
        exit_code = ended.get("exit_code")
        state: JobState
        if lives and not ended:
            state = "running" if started else "queued"
        elif exit_code == 0:
            state = "done"
        else:
            state = "stopped" if self.is_stopping(id_) else "failed"
        return Job(
            id=id_,
            kind=content["kind"],
            study=content["study"],
            command=tuple(content["command"]),
            state=state,
            created=datetime.fromisoformat(content["created"]),
            started=datetime.fromisoformat(started["started"]) if started else None,
            ended=datetime.fromisoformat(ended["ended"]) if ended else None,
            exit_code=exit_code,
            takes_device=content["takes_device"],
        )

    def _start(self, id_: str, alive: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start the process that sees to a job; it holds the lock, and stands in no group or session of ours."""
        with (self.place(id_) / "runner.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "nnunet_amt.app.run_job", str(self.opened), id_],
                env=job_environment(),
                cwd=Path(sys.executable).anchor,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[alive.fileno()],
                start_new_session=True,
            )


@cache
def job_store(folder: Path) -> JobStore:
    """Give the jobs of an opened folder, always the same object."""
    return JobStore(folder)


def job_environment() -> dict[str, str]:
    """Copy the environment for a job: it takes no code from the current folder, and its lines have no colours."""
    environment = without_current_folder(os.environ)
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):
        environment.pop(name, None)
    ours = str(Path(__file__).resolve().parents[2])
    if ours not in sysconfig.get_paths().values():  # a checkout, which the server may have been started in
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [ours, environment.get("PYTHONPATH")]))
    return {**environment, "NO_COLOR": "1", "TERM": "dumb", "PYTHONUNBUFFERED": "1"}


def now() -> str:
    """Give this moment in ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _whole_lines(content: bytes, position: int) -> Iterator[Line]:
    """Read JSON lines; one that is being written is left for later, one that a full disk cut is passed over."""
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return
        position += len(line)
        try:
            said: Any = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            yield Line(position, str(said.get("at", "")), str(said.get("text", "")))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time, of all servers of a folder, do what stands in the block."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
