"""Work in this process, or in several processes of this machine."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TypeVar

import SimpleITK as sitk

from nnunet_amt.base.processes import end_with_parent
from nnunet_amt.base.progress import Progress
from nnunet_amt.base.workers.attempts import attempt
from nnunet_amt.errors import AMTError, WorkFailedError

Item = TypeVar("Item")
Result = TypeVar("Result")

_KILLED = (
    "the worker process was killed, most likely because memory ran out; run the same command again with fewer jobs"
)


class ThisProcess:
    """No process but this one.

    Parameters
    ----------
    report
        Told after every item.
    """

    def __init__(self, progress: Progress) -> None:
        self._report = progress

    def __enter__(self) -> ThisProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def each(self, function: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result | AMTError]:
        """Call a function with every item; see `nnunet_amt.base.workers.workers.Workers`."""
        results: list[Result | AMTError] = []
        self._report(0, len(items), what)
        for item in items:
            results.append(attempt(function, item))
            self._report(len(results), len(items), what)
        return results


class LocalProcesses:
    """Processes of this machine; one that is killed costs no more than the case that it was killed for.

    Parameters
    ----------
    jobs
        How many; as many cases are under way at once, and no case waits in a process.
    report
        Told after every item.
    """

    def __init__(self, jobs: int, progress: Progress) -> None:
        self._jobs = jobs
        self._report = progress
        self._pool = _new_pool(jobs)

    def __enter__(self) -> LocalProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def each(self, function: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result | AMTError]:
        """Call a function with every item; see `nnunet_amt.base.workers.workers.Workers`."""
        results: dict[int, Result | AMTError] = {}

        def done(index: int, result: Result | AMTError) -> None:
            results[index] = result
            self._report(len(results), len(items), what)

        self._report(0, len(items), what)
        waiting = deque(range(len(items)))
        while waiting:
            suspects = self._until_killed(function, items, waiting, done)
            for index in suspects:  # each by itself, to learn which one it is
                if self._until_killed(function, items, deque([index]), done):
                    done(index, WorkFailedError(_KILLED))
        return [results[index] for index in range(len(items))]

    def _until_killed(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        waiting: deque[int],
        done: Callable[[int, Result | AMTError], None],
    ) -> list[int]:
        """Work on what waits; give the items that were under way when a process was killed."""
        under_way: dict[Future[Result | AMTError], int] = {}
        killed: list[int] = []
        while (waiting and not killed) or under_way:
            while waiting and not killed and len(under_way) < self._jobs:
                index = waiting.popleft()
                try:
                    under_way[self._pool.submit(attempt, function, items[index])] = index
                except BrokenProcessPool:  # noticed before any future was told
                    killed.append(index)
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                index = under_way.pop(future)
                try:
                    done(index, future.result())
                except BrokenProcessPool:
                    killed.append(index)
        if killed:
            self._pool.shutdown(wait=True)
            self._pool = _new_pool(self._jobs)
        return sorted(killed)


def _new_pool(jobs: int) -> ProcessPoolExecutor:
    # Not fork: libraries with threads of their own may hang in a forked process.
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    end_with_parent()
