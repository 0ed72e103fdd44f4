"""Work of the server itself that no page waits for: it goes on in a thread, and pages tell how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from nnunet_amt.base.progress import Progress

Outcome = TypeVar("Outcome")


class Aside(Generic[Outcome]):
    """Work that goes on by itself while the server lives; what must outlive it is a job, see `nnunet_amt.app.jobs`.

    Attributes
    ----------
    done, total
        How much of it is done, of how much; 0 of 0 at first.
    """

    def __init__(self, work: Callable[[Progress], Outcome]) -> None:
        self.done = self.total = 0
        self._work = work
        self._outcome: Outcome | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def is_over(self, *, seconds: float = 0.0) -> bool:
        """Wait for its end as long as is given, and tell whether it is over."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def outcome(self) -> Outcome:
        """Give what came of it once it is over; what went wrong is raised."""
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome

    def _run(self) -> None:
        try:
            self._outcome = self._work(self._told)
        except Exception as error:  # whoever asks for the outcome is told
            self._error = error

    def _told(self, done: int, total: int, what: str) -> None:
        self.done, self.total = done, total
