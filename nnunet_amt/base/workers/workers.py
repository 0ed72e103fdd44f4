"""Do the same with every case: in this process, in several, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from nnunet_amt.base.progress import Progress
from nnunet_amt.base.workers.local_workers import LocalProcesses, ThisProcess
from nnunet_amt.errors import AMTError, BadInputError

Item = TypeVar("Item")
Result = TypeVar("Result")

_DASK = "dask://"


class Workers(Protocol):
    """Whoever works on cases; each worker needs the memory of one."""

    def each(self, function: Callable[[Item], Result], items: Sequence[Item], what: str) -> list[Result | AMTError]:
        """Call a function with every item.

        Parameters
        ----------
        function
            A function of a module, as workers import it. It may be called again with an item whose worker was
            killed, so it must not mind what the first call left.
        items
            What it is called with.
        what
            For the report.

        Returns
        -------
        list
            Results in the order of the items; an error in place of those that failed.

        Raises
        ------
        DiskFullError, MissingExtraError, OSError
            What is not an item's fault.
        """


def open_workers(jobs: int, executor: str | None, progress: Progress) -> AbstractContextManager[Workers]:
    """Start workers; they end with the block.

    Parameters
    ----------
    jobs
        Processes of this machine; one is this process itself.
    executor
        ``dask://HOST:PORT`` sends all work to that scheduler's workers; `jobs` is not used then.
    progress
        Told after every item.

    Raises
    ------
    BadInputError
        If the executor is not known, or no scheduler answers.
    """
    if executor is None:
        return LocalProcesses(jobs, progress) if jobs > 1 else ThisProcess(progress)
    host, _, port = executor.removeprefix(_DASK).rpartition(":")
    if not executor.startswith(_DASK) or not host or not port.isdigit():
        raise BadInputError(f"--executor {executor}: is not known; give dask://HOST:PORT, or leave it out for --jobs")
    from nnunet_amt.base.workers.dask_workers import DaskWorkers

    return DaskWorkers(f"{host}:{port}", progress)
