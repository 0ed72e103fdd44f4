"""Results on their way back into the archive, each until every object of it is acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nnunet_amt.clinic.pacs.folders import ReceiveFolders
from nnunet_amt.clinic.pacs.ledger import Job, Ledger
from nnunet_amt.errors import AMTError, WorkFailedError

LOG = logging.getLogger(__name__)


class Sent(Protocol):
    """What became of objects that were sent; see `SendResult`."""

    @property
    def failed(self) -> tuple[tuple[Path, str], ...]:
        """Objects that the archive did not take, and why."""


Send = Callable[[Sequence[Path]], Sent]


@dataclass(frozen=True)
class ReturnResults:
    """Sends what is segmented; the objects are on the disk, so that each repetition sends the very same.

    Attributes
    ----------
    send
        Sends objects to the archive; WorkFailedError if it cannot be reached.
    backoff_seconds
        Before the second and the third try. While the archive cannot be reached, or takes nothing of anybody, that
        counts as no study's failure: all of them wait, ever longer up to the last of these times.
    """

    ledger: Ledger
    folders: ReceiveFolders
    send: Send
    backoff_seconds: tuple[float, ...]

    def return_next(self, *, unreachable: int = 0) -> bool | None:
        """Return a result: False if the archive took nothing, None if no result waits, else True.

        Parameters
        ----------
        unreachable
            How often the archive took nothing, one time after the other. Where it has just taken another result, and
            nothing of this, that counts as this one's failure.
        """
        job = self.ledger.job_to_return()
        if job is None:
            return None
        try:
            failed = self.send([self.folders.results / name for name in job.results]).failed
        except WorkFailedError as error:
            return self._put_off(job, str(error), unreachable)
        except Exception as error:  # of whatever kind: no other study is to wait for it
            self._count(job, str(error) if isinstance(error, AMTError) else f"failed with {type(error).__name__}")
            LOG.debug("returning failed", exc_info=True)
            return True
        if not failed:
            self.ledger.returned(job)
            LOG.info("study %s is returned, %d objects, revision %d", job.study_mark, len(job.results), job.revision)
            return True
        reason = f"the archive did not take {len(failed)} of {len(job.results)} objects: {failed[0][1]}"
        took_some = len(failed) < len(job.results)
        if unreachable and not took_some:
            return self._put_off(job, reason, unreachable)
        self._count(job, reason)
        return took_some

    def pause(self, unreachable: int) -> float:
        """Tell how many seconds to wait where the archive took nothing so often before."""
        return self.backoff_seconds[min(unreachable, len(self.backoff_seconds) - 1)]

    def _put_off(self, job: Job, reason: str, unreachable: int) -> bool:
        pause = self.pause(unreachable)
        self.ledger.put_off(job, f"cannot be returned now: {reason}", seconds=pause)
        LOG.warning("study %s cannot be returned now, and waits %.0f s: %s", job.study_mark, pause, reason)
        return False

    def _count(self, job: Job, reason: str) -> None:
        aside = self.ledger.failed(job, reason, backoff_seconds=self.backoff_seconds)
        LOG.warning("study %s %s: %s", job.study_mark, "is set aside" if aside else "is sent again later", reason)
