"""Run the stock nnU-Net commands so that they find our trainer, die with us, and run nobody else's code."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nnunet_amt.base import processes
from nnunet_amt.base.processes import without_current_folder
from nnunet_amt.errors import MissingEnvironmentError, WorkFailedError
from nnunet_amt.nnunet.environment import FOLDER_VARIABLES, environment_with_trainer

logger = logging.getLogger(__name__)

_SUPERVISOR = Path(processes.__file__).resolve()


def run_stock_command(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    on_line: Callable[[str], None] | None = None,
    log_file: Path | None = None,
) -> int | None:
    """Run a command of nnU-Net in an environment where it finds our trainer.

    It runs in the root of the file system: on Python 3.10 nnU-Net's workers would import from the current folder.

    Parameters
    ----------
    command
        Paths in it must be absolute.
    environment
        Relative paths of nnU-Net's folders are made absolute.
    on_line
        Told every line of the output.
    log_file
        Appended to. With this or `on_line` nothing is shown on the terminal.

    Returns
    -------
    int or None
        Most memory that the largest single one of its processes held, in bytes, and not less than we held when it
        was started; None where the system does not tell.
    """
    beside_python, piped = Path(sys.executable).parent / command[0], on_line is not None or log_file is not None
    safe = _safe_environment(environment)
    executable = str(beside_python) if beside_python.is_file() else shutil.which(command[0], path=_search_path(safe))
    if executable is None:
        raise MissingEnvironmentError(f"{command[0]}: command not found; install nnU-Net with: pip install nnunetv2")
    logger.info("running %s", shlex.join(command))
    process = subprocess.Popen(
        [sys.executable, "-I", str(_SUPERVISOR), executable, *command[1:]],
        # unbuffered: through a pipe nnU-Net's lines would come in lumps
        env={**safe, "PYTHONUNBUFFERED": "1"},
        cwd=_SUPERVISOR.anchor,
        stdin=subprocess.PIPE,  # held open: the supervisor ends everything when it closes
        stdout=subprocess.PIPE if piped else None,
        stderr=subprocess.STDOUT if piped else None,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C reaches us, and we end its workers with it
    )
    try:
        last_line = _follow(process, on_line, log_file) if piped else ""
        exit_code, peak = _wait(process)
    except BaseException:
        # with its workers, at once: checkpoints are written whole, half a prediction is made again
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if exit_code != 0:
        last = f"; its last line: {last_line}" if last_line else ""
        where = f"; all of its output is in {log_file}" if log_file else ""
        raise WorkFailedError(f"{command[0]} ended with exit code {exit_code}{last}{where}")
    return peak


def _safe_environment(environment: Mapping[str, str]) -> dict[str, str]:
    safe = without_current_folder(environment_with_trainer(environment))
    folders = {name: str(Path(safe[name]).absolute()) for name in FOLDER_VARIABLES if safe.get(name)}
    return {**safe, **folders}


def _search_path(environment: Mapping[str, str]) -> str:
    return environment.get("PATH", os.defpath)


def _wait(process: subprocess.Popen[str]) -> tuple[int, int | None]:
    """Wait for a process; give its exit code, and the peak memory of it and those that it has waited for."""
    if not hasattr(os, "wait4"):
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # or Popen would wait for what is gone
    return process.returncode, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cpu_friendly_environment(device: str) -> dict[str, str]:
    """Copy the environment; on a CPU ask nnU-Net for no more workers than there are cores."""
    environment = dict(os.environ)
    if device == "cpu":
        environment.setdefault("nnUNet_n_proc_DA", "0")
        environment.setdefault("nnUNet_def_n_proc", str(os.cpu_count() or 1))
        environment.setdefault("nnUNet_compile", "f")
    return environment


def _follow(process: subprocess.Popen[str], on_line: Callable[[str], None] | None, log_file: Path | None) -> str:
    """Pass output on line by line; return its last line."""
    last_line = ""
    log_path = log_file or Path(os.devnull)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("a", encoding="utf-8") as log:
        for line in process.stdout or ():
            log.write(line)
            log.flush()
            last_line = line.strip() or last_line
            if on_line is not None:
                on_line(line)
    return last_line
