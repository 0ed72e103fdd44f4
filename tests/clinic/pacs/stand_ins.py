"""Whoever a receiver speaks with, on this machine: a PACS that sends, an archive that takes results, a quick model."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    StudyRootQueryRetrieveInformationModelFind,
)

from nnunet_amt.clinic.pacs.address import DicomAddress
from nnunet_amt.clinic.pacs.peers import Limits, Peer, Peers
from tests.images.dicom.dicom_fixtures import series_uid, write_ct_series
from tests.images.dicom.seg_fixtures import as_source

LOOPBACK = "127.0.0.1"
PEERS = Peers((Peer("PACS", (ip_network("127.0.0.0/8"),)),), Limits(object_bytes=4 * 1024**2))
WORKER = (sys.executable, str(Path(__file__).with_name("quick_worker.py")))


def write_study(folder: Path, name: str, *, slices: int = 8, without: Sequence[int] = ()) -> list[Path]:
    """Write a CT with a block of 2 x 4 x 3 voxels above 0 HU, of a patient and study of its own; gives its files."""
    volume = np.full((slices, 10, 12), -800, np.int16)
    volume[2:6], volume[4:] = -100, -20
    volume[-3:-1, 1:5, 2:5] = 40
    noise = np.random.default_rng(len(name)).integers(-15, 15, volume.shape)

    def change(z: int, dataset: Dataset) -> None:
        as_source(z, dataset)
        dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = series_uid(f"study {name}"), series_uid(f"at {name}")
        dataset.PatientID, dataset.InstanceNumber = f"planted-{name}", z + 1

    files = write_ct_series(folder / name, (volume + noise).astype(np.int16), series=name, change=change)
    return [file for z, file in enumerate(files) if z not in without]


@dataclass
class Answers:
    """What the sender of objects was told, one after the other; -1 where no answer came."""

    statuses: list[int] = field(default_factory=list)

    @property
    def refused(self) -> list[int]:
        return [status for status in self.statuses if status != 0]


def store(
    port: int, datasets: Sequence[Path | Dataset], *, calling: str = "PACS", called: str = "AMT"
) -> Answers | None:
    """Send objects over one association, and wait for each answer; None where the association is rejected."""
    entity = AE(calling)
    entity.acse_timeout = entity.network_timeout = 20
    entity.dimse_timeout = 8
    wanted = [one if isinstance(one, Dataset) else pydicom.dcmread(one) for one in datasets]
    pairs = {(str(one.SOPClassUID), str(one.file_meta.TransferSyntaxUID)) for one in wanted}
    for sop_class, syntax in sorted(pairs)[:120]:
        entity.add_requested_context(sop_class, syntax)
    association = entity.associate(LOOPBACK, port, ae_title=called)
    if not association.is_established:
        return None
    answers = Answers()
    for dataset in wanted:
        try:
            status = association.send_c_store(dataset) if association.is_established else Dataset()
        except (RuntimeError, ValueError):  # the association is gone
            status = Dataset()
        answers.statuses.append(int(status.Status) if "Status" in status else -1)
    association.release()
    return answers


def store_all(port: int, files: Sequence[Path], *, seconds: float = 240.0) -> None:
    """Send files as a PACS does: again until each was acknowledged, also where nobody listens for a while."""
    end, left = time.monotonic() + seconds, list(files)
    while left:
        assert time.monotonic() < end, f"{len(left)} of {len(files)} objects were never acknowledged"
        answers = store(port, left)
        if answers is None:
            time.sleep(0.3)
        else:
            left = [file for file, status in zip(left, answers.statuses, strict=True) if status != 0]


@dataclass
class Archive:
    """An archive in this process: keeps the first of each UID as Orthanc does, and counts how often each came.

    `counts` says what it answers to C-FIND, by SeriesInstanceUID; `refuses` is a status in place of success.
    """

    address: DicomAddress
    objects: dict[str, Dataset] = field(default_factory=dict)
    came: Counter[str] = field(default_factory=Counter)
    contents: dict[str, set[bytes]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    refuses: int = 0

    def of_series(self, source: str) -> list[Dataset]:
        """Give the SEGs that were made of a CT series."""
        segs = [one for one in self.objects.values() if one.Modality == "SEG"]
        return [one for one in segs if str(one.ReferencedSeriesSequence[0].SeriesInstanceUID) == source]


@contextmanager
def archive() -> Iterator[Archive]:
    """Run an archive at a free port."""
    entity = AE("ARCHIVE")
    for sop_class in (SegmentationStorage, SecondaryCaptureImageStorage, CTImageStorage):
        entity.add_supported_context(sop_class)
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    lock = threading.Lock()

    def take(event: evt.Event) -> int:
        dataset = event.dataset
        with lock:
            if running.refuses:
                return running.refuses
            uid = str(dataset.SOPInstanceUID)
            dataset.file_meta = event.file_meta
            running.objects.setdefault(uid, dataset)
            running.came[uid] += 1
            running.contents.setdefault(uid, set()).add(event.request.DataSet.getvalue())  # type: ignore[union-attr]
        return 0

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        if (count := running.counts.get(str(asked.SeriesInstanceUID))) is not None:
            asked.NumberOfSeriesRelatedInstances = count
            yield 0xFF00, asked
        yield 0x0000, None

    server = entity.start_server(
        (LOOPBACK, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take), (evt.EVT_C_FIND, find)]
    )
    assert server is not None
    running = Archive(DicomAddress("ARCHIVE", LOOPBACK, int(server.server_address[1])))
    try:
        yield running
    finally:
        server.shutdown()


@dataclass(frozen=True)
class SentObjects:
    """What sending gives, as the package's own sender does."""

    failed: tuple[tuple[Path, str], ...]


def above_zero(values: NDArray[np.signedinteger]) -> NDArray[np.uint8]:
    """Say what the quick model takes for tumour."""
    return (values > 0).astype(np.uint8)
