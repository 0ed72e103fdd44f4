"""The same work on every case of a stage: in this process, in several, or on a cluster."""

from __future__ import annotations

import multiprocessing
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Protocol, TypeVar

import SimpleITK as sitk

from nnunet_amt import __version__
from nnunet_amt.base.processes import end_with_parent
from nnunet_amt.base.progress import Progress
from nnunet_amt.errors import AMTError, BadInputError, DiskFullError, MissingExtraError, WorkFailedError, missing_extra

Item = TypeVar("Item")
Result = TypeVar("Result")

_DASK = "dask://"
_STOPS_ALL = (DiskFullError, MissingExtraError)
_KILLED = (
    "the worker process was killed, most likely because memory ran out; run the same command again with fewer jobs"
)
_SECONDS_TO_ANSWER = 15
_KILLED_ON_CLUSTER = (
    "every worker that tried it was killed, most likely because memory ran out; start workers with more memory"
)


class Workers(Protocol):
    """Whoever works on cases; each worker needs the memory of one."""

    def each(self, function: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result | AMTError]:
        """Call a function with every item; give results in their order, and an error in place of those that failed.

        Parameters
        ----------
        function
            A function of a module, as workers import it. It may be called again with an item whose worker was
            killed, so it must not mind what the first call left.
        what
            What is done with the items, for `progress`.

        Raises
        ------
        DiskFullError, MissingExtraError, OSError
            What is not an item's fault.
        """


def open_workers(*, jobs: int, executor: str | None, progress: Progress) -> AbstractContextManager[Workers]:
    """Start workers; they end with the block.

    Raises BadInputError if the executor is not known, or no scheduler answers.

    Parameters
    ----------
    jobs
        Processes of this machine; one is this process itself.
    executor
        ``dask://HOST:PORT`` sends all work to that scheduler's workers; `jobs` is not used then.
    progress
        Called after every item.
    """
    if executor is None:
        return LocalProcesses(jobs, progress) if jobs > 1 else ThisProcess(progress)
    host, _, port = executor.removeprefix(_DASK).rpartition(":")
    if not executor.startswith(_DASK) or not host or not port.isdigit():
        raise BadInputError(f"--executor {executor}: is not known; give dask://HOST:PORT, or leave it out for --jobs")
    return DaskWorkers(f"{host}:{port}", progress)


def attempt(function: Callable[[Item], Result], item: Item) -> Result | AMTError:
    """Call a function with a case; give what is wrong with the case in place of a result.

    Raises
    ------
    DiskFullError, MissingExtraError, OSError
        What is not the case's fault and would stop the next one too.
    """
    try:
        return function(item)
    except (*_STOPS_ALL, OSError):
        raise
    except AMTError as error:
        return error
    except MemoryError:
        return WorkFailedError("memory ran out; run the same command again with fewer jobs")
    except Exception as error:  # one case never ends a cohort
        return WorkFailedError(f"{_where(error)}; please report this")


def _where(error: Exception) -> str:
    """Name the kind and the place of an unexpected error; its text may hold what must not be shown."""
    frames = list(traceback.extract_tb(error.__traceback__))
    frames = frames[1:] or frames  # the first is `attempt`
    last = next((frame for frame in reversed(frames) if "nnunet_amt" in Path(frame.filename).parts), frames[-1])
    return f"unexpected {type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"


class ThisProcess:
    """No process but this one."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __enter__(self) -> ThisProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def each(self, function: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result | AMTError]:
        """Call a function with every item; see `Workers`."""
        results: list[Result | AMTError] = []
        self._progress(0, len(items), what)
        for item in items:
            results.append(attempt(function, item))
            self._progress(len(results), len(items), what)
        return results


class LocalProcesses:
    """Processes of this machine; one that is killed costs no more than the case that it was killed for.

    As many cases are under way at once as there are processes: no case waits in a process.
    """

    def __init__(self, jobs: int, progress: Progress) -> None:
        self._jobs = jobs
        self._progress = progress
        self._pool = _new_pool(jobs)

    def __enter__(self) -> LocalProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def each(self, function: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result | AMTError]:
        """Call a function with every item; see `Workers`."""
        results: dict[int, Result | AMTError] = {}

        def done(index: int, result: Result | AMTError) -> None:
            results[index] = result
            self._progress(len(results), len(items), what)

        self._progress(0, len(items), what)
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


class DaskWorkers:
    """The workers of a scheduler at ``HOST:PORT``; cases of a worker that dies go to another one.

    Whoever reaches the scheduler can run code on its workers: keep it inside your network.

    Raises
    ------
    BadInputError
        If no scheduler answers, it has no worker, or a worker cannot run this version.
    MissingExtraError
        If dask.distributed is not installed.
    """

    def __init__(self, address: str, progress: Progress) -> None:
        try:
            import distributed
        except ImportError as error:
            raise missing_extra("--executor dask://", "dask") from error
        self._distributed: ModuleType = distributed
        self._name = f"--executor dask://{address}"
        self._progress = progress
        try:
            self._client = self._distributed.Client(
                f"tcp://{address}", timeout=_SECONDS_TO_ANSWER, set_as_default=False
            )
        except (OSError, TimeoutError) as error:
            raise BadInputError(f"{self._name}: no scheduler answers; start one with: dask scheduler") from error
        try:
            self._require_fitting_workers()
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> DaskWorkers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def each(self, function: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result | AMTError]:
        """Call a function with every item; see `Workers`."""
        results: dict[int, Result | AMTError] = {}
        self._progress(0, len(items), what)
        run = uuid.uuid4().hex
        futures = {
            # A key of its own: dask would give the result of an earlier call again.
            self._client.submit(attempt, function, item, key=f"case-{run}-{index}", pure=False): index
            for index, item in enumerate(items)
        }
        try:
            for future in self._distributed.as_completed(futures, loop=self._client.loop):
                results[futures[future]] = self._result(future)
                self._progress(len(results), len(items), what)
        finally:
            self._client.cancel(list(futures), force=True)
        return [results[index] for index in range(len(items))]

    def _result(self, future: Any) -> Any:
        try:
            return future.result()
        except self._distributed.KilledWorker:
            return WorkFailedError(_KILLED_ON_CLUSTER)
        except self._distributed.client.FutureCancelledError as error:
            raise WorkFailedError(
                f"{self._name}: the scheduler is gone; start it and run the same command again"
            ) from error

    def _require_fitting_workers(self) -> None:
        versions: dict[str, str] = self._client.run(_begin_on_cluster, on_error="return")
        if not versions:
            raise BadInputError(f"{self._name}: the scheduler has no worker; start some with: dask worker HOST:PORT")
        for version in versions.values():
            if version != __version__:
                found = f"nnunet_amt {version}" if isinstance(version, str) else "no nnunet_amt"
                raise BadInputError(f"{self._name}: a worker has {found}; install nnunet_amt {__version__} on all")


def _begin_on_cluster() -> str:
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return __version__
