"""A receiver: a PACS sends, the series that are whole are segmented, and the results go back, each exactly once."""

from __future__ import annotations

import fcntl
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import require_no_file
from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
from nnunet_amt.clinic.pacs.folders import ReceiveFolders
from nnunet_amt.clinic.pacs.ledger import Ledger, SeriesToLookAt
from nnunet_amt.clinic.pacs.object_store import ObjectStore
from nnunet_amt.clinic.pacs.peers import Peers
from nnunet_amt.clinic.pacs.readiness import Count, ask_nobody, count_at, look_at_series
from nnunet_amt.clinic.pacs.resident_worker import WORKER_COMMAND, ResidentWorker
from nnunet_amt.clinic.pacs.return_results import ReturnResults, Send
from nnunet_amt.clinic.pacs.store_scp import listening
from nnunet_amt.clinic.pacs.worker_settings import WorkerSettings
from nnunet_amt.errors import BadInputError

LOG = logging.getLogger(__name__)
_STEP_SECONDS = 0.5
_TIDY_SECONDS = 3600.0
_DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class ReceiveSettings:
    """How a receiver listens, waits and returns; what is segmented with is the worker's.

    Attributes
    ----------
    tls
        Of both sides, None for plain connections; `return_tls` says whether the archive is spoken to so as well.
    ask_archive
        Whether the count of a series' images is asked for: where its sender says so, else where results go.
    quiet_seconds
        A series is looked at when nothing of it came for so long.
    keep_days
        After so long without anything new the pixels of a series that is done go; None keeps them.
    """

    ae_title: str
    host: str
    port: int
    peers: Peers
    return_to: DicomAddress
    tls: TlsFiles | None = None
    return_tls: bool = False
    ask_archive: bool = True
    ask_seconds: float = 10.0
    quiet_seconds: float = 60.0
    keep_free_bytes: int = 10_000_000_000
    keep_days: float | None = None


def receive(
    settings: ReceiveSettings,
    work: WorkerSettings,
    *,
    send: Send,
    on_start: Callable[[int], None] | None = None,
    ended: threading.Event | None = None,
    worker_command: Sequence[str] = WORKER_COMMAND,
) -> None:
    """Receive until told to end; begun again in the same folder it goes on where it was, however it ended.

    Parameters
    ----------
    work
        What the worker is told; its folder is that of the receiver.
    send
        Sends objects to the archive.
    on_start
        Told the port when others may send.
    ended
        Looked at twice a second; an exception such as that of SIGTERM ends it as well.

    Raises
    ------
    BadInputError
        If the folder is in use, the model may not be used, or nobody can listen at the port.
    """
    folders = ReceiveFolders(Path(work.folder))
    require_no_file(folders.root)
    ended = ended or threading.Event()
    with _only_receiver(folders):
        ledger = Ledger(folders.root)
        store = ObjectStore(
            folders.objects, ledger, keep_free_bytes=settings.keep_free_bytes, quiet_seconds=settings.quiet_seconds
        )
        for lost in store.tidy():
            LOG.error("an object that was received is lost: %s; send its series again", lost)
        worker = ResidentWorker(work.as_json(), command=worker_command)
        tls = settings.tls.for_server() if settings.tls is not None else None
        try:
            worker.start()
            worker.wait_until_ready()  # nobody is told that we listen before the model is found and loaded
            returning = _Returning(ReturnResults(ledger, folders, send, work.backoff_seconds), ended)
            with listening(
                store, peers=settings.peers, ae_title=settings.ae_title, host=settings.host, port=settings.port, tls=tls
            ) as port:
                returning.start()
                if on_start is not None:
                    on_start(port)
                ledger.listens_again(quiet_seconds=settings.quiet_seconds)
                _run(settings, work, ledger, store, worker, ended)
        finally:
            ended.set()
            worker.end()


def _run(
    settings: ReceiveSettings,
    work: WorkerSettings,
    ledger: Ledger,
    store: ObjectStore,
    worker: ResidentWorker,
    ended: threading.Event,
) -> None:
    """See to series and the worker, again and again; what goes wrong once is told, and tried again."""
    tidied = 0.0
    while not ended.wait(_STEP_SECONDS):
        try:
            look_at_series(
                ledger, store.folder, ask=_asking(settings), reading=work.reading, quiet_seconds=settings.quiet_seconds
            )
            worker.keep_alive()
            if settings.keep_days is not None and time.monotonic() - tidied > _TIDY_SECONDS:
                tidied = time.monotonic()
                remove_old(ledger, store, ReceiveFolders(Path(work.folder)), days=settings.keep_days)
        except Exception as error:
            LOG.error("a step of the receiver failed with %s; it is tried again", type(error).__name__)
            LOG.debug("a step failed", exc_info=True)


def remove_old(ledger: Ledger, store: ObjectStore, folders: ReceiveFolders, *, days: float) -> int:
    """Remove the pixels of series that are done and got nothing new for some days, and their results; gives how many.

    The ledger keeps its rows: an object of them that is sent again is known.
    """
    old = ledger.series_over(quiet_since=time.time() - days * _DAY_SECONDS)
    for series_uid, mark in old:
        ledger.removed(series_uid)
        store.remove_series(mark)
        for result in folders.results.glob(f"{mark}-r*"):
            shutil.rmtree(result, ignore_errors=True)
    return len(old)


def _asking(settings: ReceiveSettings) -> Callable[[SeriesToLookAt], Count]:
    if not settings.ask_archive:
        return ask_nobody

    def ask(series: SeriesToLookAt) -> Count:
        peer = settings.peers.of_title(series.sender)
        archive = peer.ask if peer is not None and peer.ask is not None else settings.return_to
        tls = settings.tls if settings.return_tls else None
        return count_at(archive, series, calling=settings.ae_title, tls=tls, timeout_seconds=settings.ask_seconds)

    return ask


class _Returning(threading.Thread):
    """Returns results beside everything else: a slow archive keeps no series waiting."""

    def __init__(self, results: ReturnResults, ended: threading.Event) -> None:
        super().__init__(name="returning", daemon=True)
        self._results, self._ended = results, ended

    def run(self) -> None:
        """Return one result after the other."""
        unreachable = 0
        while not self._ended.is_set():
            try:
                took = self._results.return_next(unreachable=unreachable)
            except Exception as error:  # of the ledger; the result is there the next time
                LOG.error("returning failed with %s; it is tried again", type(error).__name__)
                took = None
            if took is None:
                self._ended.wait(_STEP_SECONDS)
            elif took:
                unreachable = 0
            else:
                self._ended.wait(self._results.pause(unreachable))
                unreachable += 1


@contextmanager
def _only_receiver(folders: ReceiveFolders) -> Iterator[None]:
    """Keep a second receiver out of the folder, for as long as the process lives."""
    folders.root.mkdir(parents=True, exist_ok=True)
    with folders.receiver_lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInputError(
                f"{folders.root}: a receiver runs here already; end it, or take another folder"
            ) from None
        yield
