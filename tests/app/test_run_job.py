"""The process that sees to a job: lines, signals, full disks."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from nnunet_amt.app.jobs import LINES
from nnunet_amt.app.run_job import JobLines, run_command
from nnunet_amt.base.processes import is_running
from tests.app.stand_ins import python, wait_for


def test_a_command_that_will_not_end_is_told_and_then_killed() -> None:
    """Ctrl-C and SIGTERM are ignored here; it still goes, and its lines say that it was asked."""
    script = """
import signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: print(signal.Signals(number).name, flush=True))
print("begun", flush=True)
while True:
    time.sleep(0.1)
"""
    lines: list[str] = []
    code = run_command(
        python(script), on_line=lines.append, is_stopping=lambda: "begun\n" in lines, patience=(0.5, 0.5)
    )
    assert (code, lines) == (137, ["begun\n", "SIGINT\n", "SIGTERM\n"])


def test_ctrl_c_reaches_the_command_also_where_it_is_ignored_here() -> None:
    """As in a server that a script started in the background: its children would never be stopped."""
    script = "import time; print('begun', flush=True); time.sleep(60)"
    lines: list[str] = []
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = run_command(python(script), on_line=lines.append, is_stopping=lambda: bool(lines), patience=(20, 0.5))
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert lines[-1] == "KeyboardInterrupt\n"


def test_what_a_command_leaves_behind_is_ended_with_it() -> None:
    """A worker that it started and did not wait for."""
    script = """
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.DEVNULL)
print(left.pid)
"""
    lines: list[str] = []
    assert run_command(python(script), on_line=lines.append, is_stopping=lambda: False) == 0
    wait_for(lambda: not is_running(int(lines[0])))


def test_a_job_goes_on_when_its_lines_do_not_fit_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off within the second, the third lost: the fourth says how many, and is read."""
    lines = JobLines(tmp_path / LINES)
    lines.add("one\n")
    room = [12, 0]

    class Full:
        def write(self, content: bytes) -> int:
            if not room[0]:
                room.pop(0)
                raise OSError(28, "No space left on device")
            os.write(file.fileno(), content[: room[0]])
            return room.pop(0)

    file = lines._file
    monkeypatch.setattr(lines, "_file", Full())
    lines.add("two\n")
    lines.add("three\n")
    monkeypatch.setattr(lines, "_file", file)
    lines.add("four\n")
    written = (tmp_path / LINES).read_text().splitlines()
    texts = [json.loads(line)["text"] for line in (written[0], *written[2:])]
    assert texts == ["one", "(2 lines could not be written: the disk was full)", "four"]
