"""Processes that must not outlive the one that started them.

``python -m nnunet_amt.base.processes COMMAND ...`` runs a command so. Its parent holds the other end of its standard
input. When the parent is gone, however it ended, the whole process group goes: the command and its workers, which
would otherwise train on unseen or idle for ever. The process must lead its group (``start_new_session=True``).
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path


def end_with_parent() -> None:
    """Initialise a worker process: it ends when its parent does, also by kill -9.

    A worker of `concurrent.futures` does not notice that its parent is gone; it would write on beside a second run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle, and to tell of
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_exit, args=(parent.sentinel,), daemon=True).start()


def is_running(process_id: int) -> bool:
    """Whether a process of this number runs; somebody else's counts too."""
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # someone else's process
        return True
    try:
        status = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:  # no Linux
        return True
    return not status.rpartition(")")[2].lstrip().startswith("Z")  # killed, and not yet waited for


def _wait_and_exit(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def supervise(command: Sequence[str]) -> int:
    """Run `command` and give its exit code, 128 and more for a signal; end all with the parent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    exit_code = subprocess.call(list(command), stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)  # workers that a crash of the command left behind
    return exit_code if exit_code >= 0 else 128 - exit_code


def _end_with_parent() -> None:
    while os.read(0, 1):  # ends when the parent does; sys.stdin would hold a lock that the interpreter's end needs
        continue
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(supervise(sys.argv[1:]))
