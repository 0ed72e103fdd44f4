"""Processes that must not outlive the one that started them, nor take code from the folder that they are started in.

Run as a file, ``python -I processes.py COMMAND ...``, this module runs a command so. Its parent holds the other end of
its standard input. When the parent is gone, however it ended, the whole process group goes: the command and its
workers, which would otherwise train on unseen or idle for ever. The process must lead its group
(``start_new_session=True``). Nothing but the standard library may be imported here: an isolated Python knows no more.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import multiprocessing.connection
import multiprocessing.pool
import multiprocessing.util
import os
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

_ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h
# An empty or relative entry on one of these is a folder of whatever folder a program is started in.
_SEARCH_PATHS = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
# Our own code is below it; whoever has it on a search path runs it already.
_OWN_FOLDER = str(Path(__file__).resolve().parents[2])


def usable_cores() -> int:
    """Count the cores that this process may run on, which on a shared machine are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Let this process keep what it frees, for the next array, instead of giving it back to the system.

    A training on a CPU asks for the same large blocks in every step. glibc maps each anew and gives it back, and the
    system has to clear its pages every time: an eighth of a step of the demo. Its peak of memory stays the same, and
    is kept until the process ends. Where there is no glibc nothing happens.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_MMAP_MAX, 0)
        set_option(_M_TRIM_THRESHOLD, 2**31 - 1)


@contextlib.contextmanager
def pools_made_by(module: ModuleType, pool_of: Callable[[str | None], Callable[..., Any]]) -> Iterator[None]:
    """Let a module's ``multiprocessing.get_context(METHOD).Pool`` be what ``pool_of(METHOD)`` gives."""
    original = module.multiprocessing
    replaced = SimpleNamespace(get_context=lambda method=None: SimpleNamespace(Pool=pool_of(method)))
    module.multiprocessing = replaced  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.multiprocessing = original  # type: ignore[attr-defined]


def pools_of_threads(module: ModuleType) -> contextlib.AbstractContextManager[None]:
    """Let the pools that a module makes be of threads of this process, see `pools_made_by`."""
    return pools_made_by(module, lambda _method: multiprocessing.pool.ThreadPool)


def keep_current_folder_out() -> None:
    """Let neither this process, from now on, nor those that it starts import from the current folder.

    A study that somebody sent may hold a ``subprocess.py`` or a ``torch/``. Python puts the folder that it is started
    in first on its search path with ``-m`` and ``-c``, and every worker process of `multiprocessing` is started with
    ``-c``. What was imported before this is called, no one can help.
    """
    with contextlib.suppress(FileNotFoundError):  # of a current folder that is gone nothing is imported
        _clean_search_path(str(Path.cwd()))
    safe = without_current_folder(os.environ)
    for name in set(_SEARCH_PATHS) - set(safe):
        os.environ.pop(name, None)
    os.environ.update(safe)
    if sys.version_info < (3, 11):  # does not know PYTHONSAFEPATH; workers get our search path in any case
        flags = multiprocessing.util._args_from_interpreter_flags
        multiprocessing.util._args_from_interpreter_flags = lambda: ["-I", *flags()]


def _clean_search_path(here: str) -> None:
    """Take off `sys.path` what ``-m`` and ``-c`` put first, and what relative entries of PYTHONPATH became."""
    with_m = getattr(sys.modules["__main__"], "__spec__", None) is not None
    if sys.path[:1] == [""] or (sys.path[:1] == [here] != [_OWN_FOLDER] and with_m):
        del sys.path[0]
    entries = os.environ["PYTHONPATH"].split(os.pathsep) if os.environ.get("PYTHONPATH") else []
    kept = {_OWN_FOLDER, *entries, *sysconfig.get_paths().values()}
    for folder in (str(Path(entry).absolute()) for entry in entries if not Path(entry).is_absolute()):
        if folder in sys.path and folder not in kept:
            sys.path.remove(folder)


def without_current_folder(environment: Mapping[str, str]) -> dict[str, str]:
    """Copy an environment so that no program in it takes code from the folder that it is started in.

    Empty and relative entries of search paths are left out, but for the folder that this package itself comes from;
    and Python (3.11 and later) is told not to put that folder first.
    """
    safe = {**environment, "PYTHONSAFEPATH": "1"}
    for name in set(_SEARCH_PATHS) & set(environment):
        entries = environment[name].split(os.pathsep)
        if name == "PYTHONPATH":
            entries = [_OWN_FOLDER if str(Path(entry).resolve()) == _OWN_FOLDER else entry for entry in entries]
        kept = [entry for entry in entries if Path(entry).is_absolute()]
        safe[name] = os.pathsep.join(kept)
        if not kept:
            del safe[name]
    return safe


def end_tidily_when_told() -> None:
    """End on SIGTERM and SIGHUP as after an error from now on, so that what is half-written goes.

    What is ignored, as SIGHUP is under ``nohup``, stays so. Forked processes are ended as they were: a worker that
    waits for a lock would not see that it is told, and whoever waits for its end would wait for ever.
    """
    for ending in _ENDINGS:
        if signal.getsignal(ending) == signal.SIG_DFL:
            signal.signal(ending, _end_tidily)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_end_at_once_when_told)


def _end_tidily(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _end_at_once_when_told() -> None:
    for ending in _ENDINGS:
        if signal.getsignal(ending) is _end_tidily:
            signal.signal(ending, signal.SIG_DFL)


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
    """Run `command` and give its exit code, 128 and more for a signal; end all with the parent.

    What asks for an end, as Ctrl-C does, is handed to the command alone, which cleans up after itself; its end is
    waited for.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    running: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def hand_on(number: int, _: object) -> None:
        if running:
            running[0].send_signal(number)
        else:
            early.append(number)

    for asking in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asking, hand_on)  # also where it is ignored, which the command would inherit
    running.append(subprocess.Popen(list(command), stdin=subprocess.DEVNULL))
    for number in early:
        running[0].send_signal(number)
    exit_code = running[0].wait()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)  # workers that a crash of the command left behind
    return exit_code if exit_code >= 0 else 128 - exit_code


def _end_with_parent() -> None:
    while os.read(0, 1):  # ends when the parent does; sys.stdin would hold a lock that the interpreter's end needs
        continue
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(supervise(sys.argv[1:]))
