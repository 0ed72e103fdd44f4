"""Objects to an archive by STOW-RS: of each the answer says whether it is stored; what it does not name is not."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.clinic.pacs.dicom_send import PAUSE_SECONDS, RETRIES, Answer, answer_of_status
from nnunet_amt.clinic.pacs.outgoing import OutgoingObject, find_outgoing
from nnunet_amt.clinic.pacs.send_ledger import SendLedger, sort_out
from nnunet_amt.clinic.pacs.send_result import Delivery, SendResult
from nnunet_amt.clinic.pacs.web import RefusedError, WebAddress, open_client, told_refusals
from nnunet_amt.images.dicom.files import DicomFolder, quiet_readers

if TYPE_CHECKING:
    from dicomweb_client import DICOMwebClient

MOST_OBJECTS, MOST_BYTES = 50, 64_000_000  # of a request, which is held in memory; an object may be larger by itself
_UNNAMED = Answer(False, "the archive's answer does not name it, so it may not be stored", may_change=True)
_TOO_LARGE = 413
_LOGGER = logging.getLogger(__name__)


def store_objects(
    paths: Sequence[Path],
    to: WebAddress,
    *,
    ledger: SendLedger | None = None,
    again: bool = False,
    retries: int = RETRIES,
    pause_seconds: float = PAUSE_SECONDS,
    progress: Progress = silent,
) -> SendResult:
    """Send DICOM files, and those in folders, by STOW-RS; as `send_objects` does by C-STORE.

    Raises
    ------
    WorkFailedError
        If the archive cannot be reached, does not know us, or has no DICOMweb at the address.
    BadInputError
        If a path does not exist, or its certificate is not accepted.
    """
    client = open_client(to)
    outgoing = find_outgoing(paths, progress=progress)
    due = sort_out(outgoing.objects, ledger, str(to), again=again)
    delivery = Delivery(str(to), len(due.objects), ledger, progress)
    _Storing(client, to, delivery, retries, pause_seconds).store_all(due.objects)
    return delivery.result(outgoing, due)


@dataclass
class _Storing:
    client: DICOMwebClient
    to: WebAddress
    delivery: Delivery
    retries: int
    pause_seconds: float
    most_objects: int = MOST_OBJECTS
    reached: bool = False

    def store_all(self, objects: Sequence[OutgoingObject]) -> None:
        waiting, tries, fruitless = deque(objects), Counter[str](), 0
        while waiting:
            batch = self._next_batch(waiting)
            before = len(self.delivery.sent) + len(self.delivery.failed)
            try:
                answers = self._answers(batch)
            except RefusedError as error:
                if error.status == _TOO_LARGE and len(batch) > 1:
                    self.most_objects = len(batch) // 2
                    waiting.extendleft(reversed(batch))
                    continue
                if error.is_of_everything or (not self.reached and error.may_change and fruitless >= self.retries):
                    raise
                general = Answer(False, str(error), may_change=error.may_change)
                answers = {**dict.fromkeys((one.sop_uid for one in batch), general), **answers_of_refusal(error)}
            waiting.extend(self._settle(batch, answers, tries))
            settled = len(self.delivery.sent) + len(self.delivery.failed) > before
            fruitless = 0 if settled else fruitless + 1
            if waiting and tries:
                time.sleep(self.pause_seconds * 2 ** min(fruitless, self.retries))

    def _next_batch(self, waiting: deque[OutgoingObject]) -> list[OutgoingObject]:
        batch = [waiting.popleft()]
        size = batch[0].path.stat().st_size
        while waiting and len(batch) < self.most_objects:
            size += waiting[0].path.stat().st_size
            if size > MOST_BYTES:
                break
            batch.append(waiting.popleft())
        return batch

    def _answers(self, batch: Sequence[OutgoingObject]) -> dict[str, Answer]:
        """Send a batch; give what is said of each object, by its UID."""
        with quiet_readers():
            datasets = [DicomFolder(one.path).dataset(one.path.name) for one in batch]
            with told_refusals(self.to):
                try:
                    told = self.client.store_instances(datasets)
                except (ValueError, KeyError, TypeError) as error:  # an answer that cannot be read says nothing
                    _LOGGER.info("%s: %s", self.to, error)
                    told = None
            self.reached = True
            return {} if told is None else _answers_in(told)

    def _settle(
        self, batch: Sequence[OutgoingObject], answers: dict[str, Answer], tries: Counter[str]
    ) -> list[OutgoingObject]:
        """Note what became of a batch; give what is to be sent once more."""
        once_more = []
        for one in batch:
            answer = answers.get(one.sop_uid, _UNNAMED)
            if answer.is_stored:
                self.delivery.acknowledge(one, answer.words)
            elif answer.may_change and tries[one.sop_uid] < self.retries:
                tries[one.sop_uid] += 1
                once_more.append(one)
            else:
                tried = f" ({tries[one.sop_uid] + 1} tries)" if answer.may_change else ""
                self.delivery.fail(one, answer.words + tried)
        return once_more


def _answers_in(told: Any) -> dict[str, Answer]:
    """Read both sequences of an answer; an object in both is not stored."""
    answers: dict[str, Answer] = {}
    for item in told.get("ReferencedSOPSequence") or []:
        warning = item.get("WarningReason")
        words = "" if warning is None else f"taken with a warning (0x{int(warning):04X})"
        answers[str(item.get("ReferencedSOPInstanceUID", ""))] = Answer(True, words)
    for item in told.get("FailedSOPSequence") or []:
        reason = int(item.get("FailureReason") or 0xC000)
        answer = answer_of_status(reason)
        if answer.is_stored:  # a warning among the failures is none
            answer = Answer(False, f"refused (0x{reason:04X})")
        answers[str(item.get("ReferencedSOPInstanceUID", ""))] = answer
    return answers


def answers_of_refusal(error: RefusedError) -> dict[str, Answer]:
    """Read what a refusal, as HTTP 409, says of single objects; empty where it says nothing that can be read."""
    from pydicom.dataset import Dataset

    if "json" not in error.kind:
        return {}
    try:
        content = json.loads(error.body)
        return _answers_in(Dataset.from_json(content[0] if isinstance(content, list) else content))
    except Exception as problem:  # pydicom raises whatever the content makes it raise
        _LOGGER.info("an answer that cannot be read: %s", problem)
        return {}
