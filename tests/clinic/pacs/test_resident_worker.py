"""The worker's process: what it says when it cannot begin, and that it comes back, and goes with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunet_amt.base.processes import is_running
from nnunet_amt.clinic.pacs.resident_worker import ResidentWorker
from nnunet_amt.errors import BadInputError, WorkFailedError
from tests.app.stand_ins import wait_for

# Says that it is ready, notes its number, and lives until its input ends.
READY = """
import os, sys
sys.stdin.readline()
open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
print('{"ready": "hash"}', flush=True)
sys.stdin.read()
"""


def numbers(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def test_it_is_started_again_when_it_is_killed(tmp_path: Path) -> None:
    worker = ResidentWorker("{}", command=[sys.executable, "-c", READY, str(tmp_path / "numbers")])
    worker.start()
    worker.wait_until_ready()
    (first,) = numbers(tmp_path / "numbers")
    os.kill(first, signal.SIGKILL)

    def second() -> bool:
        worker.keep_alive()
        return len(numbers(tmp_path / "numbers")) == 2

    wait_for(second)
    worker.end()
    assert not is_running(numbers(tmp_path / "numbers")[1])


@pytest.mark.parametrize(
    ("script", "error", "told"),
    [
        ("""print('{"error": "no such model", "exit_code": 2}')""", BadInputError, "no such model"),
        ("raise SystemExit(3)", WorkFailedError, "the worker ended with 3 before it had loaded the model"),
    ],
)
def test_what_keeps_it_from_beginning_is_told(script: str, error: type[Exception], told: str) -> None:
    script += "\nraise SystemExit(2)"
    worker = ResidentWorker("{}", command=[sys.executable, "-c", script])
    worker.start()
    with pytest.raises(error, match=told):
        worker.wait_until_ready()
    worker.end()


def test_killed_while_it_loads_it_is_only_started_again() -> None:
    """Memory that ran out, or a kill by hand, is no reason to stop receiving."""
    worker = ResidentWorker("{}", command=[sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    worker.start()
    worker.wait_until_ready()
    worker.end()


def test_it_goes_with_whoever_started_it(tmp_path: Path) -> None:
    """Also by kill -9: its input ends, and nothing works on unseen."""
    script = (
        "import sys, time; from nnunet_amt.clinic.pacs.resident_worker import ResidentWorker as R; "
        f"w = R('{{}}', command=[sys.executable, '-c', {READY!r}, {str(tmp_path / 'numbers')!r}]); "
        "w.start(); w.wait_until_ready(); time.sleep(100)"
    )
    root = str(Path(__file__).parents[3])
    parent = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": root})
    wait_for(lambda: numbers(tmp_path / "numbers"))
    time.sleep(0.1)
    parent.kill()
    parent.wait()
    (number,) = numbers(tmp_path / "numbers")
    wait_for(lambda: not is_running(number))
