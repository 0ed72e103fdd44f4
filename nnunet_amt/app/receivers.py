"""The page of receivers: what each has received from an archive and what became of it, read from their ledgers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nnunet_amt.app.language import Texts, language_of, texts
from nnunet_amt.app.pages import opened_folder, render
from nnunet_amt.clinic.pacs.receive_status import STATES, SeriesStatus, read_status, receivers_below

_MOST_ROWS = 200
# As the page's colours are called.
_COLOURS = {"returned": "done", "running": "running", "refused": "stopped", "set_aside": "failed"}


@dataclass(frozen=True)
class ReceiverView:
    """A receiver as the page shows it.

    Attributes
    ----------
    name
        Its folder, from the opened one.
    counts
        A sentence: how many series have which state.
    rows
        The newest series; `left_out` says how many older ones there are.
    """

    name: str
    counts: str
    rows: tuple[SeriesStatus, ...]
    left_out: int


def receiver_view(folder: Path, name: str, t: Texts) -> ReceiverView:
    """Gather what is shown of a receiver."""
    found = read_status(folder)
    states = Counter(one.state for one in found)
    counts = [f"{t('receivers.' + state)} {t.number(states[state])}" for state in STATES if states[state]]
    return ReceiverView(name, " · ".join(counts), tuple(found[:_MOST_ROWS]),
                        max(0, len(found) - _MOST_ROWS))  # fmt: skip


def _receivers(request: Request) -> Response:
    opened, t = opened_folder(request), texts(language_of(request))
    views = [
        receiver_view(folder, str(folder.relative_to(opened)) if folder != opened else opened.name, t)
        for folder in receivers_below(opened)
    ]
    return render(request, "receivers.html.j2", receivers=views, colours=_COLOURS)


routes = [Route("/receivers", _receivers)]
