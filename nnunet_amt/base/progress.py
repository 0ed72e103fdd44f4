"""How a stage tells its caller how far it is, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called by a stage after every step; the command line draws a bar from it."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Report that `done` of `total` steps of `what` are finished; details may follow `what` after a colon."""


def silent(done: int, total: int, what: str) -> None:
    """Ignore the report: the default of every stage."""
