"""An archive for tests that is asked for series, on loopback: it answers, and misbehaves, as it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from nnunet_amt.clinic.pacs.address import DicomAddress
from nnunet_amt.images.dicom.stream import EXPLICIT_VR

LOOPBACK = "127.0.0.1"
_FIND, _MOVE, _GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))


@dataclass
class QueryPeer:
    """What the archive holds, and how it behaves.

    Attributes
    ----------
    objects
        What it has.
    ignores
        Keys that it does not look at; it answers them all the same, unless `silent_on` has them.
    silent_on
        Keys that it does not answer.
    find_status
        How it ends an answer to a question, in place of success.
    extra
        Objects that it sends with whatever is asked for.
    withheld
        SOPInstanceUIDs that it lists and never sends, without a word.
    stated
        What it says is the number of a series' objects; the true one if None.
    lists_objects
        Whether it answers questions for single objects.
    asked
        The levels of what was to be sent, with the number of UIDs.
    """

    address: DicomAddress
    objects: list[Dataset]
    ignores: tuple[str, ...] = ()
    silent_on: tuple[str, ...] = ()
    find_status: int = 0
    extra: list[Dataset] = field(default_factory=list)
    withheld: set[str] = field(default_factory=set)
    stated: int | None = None
    lists_objects: bool = True
    aborts_after: int | None = None
    destination: tuple[str, int] = (LOOPBACK, 0)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def matching(self, keys: Dataset) -> list[Dataset]:
        names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber", "PatientID")
        found = self.objects
        for name in (one for one in names if one not in self.ignores):
            value = keys.get(name)
            wanted = [] if value in (None, "") else [value] if isinstance(value, str) else list(value)
            found = [one for one in found if not wanted or one.get(name) in wanted]
        return found

    def answers(self, keys: Dataset) -> list[Dataset]:
        level = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
        own = level[keys.QueryRetrieveLevel]
        if own == "SOPInstanceUID" and not self.lists_objects:
            return []
        groups: dict[str, list[Dataset]] = {}
        for one in self.matching(keys):
            groups.setdefault(str(one[own].value), []).append(one)
        return [self._answer(keys, members) for members in groups.values()]

    def _answer(self, keys: Dataset, members: Sequence[Dataset]) -> Dataset:
        answer = Dataset()
        for element in keys:
            if element.keyword == "NumberOfSeriesRelatedInstances":
                answer.NumberOfSeriesRelatedInstances = len(members) if self.stated is None else self.stated
            elif element.keyword not in self.silent_on:
                setattr(answer, element.keyword, members[0].get(element.keyword, ""))
        answer.QueryRetrieveLevel = keys.QueryRetrieveLevel
        return answer

    def to_send(self, keys: Dataset) -> list[Dataset]:
        uids = keys.get("SOPInstanceUID")
        self.asked.append((keys.QueryRetrieveLevel, 0 if not uids else 1 if isinstance(uids, str) else len(uids)))
        found = [one for one in self.matching(keys) if one.SOPInstanceUID not in self.withheld]
        return [*found, *self.extra]


@contextmanager
def query_peer(files: Sequence[Path], change: Callable[[QueryPeer], None] = lambda peer: None) -> Iterator[QueryPeer]:
    """Run an archive that holds these files."""
    peer = QueryPeer(DicomAddress("ARCHIVE", LOOPBACK, 1), [pydicom.dcmread(file) for file in files])
    change(peer)
    entity = AE(ae_title="ARCHIVE")
    for model in (_FIND, _MOVE, _GET):
        entity.add_supported_context(model)
    for sop_class in {one.SOPClassUID for one in peer.objects}:
        entity.add_supported_context(sop_class, [EXPLICIT_VR], scu_role=True, scp_role=True)
        entity.add_requested_context(sop_class, [EXPLICIT_VR])

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for answer in peer.answers(event.identifier):
            yield 0xFF00, answer
        if peer.find_status < 0:
            event.assoc.abort()
        elif peer.find_status:
            yield peer.find_status, None

    def sent(event: Any, objects: Sequence[Dataset]) -> Iterator[Any]:
        yield len(objects)
        for number, one in enumerate(objects):
            if peer.aborts_after == number:
                event.assoc.abort()
                return
            yield 0xFF00, one

    def get(event: Any) -> Iterator[Any]:
        yield from sent(event, peer.to_send(event.identifier))

    def move(event: Any) -> Iterator[Any]:
        objects = peer.to_send(event.identifier)
        yield (*peer.destination, {"ae_title": event.move_destination})
        yield from sent(event, objects)

    handlers: list[Any] = [(evt.EVT_C_FIND, find), (evt.EVT_C_GET, get), (evt.EVT_C_MOVE, move)]
    server = entity.start_server((LOOPBACK, 0), block=False, evt_handlers=handlers)
    assert server is not None
    peer.address = DicomAddress("ARCHIVE", LOOPBACK, server.server_address[1])
    try:
        yield peer
    finally:
        server.shutdown()
