"""Stock commands are ended with us, and say in one line how they failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunet_amt.errors import MissingEnvironmentError, WorkFailedError
from nnunet_amt.nnunet.process import run_stock_command
from tests.hostile_folder import ROOT, HostileFolder, environment

PYTHON = Path(sys.executable).name


def test_failed_command_is_one_line_with_its_last_line(tmp_path: Path) -> None:
    lines: list[str] = []
    with pytest.raises(WorkFailedError, match=r"exit code 3; its last line: two; all of its output is in"):
        script = "print('one'); print('two'); raise SystemExit(3)"
        run_stock_command([PYTHON, "-c", script], os.environ, on_line=lines.append, log_file=tmp_path / "log")
    assert lines == ["one\n", "two\n"]
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_unknown_command_says_what_to_install() -> None:
    with pytest.raises(MissingEnvironmentError, match="nnUNetv2_nothing: command not found"):
        run_stock_command(["nnUNetv2_nothing"], os.environ)


SHOWS_A_WORKER = """
import multiprocessing, os
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(max, (1, 2)), os.environ.get("PYTHONPATH"), os.environ["nnUNet_raw"])
"""


@pytest.mark.parametrize("entry", ["", ".", "./"])
def test_neither_command_nor_its_workers_import_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    """Not the process that watches over it either, which was the first to run a stranger's subprocess.py."""
    hostile = HostileFolder(tmp_path / "received study")
    monkeypatch.chdir(hostile.path)
    (tmp_path / "command.py").write_text(SHOWS_A_WORKER)
    lines: list[str] = []
    variables = environment(entry, nnUNet_raw="raw")
    run_stock_command([PYTHON, str(tmp_path / "command.py")], variables, on_line=lines.append)
    assert (lines, hostile.imported()) == ([f"2 {ROOT} {hostile.path / 'raw'}\n"], [])


def test_command_of_the_current_folder_is_not_taken_for_one_of_nnunet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty entry of PATH is the current folder."""
    (tmp_path / "nnUNetv2_nothing").write_text("#!/bin/sh\necho hostile\n")
    (tmp_path / "nnUNetv2_nothing").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingEnvironmentError, match="nnUNetv2_nothing: command not found"):
        run_stock_command(["nnUNetv2_nothing"], {**os.environ, "PATH": f":.:{os.environ['PATH']}"})


def test_command_finds_our_trainers() -> None:
    lines: list[str] = []
    script = "import os; print(os.environ['nnUNet_extTrainer'])"
    run_stock_command([PYTHON, "-c", script], {}, on_line=lines.append)
    assert lines[0].strip().endswith("nnunet/hook")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_neither_command_nor_its_workers_outlive_us(end: signal.Signals) -> None:
    """A second training would write into the same folder as one that nobody sees."""
    command = (
        "import os, subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(os.getpid(), worker.pid, flush=True); time.sleep(60)"
    )
    script = (
        "import os; from nnunet_amt.nnunet.process import run_stock_command\n"
        f"run_stock_command([{PYTHON!r}, '-c', {command!r}], os.environ, on_line=lambda line: print(line, flush=True))"
    )
    us = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert us.stdout is not None
    processes = [int(word) for word in us.stdout.readline().split()]
    assert len(processes) == 2
    us.send_signal(end)
    us.wait(timeout=20)
    deadline = time.monotonic() + 10
    while any(map(_is_running, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_is_running, processes))


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_lines_come_as_they_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a pipe Python would keep 8 kB back: no progress for minutes."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    times: list[float] = []
    script = "import time; print('one'); time.sleep(1.5); print('two')"
    run_stock_command([PYTHON, "-c", script], os.environ, on_line=lambda line: times.append(time.monotonic()))
    assert times[1] - times[0] > 1


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_workers_of_a_crashed_command_end_and_we_do_not_wait_for_them() -> None:
    """As when the out-of-memory killer takes the main process; its worker holds the pipe open."""
    script = (
        "import os, signal, subprocess, sys\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(worker.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    lines: list[str] = []
    started = time.monotonic()
    with pytest.raises(WorkFailedError, match="exit code 137"):
        run_stock_command([PYTHON, "-c", script], os.environ, on_line=lines.append)
    assert time.monotonic() - started < 30
    assert not _is_running(int(lines[0]))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell of the memory of a process that is gone")
def test_memory_is_that_of_the_command_and_not_of_an_earlier_one() -> None:
    """200 MB first, then next to nothing: a mark of all children together would stay at the first."""
    script = (
        "from nnunet_amt.nnunet.process import run_stock_command as run\n"
        f"python = {Path(sys.executable).name!r}\n"
        "print(*(run([python, '-c', code], {}) for code in ('x = bytearray(200_000_000)', '')))"
    )
    # in a small process: what it holds itself when it starts a command counts too
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    large, small = map(int, shown.stdout.split())
    assert large > 200_000_000 > small
