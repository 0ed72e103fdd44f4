"""Series from an archive by C-FIND, with C-GET or with C-MOVE to a receiver of our own."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
from nnunet_amt.clinic.pacs.arrivals import Arrivals
from nnunet_amt.clinic.pacs.association import NoAssociationError, associated, pynetdicom_module
from nnunet_amt.clinic.pacs.found_series import FoundSeries, collected
from nnunet_amt.clinic.pacs.wanted import Query
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.images.dicom.files import RT_STRUCTURE_SET, SEGMENTATIONS, quiet_readers
from nnunet_amt.images.dicom.headers import CT_IMAGE

if TYPE_CHECKING:
    from pynetdicom.association import Association

_FIND, _MOVE, _GET = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))  # study root
_CLASSES = {
    "CT": (CT_IMAGE, f"{CT_IMAGE}.1", f"{CT_IMAGE}.2"),  # also enhanced, and converted to it
    "RTSTRUCT": (RT_STRUCTURE_SET,),
    "SEG": tuple(sorted(SEGMENTATIONS)),
}
_SYNTAXES = (
    *("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"),
    *("1.2.840.10008.1.2.5", *(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203))),
)
_MOST_UIDS = 100  # of one request
_PENDING = (0xFF00, 0xFF01)
_MORE = 0xB001


@dataclass(frozen=True)
class MoveTo:
    """The receiver that a C-MOVE sends to.

    Attributes
    ----------
    title
        Its AE title, which the archive must know with this machine and port.
    port
        Where it listens; 0 for a free one.
    """

    title: str
    port: int


@dataclass(frozen=True)
class DicomArchive:
    """An archive that speaks DICOM.

    Attributes
    ----------
    address
        Where it listens.
    calling
        Our AE title.
    tls
        Files of TLS; None for plain connections.
    move_to
        For C-MOVE; C-GET if None.
    """

    address: DicomAddress
    calling: str
    tls: TlsFiles | None = None
    move_to: MoveTo | None = None

    def find(self, query: Query, modalities: Iterable[str], *, most_studies: int) -> list[FoundSeries]:
        """Find the series that a query means.

        Raises
        ------
        WorkFailedError
            If the archive cannot be asked, or answers something else.
        """
        pynetdicom = pynetdicom_module()
        contexts = [pynetdicom.build_context(_FIND)]
        with associated(self.address, contexts, calling=self.calling, tls=self.tls) as association:

            def ask(level: str, keys: Mapping[str, str]) -> list[Any]:
                return _answers(association, level, keys, most=most_studies if level == "STUDY" else None)

            return collected(query, modalities, most_studies=most_studies, ask=ask)

    def fetch(self, series: FoundSeries, arrivals: Arrivals) -> str:
        """Bring what is missing of a series; say what went wrong."""
        arrivals.wait_for(series)
        try:
            if self.move_to is None:
                return self._get(series, arrivals)
            with _receiver(self.move_to, self, arrivals):
                return self._move(series, arrivals, self.move_to.title)
        except NoAssociationError as error:
            return str(error)

    def _get(self, series: FoundSeries, arrivals: Arrivals) -> str:
        pynetdicom = pynetdicom_module()
        classes = _classes_of(series)
        # one context each, so that compressed pixels come as they are
        storage = [pynetdicom.build_context(one, syntax) for one in classes for syntax in _SYNTAXES]
        roles = [pynetdicom.build_role(one, scp_role=True) for one in classes]
        handlers = [(pynetdicom.evt.EVT_C_STORE, lambda event: arrivals.take(event.encoded_dataset()))]
        with associated(
            self.address, [pynetdicom.build_context(_GET), *storage], calling=self.calling, tls=self.tls,
            roles=roles, handlers=handlers,
        ) as association:  # fmt: skip
            troubles = [outcome(association.send_c_get(one, _GET)) for one in _identifiers(series, arrivals)]
        return next(filter(None, troubles), "")

    def _move(self, series: FoundSeries, arrivals: Arrivals, title: str) -> str:
        contexts = [pynetdicom_module().build_context(_MOVE)]
        with associated(self.address, contexts, calling=self.calling, tls=self.tls) as association:
            troubles = [outcome(association.send_c_move(one, title, _MOVE)) for one in _identifiers(series, arrivals)]
        trouble = next(filter(None, troubles), "")
        return f"{trouble}; it must know {title} with this machine and --port" if trouble else ""


def _answers(association: Association, level: str, keys: Mapping[str, str], *, most: int | None) -> list[Any]:
    """Ask by C-FIND, and look at every status; of studies no more are taken than are of use."""
    dataset = _dataset(level, keys)
    found: list[Any] = []
    for status, answer in association.send_c_find(dataset, _FIND):
        code = int(status.Status) if "Status" in status else None
        if code in _PENDING and answer is not None:
            found.append(answer)
        elif code == _MORE:
            raise WorkFailedError("the archive gives only a part of what it has found; ask more narrowly")
        elif code != 0:
            raise WorkFailedError(f"the archive does not answer what it has ({_code(code)})")
        if most is not None and len(found) > most:
            association.abort()
            raise WorkFailedError(f"more than {most} studies match; ask more narrowly, or raise --most-studies")
    return found


def _dataset(level: str, keys: Mapping[str, str]) -> Any:
    from pydicom.dataset import Dataset

    dataset = Dataset()
    if not all(value.isascii() for value in keys.values()):
        dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.QueryRetrieveLevel = level
    with quiet_readers():
        for key, value in keys.items():
            setattr(dataset, key, value)
    return dataset


def _identifiers(series: FoundSeries, arrivals: Arrivals) -> list[Any]:
    """Say what is to come: the series, or of one that is partly there the objects that are missing."""
    keys = {"StudyInstanceUID": series.study_uid, "SeriesInstanceUID": series.series_uid}
    missing = arrivals.missing(series)
    if not missing or not arrivals.count(series):
        return [_dataset("SERIES", keys)]
    parts = [missing[start : start + _MOST_UIDS] for start in range(0, len(missing), _MOST_UIDS)]
    found = []
    for part in parts:
        dataset = _dataset("IMAGE", keys)
        dataset.SOPInstanceUID = part
        found.append(dataset)
    return found


def outcome(responses: Iterable[tuple[Any, Any]]) -> str:
    """Look at every answer to a request; the last one counts, with the operations that it says have failed."""
    last = None
    for status, _ in responses:
        last = status
    code = int(last.Status) if last is not None and "Status" in last else None
    if code is None:
        return "the archive broke off, or gave no answer in time"
    failed = int(last.get("NumberOfFailedSuboperations") or 0) if last is not None else 0
    if failed:
        return f"the archive says that it could not send {failed} of them ({_code(code)})"
    return "" if code == 0 else f"the archive refuses to send it ({_code(code)})"


def _code(code: int | None) -> str:
    return "no answer" if code is None else f"0x{code:04X}"


def _classes_of(series: FoundSeries) -> Sequence[str]:
    """Give the SOP classes that a series can be of: by what the archive says, and by the modality."""
    known = dict.fromkeys((*_CLASSES.get(series.modality, ()), *filter(None, series.instances.values())))
    return tuple(known)[:7]  # with their transfer syntaxes they fill an association


@contextmanager
def _receiver(at: MoveTo, archive: DicomArchive, arrivals: Arrivals) -> Iterator[None]:
    """Listen where the archive is to send to: it alone is heard, and only what is waited for is taken."""
    pynetdicom = pynetdicom_module()
    entity = pynetdicom.AE(ae_title=at.title)
    entity.require_called_aet = True
    entity.require_calling_aet = [archive.address.ae_title]
    for sop_class in dict.fromkeys(one for classes in _CLASSES.values() for one in classes):
        entity.add_supported_context(sop_class, list(_SYNTAXES))
    handlers = [(pynetdicom.evt.EVT_C_STORE, lambda event: arrivals.take(event.encoded_dataset()))]
    host = _address_towards(archive.address)
    try:
        server = entity.start_server(
            (host, at.port), block=False, evt_handlers=handlers,
            ssl_context=None if archive.tls is None else archive.tls.for_server(),
        )  # fmt: skip
    except OSError as error:
        raise BadInputError(f"--port {at.port}: cannot be listened on ({error.strerror}); choose another") from error
    try:
        yield
    finally:
        server.shutdown()


def _address_towards(archive: DicomAddress) -> str:
    """Give our own address on the way to the archive, so that nobody on another network reaches the receiver."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(archive.host, archive.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:  # sends nothing
            probe.connect(place)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise WorkFailedError(f"{archive}: cannot be reached ({error.strerror})") from error
