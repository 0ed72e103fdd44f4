"""The process that sees to a job: ``python -m nnunet_amt.app.run_job FOLDER NUMBER``, started with the job's lock.

It waits for the device, runs the command, writes down its lines and its end, and ends it when that is asked for. The
command and all that it starts go when this process goes, however that ends: see `nnunet_amt.base.processes.supervise`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from nnunet_amt.app.jobs import ENDED, LINES, NEEDED_BYTES, STARTED, Job, JobStore, job_environment, now
from nnunet_amt.base import processes
from nnunet_amt.base.files import require_free_space, write_json
from nnunet_amt.errors import DiskFullError

_POLL_SECONDS = 0.2
_TURN_SECONDS = 1.0
_LONGEST_LINE = 4000  # characters
# How long a command may take to end after Ctrl-C, and then after being told to end; then it is killed.
PATIENCE_SECONDS = (60.0, 10.0)


class JobLines:
    """Writes lines with their time; on a full disk they are counted, and the job goes on."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._lost = 0

    def add(self, text: str) -> None:
        """Write a line, and before it how many could not be written."""
        lost = [f"({self._lost} lines could not be written: the disk was full)"] if self._lost else []
        said = [{"at": now(), "text": one[:_LONGEST_LINE]} for one in (*lost, text.rstrip())]
        content = "".join(f"{json.dumps(one)}\n" for one in said).encode()
        if self._lost:
            content = b"\n" + content  # the end of what was cut off
        try:
            whole = self._file.write(content) == len(content)
        except OSError:
            whole = False
        self._lost = 0 if whole else self._lost + 1


def run_job(store: JobStore, id_: str, *, patience: Sequence[float] = PATIENCE_SECONDS) -> int | None:
    """Run a job to its end and write that down; gives its exit code, None if it was stopped before its turn."""
    job, place = store.job(id_), store.place(id_)
    exit_code = None
    if _await_turn(store, job):
        write_json(place / STARTED, {"started": now(), "process_id": os.getpid()})
        lines = JobLines(place / LINES)
        try:
            require_free_space(store.folder, NEEDED_BYTES, "a job")
        except DiskFullError as error:
            lines.add(f"error: {error}")
            exit_code = error.exit_code
        else:
            exit_code = run_command(
                job.command, on_line=lines.add, is_stopping=lambda: store.is_stopping(id_), patience=patience
            )
    write_json(place / ENDED, {"ended": now(), "exit_code": exit_code})
    return exit_code


def _await_turn(store: JobStore, job: Job) -> bool:
    """Wait until no job before this one needs the device; False if it is to stop before that."""
    while job.takes_device and not store.is_stopping(job.id) and store.ahead_of(job.id):
        time.sleep(_TURN_SECONDS)
    return not store.is_stopping(job.id)


def run_command(
    command: Sequence[str],
    *,
    on_line: Callable[[str], None],
    is_stopping: Callable[[], bool],
    patience: Sequence[float] = PATIENCE_SECONDS,
) -> int:
    """Run a command, told of its lines; give its exit code, 128 and more for a signal.

    Parameters
    ----------
    is_stopping
        Asked all the time; once it says so the command gets Ctrl-C's signal.
    patience
        Seconds until it is told to end, and from then until it is killed.
    """
    words = [sys.executable, "-m", *command] if command[0] == "nnunet_amt" else list(command)
    process = subprocess.Popen(
        [sys.executable, "-I", str(Path(processes.__file__).resolve()), *words],
        env=job_environment(),
        cwd=Path(sys.executable).anchor,
        stdin=subprocess.PIPE,  # held open: the supervisor ends everything when it closes
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    reader = threading.Thread(target=_read, args=(process.stdout, on_line), daemon=True)
    reader.start()
    while process.poll() is None and not is_stopping():
        time.sleep(_POLL_SECONDS)
    _end(process, patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # workers, should the supervisor have been killed
    reader.join(timeout=5)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _end(process: subprocess.Popen[str], patience: Sequence[float]) -> None:
    """Ask a command to end as Ctrl-C does, then tell it, then kill it; nothing if it has ended.

    The supervisor hands the first two to the command alone, not to its workers.
    """
    for number, seconds in zip((signal.SIGINT, signal.SIGTERM, signal.SIGKILL), (*patience, None), strict=True):
        if process.poll() is None:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=seconds)


def _read(output: IO[str], on_line: Callable[[str], None]) -> None:
    for line in output:
        if line.strip():
            on_line(line)


if __name__ == "__main__":
    run_job(JobStore(Path(sys.argv[1])), sys.argv[2])
