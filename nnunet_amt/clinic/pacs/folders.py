"""Where a receiver keeps what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.clinic.pacs.ledger import Job
from nnunet_amt.clinic.pacs.ledger_database import LEDGER


@dataclass(frozen=True)
class ReceiveFolders:
    """The folder of a receiver: its ledger, the objects as they came, results, and what is at work."""

    root: Path

    @property
    def ledger(self) -> Path:
        """The ledger, see `Ledger`."""
        return self.root / LEDGER

    @property
    def objects(self) -> Path:
        """A folder a series, called by its mark."""
        return self.root / "objects"

    @property
    def results(self) -> Path:
        """A folder a job, called by the mark of its series and the revision; as `segment` writes cases."""
        return self.root / "results"

    @property
    def work(self) -> Path:
        """What a job reads, while it runs."""
        return self.root / "work"

    @property
    def receiver_lock(self) -> Path:
        """Held by the receiver while it lives."""
        return self.root / "receiver.lock"

    @property
    def worker_lock(self) -> Path:
        """Held by its worker while that lives."""
        return self.root / "worker.lock"

    def work_of(self, job: Job) -> Path:
        """Give the folder that a job reads from."""
        return self.work / job.name
