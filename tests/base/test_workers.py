"""Work in one process or in several: the order of results, errors, and processes that die."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunet_amt.base.progress import silent
from nnunet_amt.base.workers import open_workers
from nnunet_amt.errors import BadInputError, DiskFullError, ImageReadError, MissingExtraError, WorkFailedError


def halve(number: int) -> float:
    if number % 2:
        raise ImageReadError(f"{number} is odd")
    return number / 2


def halve_or_die(number: int) -> float:
    if number == 3:
        os._exit(9)
    time.sleep(0.05)
    return number / 2


def stumble(secret: str) -> None:
    raise ValueError(f"the text may hold {secret}")


def run_out_of_memory(number: int) -> None:
    raise MemoryError


def fill_the_disk(number: int) -> None:
    raise DiskFullError("the disk is full")


def write_somewhere_forbidden(number: int) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


def miss_an_extra(number: int) -> None:
    raise MissingExtraError("install it")


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_and_errors_come_in_the_order_of_the_items(jobs: int) -> None:
    seen = []
    with open_workers(jobs=jobs, executor=None, progress=lambda *step: seen.append(step)) as workers:
        assert workers.each(halve, [8, 2, 4], "halving") == [4, 1, 2]
        first, second, third = workers.each(halve, [8, 3, 4], "halving again")
    assert (first, third) == (4, 2)
    assert isinstance(second, ImageReadError)
    assert str(second) == "3 is odd"
    assert seen == [(done, 3, what) for what in ("halving", "halving again") for done in range(4)]


@pytest.mark.slow
def test_a_killed_process_costs_its_own_item_only() -> None:
    """3 kills whatever process takes it; those that were under way beside it are done again."""
    with open_workers(jobs=2, executor=None, progress=silent) as workers:
        results = workers.each(halve_or_die, [0, 2, 3, 4, 6, 8], "dying")
        assert workers.each(halve, [2], "living on") == [1]
    assert [*results[:2], *results[3:]] == [0, 1, 2, 3, 4]
    assert isinstance(results[2], WorkFailedError)
    assert "most likely because memory ran out" in str(results[2])


def test_an_unexpected_error_is_named_without_its_text() -> None:
    """The text of a foreign exception may hold a path or a name out of the file."""
    with open_workers(jobs=1, executor=None, progress=silent) as workers:
        [result] = workers.each(stumble, ["Planted^Name"], "stumbling")
    assert isinstance(result, WorkFailedError)
    assert str(result).startswith("unexpected ValueError in test_workers.py, line ")
    assert "Planted" not in str(result)


def test_memory_that_runs_out_is_explained() -> None:
    with open_workers(jobs=1, executor=None, progress=silent) as workers:
        [result] = workers.each(run_out_of_memory, [1], "filling memory")
    assert "memory ran out" in str(result)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (fill_the_disk, DiskFullError),
        (write_somewhere_forbidden, PermissionError),
        (miss_an_extra, MissingExtraError),
    ],
)
def test_what_would_stop_the_next_item_too_stops_all(function: object, kind: type[Exception]) -> None:
    with pytest.raises(kind), open_workers(jobs=1, executor=None, progress=silent) as workers:
        workers.each(function, [1, 2], "stopping")  # type: ignore[arg-type]


def test_no_items_need_no_work() -> None:
    with open_workers(jobs=0, executor=None, progress=silent) as workers:
        assert workers.each(halve, [], "halving") == []


@pytest.mark.parametrize("executor", ["dask", "ray://host:1", "dask://host", "dask://:80", "dask://host:http"])
def test_unknown_executors_are_refused(executor: str) -> None:
    with pytest.raises(BadInputError, match="is not known; give dask://HOST:PORT"):
        open_workers(jobs=1, executor=executor, progress=silent)


ORPHANS = """
import os, sys, time
from pathlib import Path
from nnunet_amt.base.workers import open_workers
from nnunet_amt.base.progress import silent

def note_and_wait(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    with open_workers(jobs=2, executor=None, progress=silent) as workers:
        workers.each(note_and_wait, sys.argv[1:] * 2, "waiting")
"""


@pytest.mark.slow
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    script, pids = tmp_path / "orphans.py", tmp_path / "pids"
    script.write_text(ORPHANS)
    pids.mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    parent = subprocess.Popen([sys.executable, str(script), str(pids)], env=environment)
    wait_until(lambda: len(list(pids.iterdir())) == 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not any(Path("/proc", path.name).exists() for path in pids.iterdir()))


def wait_until(condition: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)
