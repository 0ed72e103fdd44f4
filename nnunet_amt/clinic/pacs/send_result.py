"""What became of the objects that were sent, whichever way."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.clinic.pacs.outgoing import Outgoing, OutgoingObject
from nnunet_amt.clinic.pacs.send_ledger import Due, SendLedger


@dataclass(frozen=True)
class SendResult:
    """What became of each file.

    Attributes
    ----------
    sent
        Acknowledged now.
    known
        Acknowledged earlier, and copies.
    failed
        Not acknowledged, each with the reason.
    warnings
        Acknowledged with a warning, which is given; they are in `sent` too.
    passed_over
        How many files in the folders given are no DICOM.
    """

    sent: tuple[Path, ...]
    known: tuple[Path, ...]
    failed: tuple[tuple[Path, str], ...]
    warnings: tuple[tuple[Path, str], ...] = ()
    passed_over: int = 0


@dataclass
class Delivery:
    """A sending that is under way: what was acknowledged is remembered at once.

    Attributes
    ----------
    destination
        As the ledger knows it.
    total
        How many objects are to be sent.
    """

    destination: str
    total: int
    ledger: SendLedger | None = None
    progress: Progress = silent
    sent: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    warnings: list[tuple[Path, str]] = field(default_factory=list)

    def acknowledge(self, one: OutgoingObject, warning: str = "") -> None:
        """Note that the archive has an object."""
        if self.ledger is not None:
            self.ledger.remember(self.destination, one.sop_uid, one.sha256)
        self.sent.append(one.path)
        if warning:
            self.warnings.append((one.path, warning))
        self._report()

    def fail(self, one: OutgoingObject, reason: str) -> None:
        """Note that the archive does not have an object, as far as is known."""
        self.failed.append((one.path, reason))
        self._report()

    def result(self, outgoing: Outgoing, due: Due) -> SendResult:
        """Put together what was sent with what never was to be."""
        failed = (*outgoing.refused, *due.refused, *self.failed)
        return SendResult(tuple(self.sent), due.known, failed, tuple(self.warnings), outgoing.passed_over)

    def _report(self) -> None:
        self.progress(len(self.sent) + len(self.failed), self.total, "sending")
