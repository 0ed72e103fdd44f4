"""Processes that must not outlive the one that started them."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
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
