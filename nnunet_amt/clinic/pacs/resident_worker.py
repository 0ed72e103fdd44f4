"""The receiver's hold on its worker: started, started again when it dies, and gone when the receiver is."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_amt.base.processes import without_current_folder
from nnunet_amt.errors import AMTError, BadInputError, WorkFailedError

LOG = logging.getLogger(__name__)
WORKER_COMMAND = (sys.executable, "-m", "nnunet_amt.clinic.pacs.worker")
_LONGEST_PAUSE_SECONDS = 60.0
_TO_END_SECONDS = 5.0


class ResidentWorker:
    """One process that works on jobs; its standard input is ours, so that it ends when we do, also by kill -9.

    Parameters
    ----------
    settings
        What it is told, on one line.
    command
        What starts it.
    """

    def __init__(self, settings: str, *, command: Sequence[str] = WORKER_COMMAND) -> None:
        self._settings, self._command = settings, list(command)
        self._process: subprocess.Popen[str] | None = None
        self._start_after = self._pause = self._started = 0.0

    def start(self) -> None:
        """Start it; it loads the model beside us."""
        self._launch()

    def wait_until_ready(self) -> None:
        """Wait until it has the model in memory; one that is killed meanwhile is for `keep_alive`.

        Raises
        ------
        BadInputError, WorkFailedError
            If it cannot load the model: in its own words.
        """
        process = self._process
        assert process is not None and process.stdout is not None
        said = _said(process.stdout.readline())
        if "ready" in said or process.wait() < 0:
            return
        kind: type[AMTError] = BadInputError if said.get("exit_code") == BadInputError.exit_code else WorkFailedError
        raise kind(said.get("error") or f"the worker ended with {process.returncode} before it had loaded the model")

    def keep_alive(self) -> None:
        """Start it again if it has died, after ever longer pauses if it does so at once."""
        assert self._process is not None
        if self._process.poll() is None:
            return
        now = time.monotonic()
        if not self._start_after:
            LOG.warning("the worker has died with %s; it is started again", self._process.returncode)
            lived = now - self._started > _LONGEST_PAUSE_SECONDS
            self._pause = 1.0 if lived else min(2 * self._pause or 1.0, _LONGEST_PAUSE_SECONDS)
            self._start_after = now + self._pause
        if now >= self._start_after:
            self._launch()

    def end(self) -> None:
        """End it; the job that it works on is taken again."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=_TO_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close()

    def _launch(self) -> None:
        self._close()
        self._start_after, self._started = 0.0, time.monotonic()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(sys.executable).anchor,
            env=_environment(), start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{self._settings}\n")
            self._process.stdin.flush()
        except BrokenPipeError:  # it has died at once, which is seen later
            LOG.debug("the worker has not read its settings")

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout) if self._process is not None else ():
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    LOG.debug("a pipe to the worker was broken")


def _said(line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _environment() -> dict[str, str]:
    """Copy ours for the worker; where the package is a checkout that is not installed, it is found there too."""
    environment = without_current_folder(os.environ)
    ours = str(Path(__file__).resolve().parents[3])
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, [ours, environment.get("PYTHONPATH")]))}
