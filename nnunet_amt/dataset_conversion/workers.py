"""Do the same with every case, in this process or in several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from types import TracebackType
from typing import TypeVar

import SimpleITK as sitk

from nnunet_amt.errors import AMTError, WorkFailedError
from nnunet_amt.progress import Progress

__all__ = ["Workers"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """A number of processes; one is this process itself.

    Parameters
    ----------
    jobs
        How many cases are worked on at once. Each needs the memory of one case.
    report
        Told after every case.
    """

    def __init__(self, jobs: int, report: Progress) -> None:
        self._report = report
        self._executor: ProcessPoolExecutor | None = None
        if jobs > 1:
            # Not fork: libraries with threads of their own may hang in a forked process.
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(jobs, context, initializer=_use_one_thread)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def each(
        self, function: Callable[[Item], Result], items: Sequence[Item], what: str, go_on: bool = False
    ) -> list[Result | AMTError]:
        """Call a function with every item.

        Parameters
        ----------
        function
            A function of a module, as workers import it.
        items
            What it is called with.
        what
            For the report.
        go_on
            Put errors made for the user into the list, in place of results, instead of raising the first.

        Returns
        -------
        list
            Results in the order of the items.

        Raises
        ------
        WorkFailedError
            If a process was killed.
        """
        results: dict[int, Result | AMTError] = {}
        self._report(0, len(items), what)
        if self._executor is None:
            for index, item in enumerate(items):
                results[index] = _result(partial(function, item), go_on)
                self._report(len(results), len(items), what)
        else:
            futures: dict[Future[Result], int] = {
                self._executor.submit(function, item): index for index, item in enumerate(items)
            }
            for future in as_completed(futures):
                results[futures[future]] = _result(future.result, go_on)
                self._report(len(results), len(items), what)
        return [results[index] for index in range(len(items))]


def _result(call: Callable[[], Result], go_on: bool) -> Result | AMTError:
    try:
        return call()
    except AMTError as error:
        if go_on:
            return error
        raise
    except BrokenProcessPool as error:
        raise WorkFailedError(
            "a worker process was killed, most likely because memory ran out; "
            "run the same command again with fewer jobs"
        ) from error


def _use_one_thread() -> None:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
