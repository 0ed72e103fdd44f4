"""Ask a process of its own for measurements, one JSON line each way: memory and threads of recipes stay apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

__all__ = ["Worker", "answer_requests"]


class Worker:
    """A running ``python -m MODULE ARGUMENTS`` that answers requests; ends with its context.

    Parameters
    ----------
    module, arguments
        What to run; it calls `answer_requests`.
    environment
        Its environment.
    log
        What it prints goes here.
    """

    def __init__(self, module: str, arguments: Iterable[str], environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("a", encoding="utf-8") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def ask(self, request: str, **options: Any) -> Any:
        """Send a request, wait for its answer; a worker that died ends the benchmark with the log's last line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps({"request": request, **options}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            lines = self._log.read_text(encoding="utf-8").splitlines() or ["it printed nothing"]
            sys.exit(f"{request}: the process that measures died: {lines[-1]}; all of its output is in {self._log}")
        return json.loads(line)


def answer_requests(handlers: Mapping[str, Callable[..., Any]]) -> None:
    """Answer requests from standard input until it closes; what the handlers print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # also what C++ libraries and worker processes print
    with redirect_stdout(sys.stderr):
        for line in sys.stdin:
            options = json.loads(line)
            print(json.dumps(handlers[options.pop("request")](**options)), file=answers, flush=True)
