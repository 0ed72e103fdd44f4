"""Objects to an archive by C-STORE: every status is looked at, what was acknowledged is never sent twice."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.clinic.pacs.address import DicomAddress, TlsFiles
from nnunet_amt.clinic.pacs.association import (
    MOST_CONTEXTS,
    NoAssociationError,
    NoContextError,
    associated,
    pynetdicom_module,
)
from nnunet_amt.clinic.pacs.outgoing import OutgoingObject, find_outgoing
from nnunet_amt.clinic.pacs.send_ledger import SendLedger, sort_out
from nnunet_amt.clinic.pacs.send_result import Delivery, SendResult
from nnunet_amt.images.dicom.files import DicomFolder, quiet_readers
from nnunet_amt.images.dicom.stream import EXPLICIT_VR, IMPLICIT_VR

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.presentation import PresentationContext

__all__ = ["SendLedger", "SendResult", "send_objects"]

RETRIES = 3
PAUSE_SECONDS = 2.0
NO_ANSWER = "the archive gave no answer: the association ended or timed out"
# PS3.4 B.2.3 and PS3.7 C: what may be over in a while
_OUT_OF_RESOURCES = frozenset({*range(0xA700, 0xA800), 0x0213})
_LITTLE_ENDIAN = (EXPLICIT_VR, IMPLICIT_VR)  # each can be written as the other
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What the archive said of an object.

    Attributes
    ----------
    is_stored
        Whether it acknowledged it.
    words
        A warning, or the reason why not.
    may_change
        Whether trying again may help.
    """

    is_stored: bool
    words: str = ""
    may_change: bool = False


def send_objects(
    paths: Sequence[Path],
    to: DicomAddress,
    *,
    calling: str,
    tls: TlsFiles | None = None,
    ledger: SendLedger | None = None,
    again: bool = False,
    retries: int = RETRIES,
    pause_seconds: float = PAUSE_SECONDS,
    progress: Progress = silent,
) -> SendResult:
    """Send DICOM files, and those in folders, to an archive; what it acknowledged before is left out.

    An archive out of resources, a timeout and an association that ends are tried again after a pause; every other
    failure is the object's own and stops no other.

    Parameters
    ----------
    paths
        Files or folders.
    to
        The archive.
    calling
        Our AE title.
    tls
        Files of TLS; None for a plain connection.
    ledger
        What was acknowledged before; None for no memory.
    again
        Send what was acknowledged before too.
    retries
        How often an object is tried again, and how many associations in a row may bring nothing.
    pause_seconds
        Before the first retry; it doubles with each that brings nothing.

    Raises
    ------
    WorkFailedError
        If no association can be had at all.
    BadInputError
        If a path does not exist, or a file of TLS cannot be used.
    """
    pynetdicom_module()
    outgoing = find_outgoing(paths, progress=progress)
    due = sort_out(outgoing.objects, ledger, str(to), again=again)
    delivery = Delivery(str(to), len(due.objects), ledger, progress)
    sender = _Sender(to, calling, tls, delivery, retries, pause_seconds)
    with quiet_readers():
        for batch in _batches(due.objects):
            sender.send(batch)
    return delivery.result(outgoing, due)


@dataclass
class _Sender:
    """Sends batches, with as many associations as it takes."""

    to: DicomAddress
    calling: str
    tls: TlsFiles | None
    delivery: Delivery
    retries: int
    pause_seconds: float
    had_one: bool = False

    def send(self, batch: Sequence[OutgoingObject]) -> None:
        waiting, tries, fruitless = deque(batch), Counter[str](), 0
        contexts = _proposed(batch)
        while waiting:
            before, is_final = len(waiting), False
            try:
                with associated(self.to, contexts, calling=self.calling, tls=self.tls) as association:
                    self.had_one = True
                    reason = self._send_over(association, waiting, tries)
            except NoContextError:
                self.had_one = True
                self._give_up(waiting, None)
                return
            except NoAssociationError as error:
                reason, is_final = str(error), error.is_final
                if not self.had_one and (is_final or fruitless == self.retries):
                    raise
            if not waiting:
                return
            fruitless = 0 if len(waiting) < before else fruitless + 1
            if is_final or fruitless > self.retries:
                self._give_up(waiting, reason)
                return
            time.sleep(self.pause_seconds * 2 ** max(0, fruitless - 1))

    def _send_over(self, association: Association, waiting: deque[OutgoingObject], tries: Counter[str]) -> str:
        """Send what waits until the archive asks for a pause or ends the association; say why that was."""
        # one whose thread has ended would be waited for until the answer is overdue
        while waiting and association.is_established and association.dul.is_alive():
            one = waiting.popleft()
            answer = _store(association, one)
            if answer.is_stored:
                self.delivery.acknowledge(one, answer.words)
            elif answer.may_change and tries[one.sop_uid] < self.retries:
                tries[one.sop_uid] += 1
                waiting.append(one)
                return answer.words
            else:
                tried = f" ({tries[one.sop_uid] + 1} tries)" if answer.may_change else ""
                self.delivery.fail(one, answer.words + tried)
                if answer.may_change:
                    return answer.words
        return NO_ANSWER

    def _give_up(self, waiting: Iterable[OutgoingObject], reason: str | None) -> None:
        for one in waiting:
            self.delivery.fail(one, reason or _refused_context(one))


def _batches(objects: Sequence[OutgoingObject]) -> Iterator[list[OutgoingObject]]:
    """Put objects together that one association has contexts for, in their order."""
    batch: list[OutgoingObject] = []
    contexts: set[tuple[str, str]] = set()
    for one in objects:
        needed = {(one.sop_class, syntax) for syntax in _syntaxes(one)}
        if batch and len(contexts | needed) > MOST_CONTEXTS:
            yield batch
            batch, contexts = [], set()
        batch.append(one)
        contexts |= needed
    if batch:
        yield batch


def _syntaxes(one: OutgoingObject) -> tuple[str, ...]:
    """Say in which transfer syntaxes an object can be sent: its own; what is not compressed in the default one too."""
    if one.syntax in _LITTLE_ENDIAN:
        return one.syntax, next(other for other in _LITTLE_ENDIAN if other != one.syntax)
    return (one.syntax,)


def _proposed(batch: Sequence[OutgoingObject]) -> list[PresentationContext]:
    from pynetdicom import build_context

    needed = dict.fromkeys((one.sop_class, syntax) for one in batch for syntax in _syntaxes(one))
    return [build_context(sop_class, syntax) for sop_class, syntax in needed]


def _store(association: Association, one: OutgoingObject) -> Answer:
    accepted = {
        str(context.transfer_syntax[0])
        for context in association.accepted_contexts
        if context.abstract_syntax == one.sop_class and context.transfer_syntax
    }
    if accepted.isdisjoint(_syntaxes(one)):
        return Answer(False, _refused_context(one))
    try:
        # the bytes of the file, if the archive takes them as they are
        as_it_is = one.syntax in accepted and _says_the_same(one)
        status = association.send_c_store(one.path if as_it_is else DicomFolder(one.path).dataset(one.path.name))
    except RuntimeError:  # the association ended just now
        return Answer(False, NO_ANSWER, may_change=True)
    except (ValueError, AttributeError, TypeError) as error:
        _LOGGER.info("%s: %s", one.path, error)
        return Answer(False, f"cannot be written in {_name(next(iter(accepted)))}; export it again")
    if "Status" not in status:
        return Answer(False, NO_ANSWER, may_change=True)
    if comment := status.get("ErrorComment"):
        _LOGGER.info("%s: the archive says: %s", one.path, comment)
    return answer_of_status(int(status.Status))


def answer_of_status(code: int) -> Answer:
    """Put a status into words; what the standard does not know is a failure."""
    from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS, code_to_category

    category = code_to_category(code)
    if code == 0:
        return Answer(True)
    meaning = STORAGE_SERVICE_CLASS_STATUS.get(code, ("", ""))[1].lower() or "unknown to the standard"
    if category == "Warning" and code in STORAGE_SERVICE_CLASS_STATUS:
        return Answer(True, f"taken with a warning: {meaning} (0x{code:04X})")
    return Answer(False, f"refused: {meaning.removeprefix('refused: ')} (0x{code:04X})", code in _OUT_OF_RESOURCES)


def _says_the_same(one: OutgoingObject) -> bool:
    """Whether the beginning of the file, which a file that is sent as it is goes by, agrees with its header."""
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    try:
        meta = read_file_meta_info(one.path)
    except (InvalidDicomError, OSError, ValueError):
        return False
    stated = (meta.get(name) for name in ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID"))
    return tuple(stated) == (one.sop_class, one.sop_uid, one.syntax)


def _refused_context(one: OutgoingObject) -> str:
    return f"the archive takes no {_name(one.sop_class)} in {_name(one.syntax)}; allow it there"


def _name(uid: str) -> str:
    from pydicom.uid import UID

    return str(UID(uid).name)
