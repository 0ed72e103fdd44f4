"""Run a command that must not outlive us: ``python -m nnunet_amt.base.supervisor COMMAND ...``.

The parent holds the other end of our standard input. When it is gone, however it ended, the whole process group
goes: the command and its workers, which would otherwise train on unseen or idle for ever. We must lead the group
(``start_new_session=True``).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


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
