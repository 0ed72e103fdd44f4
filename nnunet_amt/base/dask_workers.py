"""Work on a cluster of dask.distributed; all its machines must see the same files."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from types import ModuleType, TracebackType
from typing import Any, TypeVar

import SimpleITK as sitk

from nnunet_amt import __version__
from nnunet_amt.base.progress import Progress
from nnunet_amt.base.workers import attempt
from nnunet_amt.errors import AMTError, BadInputError, MissingExtraError, WorkFailedError

Item = TypeVar("Item")
Result = TypeVar("Result")

_SECONDS_TO_ANSWER = 15
_KILLED = "every worker that tried it was killed, most likely because memory ran out; start workers with more memory"


class DaskWorkers:
    """The workers of a scheduler; cases of a worker that dies go to another one.

    Parameters
    ----------
    address
        ``HOST:PORT`` of the scheduler. Whoever reaches it can run code on its workers: keep it inside your network.
    progress
        Called after every item.

    Raises
    ------
    BadInputError
        If no scheduler answers, it has no worker, or a worker cannot run this version.
    MissingExtraError
        If dask.distributed is not installed.
    """

    def __init__(self, address: str, progress: Progress) -> None:
        self._distributed = _distributed_module()
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
        """Call a function with every item; see `nnunet_amt.base.workers.Workers`."""
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
            return WorkFailedError(_KILLED)
        except self._distributed.client.FutureCancelledError as error:
            raise WorkFailedError(
                f"{self._name}: the scheduler is gone; start it and run the same command again"
            ) from error

    def _require_fitting_workers(self) -> None:
        versions: dict[str, str] = self._client.run(_begin, on_error="return")
        if not versions:
            raise BadInputError(f"{self._name}: the scheduler has no worker; start some with: dask worker HOST:PORT")
        for version in versions.values():
            if version != __version__:
                found = f"nnunet_amt {version}" if isinstance(version, str) else "no nnunet_amt"
                raise BadInputError(f"{self._name}: a worker has {found}; install nnunet_amt {__version__} on all")


def _begin() -> str:
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return __version__


def _distributed_module() -> ModuleType:
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError("--executor dask:// needs the extra: pip install 'nnunet_amt[dask]'") from error
    module: ModuleType = distributed
    return module
