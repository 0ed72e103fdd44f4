"""An archive for tests, on loopback: it answers C-STORE as it is told to, and keeps what it acknowledged."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from nnunet_amt.clinic.pacs.address import DicomAddress
from nnunet_amt.images.dicom.stream import EXPLICIT_VR, IMPLICIT_VR

LOOPBACK = "127.0.0.1"
ABORT, SILENCE = -1, -2  # in place of a status
CT: str = CTImageStorage

Plan = Callable[[int, str], int]


@dataclass
class StorePeer:
    """What the archive has seen.

    Attributes
    ----------
    asked
        SOPInstanceUIDs in the order in which they came, also those that were refused.
    kept
        What was acknowledged, as files.
    associations
        How many there were.
    """

    address: DicomAddress
    asked: list[str] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    associations: int = 0

    def dataset(self, uid: str) -> Dataset:
        return pydicom.dcmread(BytesIO(self.kept[uid]))


@contextmanager
def store_peer(
    plan: Plan = lambda number, uid: 0,
    *,
    takes: Sequence[tuple[str, Sequence[str]]] = ((CT, (EXPLICIT_VR, IMPLICIT_VR)),),
    calling: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[StorePeer]:
    """Run an archive that answers the object of a number, from 1 on, with what `plan` says."""
    entity = AE(ae_title="ARCHIVE")
    entity.require_called_aet = True
    if calling is not None:
        entity.require_calling_aet = [calling]
    for sop_class, syntaxes in takes:
        for syntax in syntaxes:
            entity.add_supported_context(sop_class, syntax)
    peer = StorePeer(DicomAddress("ARCHIVE", LOOPBACK, 1))
    lock = threading.Lock()

    def store(event: Event) -> int | Dataset:
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[union-attr]
        with lock:
            peer.asked.append(uid)
            status = plan(len(peer.asked), uid)
        if status == ABORT:
            event.assoc.abort()
            return 0xC000
        if status in (0, 0xB000):
            peer.kept[uid] = event.encoded_dataset()
        return status

    def count(event: Event) -> None:
        peer.associations += 1

    handlers: list[Any] = [(evt.EVT_C_STORE, store), (evt.EVT_ACCEPTED, count)]
    server = entity.start_server((LOOPBACK, 0), block=False, evt_handlers=handlers, ssl_context=tls)
    assert server is not None
    peer.address = DicomAddress("ARCHIVE", LOOPBACK, server.server_address[1])
    try:
        yield peer
    finally:
        server.shutdown()
